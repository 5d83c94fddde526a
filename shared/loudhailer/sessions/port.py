"""The store of sessions, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.sessions.grants import Grants
from loudhailer.sessions.model import Session


class SessionStore(Protocol):
    """The sessions. `connect` alone adds to a session's connections, together with the connection's row."""

    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        """Return the session, expired or not, read consistently; None if there is no such row."""

    def renew(
        self,
        tenant: TenantId,
        session: SessionId,
        *,
        player: PlayerId | None,
        expires_at: int,
        now: int,
        grants: Grants | None = None,
    ) -> bool:
        """Create the session, or extend its life to `expires_at`.

        With a player, the session is bound to that player for life; without one, its binding is not changed. A session
        that has expired at `now`, or that is bound only now, is deleted and created again: its connections are not in
        the new one, and the deletion of the old row closes them. Otherwise its connections stay. Return False, and
        change nothing, if the session is live and bound to another player. Grants replace the former ones;
        None leaves them, and a new session has none then.

        Raises:
            TransientError: as for all methods, or because others keep creating and ending the session.
        """

    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        """Yield all sessions of the tenant, expired ones included, in pages that are read consistently on demand."""

    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        """Extend the life of a used session to `session_seconds` from now; None if it is gone or expired.

        The session is read consistently, and written only if a tenth of its lifetime has passed. A session that is gone
        or expired is never recreated, even if it is deleted between the read and the write.
        """

    def extend(self, tenant: TenantId, session: SessionId, expires_at: int) -> None:
        """Extend the session's life to `expires_at`, even if it has expired and is not deleted yet.

        A session that is gone is not recreated.
        """

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """Yield the number of the tenant's live sessions in each page, read consistently on demand."""

    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        """Delete the session, unless it is bound to another player than `player`; return whether it was deleted."""

    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        """Remove connections that are gone from the session; missing connections, or a missing session, are ignored."""

    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        """Do as `forget` for any number of sessions in few calls; return the sessions that could not be written now.

        A session that other calls write to at every attempt counts as unwritten. After an error, the call may be
        repeated.
        """

    def delete_expired(self, now: int) -> Iterator[int]:
        """Delete sessions that have expired at `now`; after each call of the store, yield the number of deletions.

        The number is too high by the rows that something else deleted since they were found.

        A sixtieth of a large table is searched, another part each minute, so all of it within an hour; a small table is
        searched completely each time. A session that was renewed since it was found stays.

        Raises:
            TransientError: as always, or at the end, because some could not be deleted; the others are.
        """

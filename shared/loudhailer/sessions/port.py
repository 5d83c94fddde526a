"""The store of sessions, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.sessions.model import Session


class SessionStore(Protocol):
    """The sessions. `connect` alone adds to a session's connections, together with the connection's row."""

    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        """The session, read consistently, whether it is expired or not; None if there is no such row."""

    def renew(
        self, tenant: TenantId, session: SessionId, *, player: PlayerId | None, expires_at: int, now: int
    ) -> bool:
        """Make the session, or let it live until `expires_at`.

        A player binds the session for as long as it lives; no player leaves the binding as it is. A session that is
        expired at `now`, or that is bound only now, is deleted and made anew: the connections that it had are not in
        the new one, and the removal of its row has them closed. Of any other the connections stay. False, and nothing
        done, if it is live and bound to another player.

        Raises:
            TransientError: as always, or because others made and ended the session all the time.
        """

    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        """All sessions of the tenant, expired ones too, in pages that are read consistently when they are reached."""

    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        """Let a session that is in use live for `session_seconds` from now; None if it is gone or expired.

        The session is read consistently, and written only once a tenth of its time has passed. One that is gone or
        expired is never brought back, even if it goes between the read and the write.
        """

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """The numbers of the tenant's live sessions in each page of them, read consistently, when it is reached."""

    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        """Delete the session, with a player only if it is bound to nobody else; whether it did."""

    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        """Take connections that are gone out of the session; those or a session that are not there are fine."""

    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        """Do as `forget` for any number of sessions in few calls; return the sessions that could not be written now.

        A session that others write all the time is one of them. After an error, all of it again does no harm.
        """

    def delete_expired(self, now: int) -> Iterator[int]:
        """Delete sessions whose time is over at `now`; after each call of the store, return how many it has deleted.

        Of a large table a sixtieth is gone through, another one each minute, so within an hour all of it; a small one
        each time. A session that was renewed since it was found stays.

        Raises:
            TransientError: as always, or at the end, because some could not be deleted; the others are.
        """

"""What the use cases need of tenants, sessions and limits.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.tenancy.model import Inquiry, MinuteCounter, Session, Tenant, TenantTotal, Tombstone


class TenantStore(Protocol):
    """The tenants. One that is being erased, or was, is none: it leaves a tombstone until its id is used again."""

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        """The tenant, read consistently if that is asked for; None if there is none of that id."""

    def everyone(self) -> list[Tenant]:
        """All tenants, in the order of their ids."""

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """Makes the tenant, or replaces the one of the same id.

        False, and nothing done, if one of that id is being erased, or was erased at `erased_before` or later.
        """

    def begin_erasing(self, tenant: TenantId) -> bool:
        """Makes the tenant none for everybody, and says so by a tombstone; False if there is no tenant to be erased."""

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """Notes that the tenant that is being erased has nothing left."""

    def tombstones(self) -> list[Tombstone]:
        """The tombstones of all tenants, in the order of their ids."""


class SessionStore(Protocol):
    """The sessions. `connect` alone adds to a session's connections, together with the connection's row."""

    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        """The session, read consistently, whether it is expired or not; None if there is no such row."""

    def renew(
        self, tenant: TenantId, session: SessionId, *, player: PlayerId | None, expires_at: int, now: int
    ) -> bool:
        """Makes the session, or lets it live until `expires_at`.

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
        """Lets a session that is in use live for `session_seconds` from now; None if it is gone or expired.

        The session is read consistently, and written only once a tenth of its time has passed. One that is gone or
        expired is never brought back, even if it goes between the read and the write.
        """

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """The numbers of the tenant's live sessions in each page of them, read consistently, when it is reached."""

    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        """Deletes the session, with a player only if it is bound to nobody else; whether it did."""

    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        """Takes connections that are gone out of the session; those or a session that are not there are fine."""

    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        """As `forget`, for any number of sessions in few calls; those that could not be written for now.

        A session that others write all the time is one of them. After an error, all of it again does no harm.
        """

    def expired(self, now: int) -> Iterator[list[tuple[TenantId, SessionId]]]:
        """The sessions whose time is over at `now`, in pages; a page without any is empty.

        The table is read from another place each minute, so that who stops early sees all of it in the end.
        """

    def delete_if_expired(self, tenant: TenantId, session: SessionId, now: int) -> bool:
        """Deletes the session if its time still is over at `now`; whether it did."""


class LimitStore(Protocol):
    """How much of its limits each tenant has used up.

    `reserve`, `release` and `repair` are not repeated when it is unknown whether they were carried out. What is in
    doubt counts as reserved: a total may be too high for a while, never too low. Nor are `count_in_minute` and
    `take_in_minute`, but a caller may repeat them: what is counted twice brings a limit of that minute nearer, and
    harms nothing else.
    """

    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        """Reserves one connection if fewer than the maximum are; whether it did."""

    def release(self, tenant: TenantId, connections: int) -> None:
        """Gives reserved connections back; the total does not go below zero."""

    def forget(self, tenant: TenantId) -> None:
        """Deletes all rows of a tenant that has nothing left: its total, its counts, the ids of its clients' messages.

        All tenants' rows are read: it is for an operator who erases a tenant.
        """

    def total(self, tenant: TenantId) -> TenantTotal:
        """What is reserved now, read consistently."""

    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        """Keeps the inquiry in place of an earlier one, or none; a tenant with no total yet is fine."""

    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        """Adds the difference to the total, or takes it off if it is negative, and ends the inquiry.

        False, and nothing done, if that would be below zero, or if the inquiry is not the one that was seen.
        """

    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        """Counts so many attempts in the minute of `now`; how many there are in it by now, these included.

        Attempts are counted, so the count goes on over any limit.
        """

    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        """Notes the first message that is refused in the minute of `now`; one that is noted already stands."""

    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        """The first message that was refused in the minute of `now`, read consistently; None if none is noted."""

    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        """Takes the amount of what the maximum leaves in the minute of `now`; False, and nothing taken, if it is more.

        What is refused leaves what there is to smaller amounts. The first amount in a minute is taken whatever it is.
        """

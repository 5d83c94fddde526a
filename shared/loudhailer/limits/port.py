"""The store of totals and counters, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from typing import Protocol

from loudhailer.ids import TenantId
from loudhailer.limits.model import Inquiry, MinuteCounter, TenantTotal


class LimitStore(Protocol):
    """The used part of each tenant's limits.

    `reserve`, `release` and `repair` are not repeated when it is unknown whether they were carried out. What is in
    doubt counts as reserved: a total may be too high for a while, never too low. Nor are `count_in_minute` and
    `take_in_minute`, but a caller may repeat them: what is counted twice brings a limit of that minute nearer, and
    harms nothing else.
    """

    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        """Reserve one connection if fewer than the maximum are; whether it did."""

    def release(self, tenant: TenantId, connections: int) -> None:
        """Give reserved connections back; the total does not go below zero."""

    def forget(self, tenant: TenantId) -> None:
        """Delete all rows of a tenant that has nothing left: its total, its counts, the ids of its clients' messages.

        All tenants' rows are read: it is for an operator who erases a tenant.
        """

    def total(self, tenant: TenantId) -> TenantTotal:
        """Return the tenant's total, read consistently."""

    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        """Keep the inquiry in place of an earlier one, or none; a tenant with no total yet is fine."""

    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        """Add the difference to the total, or take it off if it is negative, and end the inquiry.

        False, and nothing done, if that would be below zero, or if the inquiry is not the one that was seen.
        """

    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        """Count so many attempts in the minute of `now`; how many there are in it by now, these included.

        Attempts are counted, so the count goes on over any limit.
        """

    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        """Note the first message that is refused in the minute of `now`; one that is noted already stands."""

    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        """The first message that was refused in the minute of `now`, read consistently; None if none is noted."""

    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        """Take the amount of what the maximum leaves in the minute of `now`; False, and nothing taken, if it is more.

        What is refused leaves what there is to smaller amounts. The first amount in a minute is taken whatever it is.
        """

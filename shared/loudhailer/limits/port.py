"""The store of totals and counters, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from typing import Protocol

from loudhailer.ids import TenantId
from loudhailer.limits.model import Inquiry, MinuteCounter, TenantTotal


class LimitStore(Protocol):
    """The used part of each tenant's limits.

    `reserve`, `release` and `repair` are not repeated when it is unknown whether they were carried out. In doubt a
    connection counts as reserved: a total may be too high for a while, never too low. `count_in_minute` and
    `take_in_minute` are not repeated either, but a caller may repeat them: counting twice only reaches the minute's
    limit earlier.
    """

    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        """Reserve one connection if fewer than the maximum are reserved; return whether it was reserved."""

    def release(self, tenant: TenantId, connections: int) -> None:
        """Release reserved connections; the total does not go below zero."""

    def forget(self, tenant: TenantId) -> None:
        """Delete all rows of an erased tenant: its total, its counts, the ids of its clients' messages.

        This reads all tenants' rows, and is meant for an operator who erases a tenant.
        """

    def total(self, tenant: TenantId) -> TenantTotal:
        """Return the tenant's total, read consistently."""

    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        """Replace the inquiry, or remove it; a tenant without a total is ignored."""

    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        """Add the difference, which may be negative, to the total, and end the inquiry.

        Return False, and change nothing, if the total would be negative, or if the inquiry has changed since it was
        `seen`.
        """

    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        """Count attempts in the minute of `now`; return the number in that minute so far, these included.

        Refused attempts count as well, so the number may exceed any limit.
        """

    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        """Note the first refused message in the minute of `now`, unless one is noted already."""

    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        """Return the first refused message in the minute of `now`, read consistently; None if none is noted."""

    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        """Take the amount from the minute's maximum; return False, and take nothing, if less is left.

        A refused amount leaves the rest to smaller amounts. The first amount in a minute is always granted.
        """

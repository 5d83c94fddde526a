"""The store of the places that are taken.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection
from typing import Protocol

from loudhailer.ids import TenantId


class PlaceStore(Protocol):
    """The numbers of places that are taken, by the tenant and the name of the holder."""

    def take(self, tenant: TenantId, name: str, maximum: int, *, expires_at: int) -> bool:
        """Take one more place if fewer than the maximum are taken, and keep the row until then; whether it did."""

    def claim_count(self, tenant: TenantId, name: str, *, now: int, every: int) -> int | None:
        """The number of places taken, if the caller is to count the rows; None if somebody did `every` seconds ago."""

    def correct(self, tenant: TenantId, name: str, *, seen: int, counted: int) -> None:
        """Take the count for what is taken, unless more places were taken since that was seen."""

    def names(self, tenant: TenantId) -> list[str]:
        """The names of all that has places of the tenant's, read consistently."""

    def delete(self, tenant: TenantId, names: Collection[str]) -> None:
        """Delete the rows; those that are not there are fine."""

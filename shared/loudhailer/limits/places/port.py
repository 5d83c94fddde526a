"""The store of taken places.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection
from typing import Protocol

from loudhailer.ids import TenantId


class PlaceStore(Protocol):
    """The numbers of taken places, by tenant and name of the holder."""

    def take(self, tenant: TenantId, name: str, maximum: int, *, expires_at: int) -> bool:
        """Take a place if fewer than the maximum are taken, and extend the row's life; return whether it was taken."""

    def claim_count(self, tenant: TenantId, name: str, *, now: int, every: int) -> int | None:
        """Return the taken places if the caller shall count the rows; None if that was done `every` seconds ago."""

    def correct(self, tenant: TenantId, name: str, *, seen: int, counted: int) -> None:
        """Replace the number of taken places by the count, unless it has changed since it was `seen`."""

    def names(self, tenant: TenantId) -> list[str]:
        """Return the names of the tenant's holders of places, read consistently."""

    def delete(self, tenant: TenantId, names: Collection[str]) -> None:
        """Delete the rows; missing ones are ignored."""

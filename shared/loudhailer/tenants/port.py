"""The store of tenants, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from typing import Protocol

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant, TenantRow, Tombstone


class TenantStore(Protocol):
    """The tenants. An erased tenant does not exist any more; its tombstone stays until its id is used again."""

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        """Return the tenant, read consistently if required; None if there is none with the id."""

    def all_tenants(self) -> list[Tenant]:
        """All tenants, in the order of their ids."""

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """Create the tenant, or replace the one with the same id.

        Return False, and change nothing, if a tenant with that id is being erased, or was erased at `erased_before` or
        later.
        """

    def begin_erasing(self, tenant: TenantId) -> bool:
        """Replace the tenant by a tombstone, so that it no longer exists; return False if there is no such tenant."""

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """Note that all data of the tenant is erased."""

    def tombstones(self) -> list[Tombstone]:
        """The tombstones of all tenants, in the order of their ids."""

    def all_rows(self) -> list[TenantRow]:
        """All tenants and tombstones, for another cell to copy, in the order of their ids."""

    def copy(self, row: TenantRow) -> bool:
        """Put another cell's row unchanged; return False, and change nothing, if the row here has a later revision."""

"""The store of tenants, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from typing import Protocol

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant, TenantRow, Tombstone


class TenantStore(Protocol):
    """The tenants. One that is being erased, or was, is none: it leaves a tombstone until its id is used again."""

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        """The tenant, read consistently if that is asked for; None if there is none of that id."""

    def everyone(self) -> list[Tenant]:
        """All tenants, in the order of their ids."""

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """Make the tenant, or replace the one of the same id.

        False, and nothing done, if one of that id is being erased, or was erased at `erased_before` or later.
        """

    def begin_erasing(self, tenant: TenantId) -> bool:
        """Make the tenant none for everybody, and say so by a tombstone; False if there is no tenant to be erased."""

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """Note that the tenant that is being erased has nothing left."""

    def tombstones(self) -> list[Tombstone]:
        """The tombstones of all tenants, in the order of their ids."""

    def everything(self) -> list[TenantRow]:
        """All tenants and tombstones, for another cell to copy, in the order of their ids."""

    def copy(self, row: TenantRow) -> bool:
        """Put another cell's row as it is; False, and nothing done, if the one here is of a later revision."""

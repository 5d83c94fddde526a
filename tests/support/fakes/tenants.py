"""In-memory twin of the store of tenants."""

from operator import attrgetter
from typing import override

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant, TenantRow, Tombstone
from loudhailer.tenants.port import TenantStore


class MemoryTenantStore(TenantStore):
    """Keeps tenants in a dictionary; counts the reads, so that a cache can be tested."""

    def __init__(self, *tenants: Tenant) -> None:
        self.rows = {tenant.tenant_id: tenant for tenant in tenants}
        self.erased: dict[TenantId, int | None] = {}
        self.revisions: dict[TenantId, int] = {}
        self.reads = 0

    @override
    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:  # it always is
        self.reads += 1
        return self.rows.get(tenant)

    @override
    def all_tenants(self) -> list[Tenant]:
        return sorted(self.rows.values(), key=attrgetter("tenant_id"))

    @override
    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        if tenant.tenant_id in self.erased:
            erased_at = self.erased[tenant.tenant_id]
            if erased_at is None or (erased_before is not None and erased_at >= erased_before):
                return False
            del self.erased[tenant.tenant_id]
        self.rows[tenant.tenant_id] = tenant
        return True

    @override
    def begin_erasing(self, tenant: TenantId) -> bool:
        if self.rows.pop(tenant, None) is not None:
            self.erased[tenant] = None
        return self.erased.get(tenant, 0) is None

    @override
    def end_erasing(self, tenant: TenantId, now: int) -> None:
        if self.erased.get(tenant, 0) is None:
            self.erased[tenant] = now

    @override
    def tombstones(self) -> list[Tombstone]:
        return [Tombstone(tenant, self.erased[tenant]) for tenant in sorted(self.erased)]

    @override
    def all_rows(self) -> list[TenantRow]:
        tenants = [TenantRow(key, tenant.revision, tenant, None) for key, tenant in self.rows.items()]
        stones = [
            TenantRow(stone.tenant_id, self.revisions.get(stone.tenant_id, 0), None, stone)
            for stone in self.tombstones()
        ]
        return sorted([*tenants, *stones], key=attrgetter("tenant_id"))

    @override
    def copy(self, row: TenantRow) -> bool:
        current = {here.tenant_id: here for here in self.all_rows()}.get(row.tenant_id)
        if current is not None and current.revision > row.revision:
            return False
        self.rows.pop(row.tenant_id, None)
        self.erased.pop(row.tenant_id, None)
        self.revisions[row.tenant_id] = row.revision
        if row.tenant is not None:
            self.rows[row.tenant_id] = row.tenant
        if row.tombstone is not None:
            self.erased[row.tenant_id] = row.tombstone.erased_at
        return True

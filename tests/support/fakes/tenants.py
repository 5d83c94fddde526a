"""In-memory twin of the store of tenants."""

from operator import attrgetter

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant, Tombstone
from loudhailer.tenants.port import TenantStore


class MemoryTenantStore(TenantStore):
    """Keeps tenants in a dictionary; counts the reads, so that a cache can be tested."""

    def __init__(self, *tenants: Tenant) -> None:
        self.rows = {tenant.tenant_id: tenant for tenant in tenants}
        self.erased: dict[TenantId, int | None] = {}
        self.reads = 0

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:  # noqa: ARG002  # it always is
        """See `TenantStore.get`."""
        self.reads += 1
        return self.rows.get(tenant)

    def everyone(self) -> list[Tenant]:
        """See `TenantStore.everyone`."""
        return sorted(self.rows.values(), key=attrgetter("tenant_id"))

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """See `TenantStore.put`."""
        if tenant.tenant_id in self.erased:
            erased_at = self.erased[tenant.tenant_id]
            if erased_at is None or (erased_before is not None and erased_at >= erased_before):
                return False
            del self.erased[tenant.tenant_id]
        self.rows[tenant.tenant_id] = tenant
        return True

    def begin_erasing(self, tenant: TenantId) -> bool:
        """See `TenantStore.begin_erasing`."""
        if self.rows.pop(tenant, None) is not None:
            self.erased[tenant] = None
        return self.erased.get(tenant, 0) is None

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """See `TenantStore.end_erasing`."""
        if self.erased.get(tenant, 0) is None:
            self.erased[tenant] = now

    def tombstones(self) -> list[Tombstone]:
        """See `TenantStore.tombstones`."""
        return [Tombstone(tenant, self.erased[tenant]) for tenant in sorted(self.erased)]

"""Tenants, remembered for a while."""

from collections.abc import Callable

from loudhailer.ids import TenantId
from loudhailer.tenancy.model import Tenant
from loudhailer.tenancy.port import TenantStore

_CACHE_SECONDS = 60


class CachedTenants:
    """Reads a tenant at most once a minute; one that is not there is looked up every time, so that a new one works."""

    def __init__(self, store: TenantStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._cached: dict[TenantId, tuple[float, Tenant]] = {}

    def get(self, tenant: TenantId) -> Tenant | None:
        """The tenant as it was at most a minute ago; None if there is none of that id."""
        now = self._clock()
        at, known = self._cached.get(tenant, (0.0, None))
        if known is not None and now - at < _CACHE_SECONDS:
            return known
        return self.reread(tenant)

    def reread(self, tenant: TenantId) -> Tenant | None:
        """The tenant as it is now, which is remembered from now on; None if there is none of that id."""
        found = self._store.get(tenant)
        if found is not None:
            self._cached[tenant] = (self._clock(), found)
        return found

"""Tenants, remembered for a while, so that neither clients nor strangers cause a read with each attempt."""

from collections.abc import Callable

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from loudhailer.tenants.port import TenantStore

_CACHE_SECONDS = 60

_SHORT_SECONDS = 1
"""The time between two reads of the same id that no tenant has, and between two that `reread` makes."""

_REMEMBERED = 1_000
"""Ids that no tenant has; a stranger may name any number of them."""


class CachedTenants:
    """Reads a tenant at most once a minute, and once a second where there is none of that id.

    A tenant that has no key for its sessions' ids yet is read each time: when it gets one, nobody may go on without it.
    """

    def __init__(self, store: TenantStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[TenantId, tuple[float, Tenant]] = {}
        self._unknown: dict[TenantId, float] = {}
        self._reread_at: dict[TenantId, float] = {}

    def get(self, tenant: TenantId) -> Tenant | None:
        """The tenant as it was at most a minute ago; None if there was none of that id a second ago."""
        now = self._clock()
        at, known = self._known.get(tenant, (0.0, None))
        if known is not None and known.session_key is not None and now - at < _CACHE_SECONDS:
            return known
        if tenant in self._unknown and now - self._unknown[tenant] < _SHORT_SECONDS:
            return None
        return self._read(tenant)

    def reread(self, tenant: TenantId) -> Tenant | None:
        """The tenant as it is now, or, if this was called for it within a second, as `get` has it."""
        now = self._clock()
        if tenant in self._reread_at and now - self._reread_at[tenant] < _SHORT_SECONDS:
            return self.get(tenant)
        found = self._read(tenant)
        if found is not None:
            self._reread_at[tenant] = now
        return found

    def _read(self, tenant: TenantId) -> Tenant | None:
        found = self._store.get(tenant, consistent=True)
        if found is not None:
            self._known[tenant] = (self._clock(), found)
            self._unknown.pop(tenant, None)
            return found
        self._known.pop(tenant, None)
        if len(self._unknown) >= _REMEMBERED:
            self._unknown.clear()
        self._unknown[tenant] = self._clock()
        return None

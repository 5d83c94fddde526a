"""Cache of tenants, so that attempts with known or unknown ids do not cause a read each."""

from collections.abc import Callable
from math import inf

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from loudhailer.tenants.port import TenantStore

_CACHE_SECONDS = 60

_SHORT_SECONDS = 1
"""Seconds between two reads of an unknown id, and between two reads by `reread`."""

_MOST_REMEMBERED = 1_000
"""Number of unknown ids that are cached; a stranger may send any number of them."""


class CachedTenants:
    """Reads a tenant at most once a minute, and an unknown id at most once a second.

    Threads may share it: two that miss at once both read the tenant.

    A tenant without a key for its sessions' ids is read each time: once it gets a key, every function must use it.
    """

    def __init__(self, store: TenantStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[TenantId, tuple[float, Tenant]] = {}
        self._unknown: dict[TenantId, float] = {}
        self._reread_at: dict[TenantId, float] = {}

    def get(self, tenant: TenantId) -> Tenant | None:
        """Return the tenant as it was at most a minute ago; None if the id was unknown a second ago."""
        now = self._clock()
        at, known = self._known.get(tenant, (0.0, None))
        if known is not None and known.session_key is not None and now - at < _CACHE_SECONDS:
            return known
        if now - self._unknown.get(tenant, -inf) < _SHORT_SECONDS:
            return None
        return self._read(tenant)

    def reread(self, tenant: TenantId) -> Tenant | None:
        """Return the tenant as it is now, or, if this was called for it within a second, like `get`."""
        now = self._clock()
        if now - self._reread_at.get(tenant, -inf) < _SHORT_SECONDS:
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
        if len(self._unknown) >= _MOST_REMEMBERED:
            self._unknown.clear()
        self._unknown[tenant] = self._clock()
        return None

"""Tenants, remembered for a while."""

from dataclasses import replace

from loudhailer.ids import TenantId
from loudhailer.tenancy.cache import CachedTenants
from loudhailer.tenancy.memory import MemoryTenantStore
from loudhailer.tenancy.model import Tenant

ACME = Tenant(
    TenantId("acme"),
    tenant_connections=10,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=60,
    session_seconds=200,
)


def test_a_tenant_is_read_once_a_minute() -> None:
    """A change is seen within a minute."""
    now = 0.0
    store = MemoryTenantStore(ACME)
    tenants = CachedTenants(store, clock=lambda: now)
    assert tenants.get(ACME.tenant_id) == ACME
    changed = replace(ACME, tenant_connections=20)
    store.put(changed)
    now = 59.9
    assert tenants.get(ACME.tenant_id) == ACME
    assert store.reads == 1
    now = 60
    assert tenants.get(ACME.tenant_id) == changed


def test_an_unknown_tenant_is_not_remembered() -> None:
    """A tenant works as soon as it is made."""
    store = MemoryTenantStore()
    tenants = CachedTenants(store, clock=lambda: 0)
    assert tenants.get(ACME.tenant_id) is None
    store.put(ACME)
    assert tenants.get(ACME.tenant_id) == ACME


def test_a_deleted_tenant_is_forgotten_within_a_minute() -> None:
    """The cache does not keep what the table has lost."""
    now = 0.0
    store = MemoryTenantStore(ACME)
    tenants = CachedTenants(store, clock=lambda: now)
    tenants.get(ACME.tenant_id)
    store.begin_erasing(ACME.tenant_id)
    now = 60
    assert tenants.get(ACME.tenant_id) is None
    assert tenants.get(ACME.tenant_id) is None

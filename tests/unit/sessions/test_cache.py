"""Tenants, remembered for a while."""

from dataclasses import replace
from typing import override

from loudhailer.ids import TenantId
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from tests.support.fakes.tenants import MemoryTenantStore

ACME = Tenant(
    TenantId("acme"),
    tenant_connections=10,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=60,
    session_seconds=200,
    session_key="key",
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


def test_an_unknown_tenant_is_looked_up_once_a_second() -> None:
    """A stranger who repeats an id costs no read with each attempt; a tenant works a second after it is made."""
    now = 0.0
    store = MemoryTenantStore()
    tenants = CachedTenants(store, clock=lambda: now)
    assert [tenants.get(ACME.tenant_id) for _ in range(50)] == [None] * 50
    assert store.reads == 1
    store.put(ACME)
    now = 1
    assert tenants.get(ACME.tenant_id) == ACME


def test_few_unknown_ids_are_remembered() -> None:
    """A stranger may name any number of them: the memory is bounded, and what was forgotten is read again."""
    store = MemoryTenantStore()
    tenants = CachedTenants(store, clock=lambda: 0)
    for number in range(1_001):
        tenants.get(TenantId(f"none-{number}"))
    tenants.get(TenantId("none-1000"))
    assert store.reads == 1_001
    tenants.get(TenantId("none-0"))
    assert store.reads == 1_002


def test_a_tenant_without_a_key_is_read_each_time() -> None:
    """When it gets one, its sessions' ids are hidden with it from then on: the old ones would lead nowhere."""
    store = MemoryTenantStore(replace(ACME, session_key=None))
    tenants = CachedTenants(store, clock=lambda: 0)
    assert tenants.get(ACME.tenant_id) == replace(ACME, session_key=None)
    store.put(ACME)
    assert tenants.get(ACME.tenant_id) == ACME


def test_a_tenant_is_reread_once_a_second_at_most() -> None:
    """Strangers with made-up sessions cause that: each attempt would cost a read."""
    now = 0.0
    store = MemoryTenantStore(ACME)
    tenants = CachedTenants(store, clock=lambda: now)
    tenants.get(ACME.tenant_id)
    changed = replace(ACME, session_key="another")
    store.put(changed)
    assert [tenants.reread(ACME.tenant_id) for _ in range(50)] == [changed] * 50
    assert store.reads == 2
    now = 1
    store.put(ACME)
    assert tenants.reread(ACME.tenant_id) == ACME


def test_rereading_finds_a_newly_created_tenant() -> None:
    """The remembered answer for the id is forgotten."""
    store = MemoryTenantStore()
    tenants = CachedTenants(store, clock=lambda: 0)
    tenants.get(ACME.tenant_id)
    store.put(ACME)
    assert tenants.reread(ACME.tenant_id) == tenants.get(ACME.tenant_id) == ACME


def test_rereading_an_unknown_tenant_finds_no_tenant() -> None:
    """A tenant that is made afterwards is found by the next read."""
    now = 0.0
    store = MemoryTenantStore()
    tenants = CachedTenants(store, clock=lambda: now)
    assert tenants.reread(ACME.tenant_id) is None
    store.put(ACME)
    now = 1.0
    assert tenants.reread(ACME.tenant_id) == ACME


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


def test_rereading_a_tenant_is_consistent() -> None:
    """A replica that lags would bring back limits that were changed, or a tenant that is gone."""
    asked: list[bool] = []

    class Store(MemoryTenantStore):
        """Notes how it is read."""

        @override
        def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
            asked.append(consistent)
            return super().get(tenant, consistent=consistent)

    CachedTenants(Store(), clock=lambda: 0.0).get(TenantId("acme"))
    assert asked == [True]

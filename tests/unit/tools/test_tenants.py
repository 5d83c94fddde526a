"""Changes that an operator may make to a tenant."""

from dataclasses import replace

import pytest

from loudhailer.ids import TenantId
from tests.support.fakes.tenants import MemoryTenantStore
from tools.errors import OperatorError
from tools.operations.tenants import SAMPLE_TENANTS, TenantChange, keyed, put, require_silo

ACME = TenantId("acme")


def test_a_new_tenant_has_defaults_for_unnamed_options() -> None:
    """One option is enough to make one."""
    tenant = TenantChange(tenant_connections=77).applied_to(ACME, None)
    assert (tenant.tenant_id, tenant.tenant_connections) == (ACME, 77)
    assert tenant.session_seconds > 0


def test_an_existing_tenant_keeps_unnamed_options() -> None:
    """`put` must not reset limits that the operator did not speak of."""
    existing = SAMPLE_TENANTS[2]
    changed = TenantChange(messages_per_minute=5).applied_to(existing.tenant_id, existing)
    assert changed.to_wire() == existing.to_wire() | {"messagesPerMinute": 5, "postsPerMinute": 500}


@pytest.mark.parametrize("name", ["synthetic", "synthetic-hub-0", "synthetic-acme"])
def test_an_id_of_the_health_checks_cannot_be_put(name: str) -> None:
    """CI's role may write its row; a tenant that has one from before can still be changed."""
    tenants = MemoryTenantStore()

    def change() -> None:
        put(tenants, TenantChange(messages_per_minute=5), TenantId(name), now=0, rest_seconds=0, at_once=False)

    with pytest.raises(OperatorError, match="are those of health checks"):
        change()
    assert tenants.rows == {}
    tenants.put(replace(SAMPLE_TENANTS[0], tenant_id=TenantId(name)))
    change()
    assert tenants.rows[TenantId(name)].messages_per_minute == 5


def test_an_id_that_only_begins_like_that_of_health_checks_can_be_put() -> None:
    """CI's role cannot write it."""
    tenants = MemoryTenantStore()
    name = TenantId("synthetics")
    assert put(tenants, TenantChange(), name, now=0, rest_seconds=0, at_once=False) == tenants.rows[name]


@pytest.mark.parametrize("has_silo", [False, True])
def test_only_an_existing_silo_may_be_named(*, has_silo: bool) -> None:
    """Terraform makes the queue, so nothing else may promise it; False is an answer, None is none."""
    require_silo(ACME, wanted=None, has_silo=has_silo)
    require_silo(ACME, wanted=has_silo, has_silo=has_silo)
    with pytest.raises(OperatorError) as refused:
        require_silo(ACME, wanted=not has_silo, has_silo=has_silo)
    assert refused.value.problem.startswith(f"Tenant acme has {'a' if has_silo else 'no'} silo: ")
    assert "`messaging.silo_tenants`" in refused.value.remedy
    assert "`loudhailer up`" in refused.value.remedy


def test_every_illegal_limit_is_named_at_once() -> None:
    """All errors are reported together."""
    change = TenantChange(tenant_connections=0, session_seconds=-1, session_per_minute=50, tenant_per_minute=10)
    with pytest.raises(OperatorError) as caught:
        change.applied_to(ACME, None)
    for name in (
        "tenantConnections is 0",
        "sessionTTL is -1",
        "sessionPerMinute is more",
        "connectionsPerSession is more",
    ):
        assert name in caught.value.problem


def test_posts_follow_the_messages_unless_they_are_set() -> None:
    """Their bounds are those of all limits."""
    tenant = TenantChange(messages_per_minute=50).applied_to(ACME, None)
    assert tenant.post_budget == 5_000
    tenant = TenantChange(posts_per_minute=77).applied_to(ACME, tenant)
    assert (tenant.post_budget, TenantChange(messages_per_minute=1).applied_to(ACME, tenant).post_budget) == (77, 77)
    assert TenantChange(messages_per_minute=1_000_000_000).applied_to(ACME, None).post_budget == 100_000_000_000
    with pytest.raises(OperatorError, match="postsPerMinute is 0, must be 1 to"):
        TenantChange(posts_per_minute=0).applied_to(ACME, None)


@pytest.mark.parametrize("value", [0, -1, 1_000_000_001])
def test_limits_have_bounds(value: int) -> None:
    """A tenant that may do nothing, or anything, is a slip of the hand."""
    with pytest.raises(OperatorError, match="must be 1 to"):
        TenantChange(messages_per_minute=value).applied_to(ACME, None)


def test_the_samples_are_legal_and_have_the_seeds_limits() -> None:
    """Clients written for the ancestor count on these figures."""
    for tenant in SAMPLE_TENANTS:
        assert TenantChange().applied_to(tenant.tenant_id, tenant) == tenant
    figures = [
        (
            tenant.tenant_per_minute,
            tenant.session_per_minute,
            tenant.connections_per_session,
            tenant.tenant_connections,
            tenant.session_seconds,
            tenant.messages_per_minute,
        )
        for tenant in SAMPLE_TENANTS
    ]
    assert figures == [(60, 5, 2, 10, 200, 60), (120, 10, 5, 100, 300, 600), (180, 30, 10, 1000, 300, 6000)]


def test_a_new_tenant_has_a_key_of_its_own() -> None:
    """An existing one keeps its key, or that it has none, until it is given a new one."""
    one, two = (TenantChange().applied_to(ACME, None).session_key for _ in range(2))
    assert one
    assert two
    assert one != two
    existing = SAMPLE_TENANTS[0]
    assert TenantChange().applied_to(existing.tenant_id, existing).session_key is None
    assert TenantChange(session_key="new").applied_to(existing.tenant_id, existing).session_key == "new"
    again = keyed(existing)
    assert keyed(again) is again

"""Clients that are let in, and their context."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from random import Random
from typing import Any

import pytest

from functions.connections.authorizer.authorizer import Authorizer, UnauthorizedError
from loudhailer.ids import PlayerId, SessionId, SessionSecret, TenantId
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.sessions.grants import Grants
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from loudhailer.websocket.identity import ConnectionIdentity
from tests.support.executors import AtOnce
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore

NOW = 1000
ACME, S1 = TenantId("acme"), SessionId("s1")
TENANT = Tenant(
    ACME,
    tenant_connections=10,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
)
STAGE = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live"


@pytest.fixture
def sessions() -> MemorySessionStore:
    """Session s1 lives; a second later it is over."""
    store = MemorySessionStore()
    store.renew(ACME, S1, player=None, expires_at=NOW + 1, now=NOW)
    return store


@pytest.fixture
def authorizer(sessions: MemorySessionStore) -> Authorizer:
    """One environment, at the time NOW."""
    return made_of(MemoryTenantStore(TENANT), sessions)


def made_of(
    tenants: MemoryTenantStore,
    sessions: MemorySessionStore,
    part_of: Callable[[Tenant], Tenant] = lambda tenant: tenant,
) -> Authorizer:
    """One environment on these stores."""
    partitions = PartitionAssigner(
        MemoryPartitionStore(),
        executor=AtOnce(),
        capacity=10,
        maximum=10,
        clock=lambda: NOW,
        random=Random(0),  # noqa: S311  # a test repeats itself
    )
    return Authorizer(CachedTenants(tenants, clock=lambda: NOW), sessions, partitions, part_of, clock=lambda: NOW)


def event(**query: str) -> dict[str, Any]:
    """API Gateway's event for a handshake with this query string."""
    return {
        "type": "REQUEST",
        "methodArn": f"{STAGE}/$connect",
        "queryStringParameters": query or None,
        "requestContext": {"routeKey": "$connect", "connectionId": "L0SM9cOFvHcCIhw="},
    }


def effect(policy: dict[str, Any]) -> str:
    """Return the policy's effect on every route of the stage."""
    (statement,) = policy["policyDocument"]["Statement"]
    assert statement["Resource"] == f"{STAGE}/*"
    assert statement["Action"] == "execute-api:Invoke"
    return str(statement["Effect"])


def test_a_live_session_is_admitted_with_its_context(authorizer: Authorizer, counted: Counter[str]) -> None:
    """Later routes see the tenant's limits and the partition."""
    policy = authorizer(event(tenantId="acme", sessionId="s1"))
    assert effect(policy) == "Allow"
    assert policy["principalId"] == "acme"
    assert policy["context"] == {
        "tenantId": "acme",
        "sessionId": "s1",
        "partition": "acme#00000",
        "connectionsPerSession": 2,
        "tenantConnections": 10,
        "sessionPerMinute": 5,
        "tenantPerMinute": 60,
        "sessionTTL": 200,
        "messagesPerMinute": 70,
        "postsPerMinute": 7000,
        "sessionConnections": 0,
        "channelsPerConnection": 100,
        "subscribes": 0,
    }
    assert counted == {"HandshakeAllowed": 1, "PartitionOpened": 1}


def test_the_context_tells_whether_the_session_has_grants(authorizer: Authorizer, sessions: MemorySessionStore) -> None:
    """Then the connection is marked from the start, and its first subscription needs no write for that."""
    sessions.renew(ACME, S1, player=None, expires_at=NOW + 1, now=NOW, grants=Grants.from_wire({"news/*": "s"}))
    context = authorizer(event(tenantId="acme", sessionId="s1"))["context"]
    assert context["subscribes"] == 1
    assert ConnectionIdentity.read({name: str(value) for name, value in context.items()}).subscribes


def test_a_hub_of_several_cells_admits_with_its_part_of_the_limits(sessions: MemorySessionStore) -> None:
    """The rest is for clients on other cells."""

    def third(tenant: Tenant) -> Tenant:
        return replace(tenant, tenant_connections=tenant.tenant_connections // 3)

    policy = made_of(MemoryTenantStore(TENANT), sessions, third)(event(tenantId="acme", sessionId="s1"))
    assert policy["context"]["tenantConnections"] == 3


def test_the_context_contains_the_bound_player(authorizer: Authorizer, sessions: MemorySessionStore) -> None:
    """The client may name the player or not."""
    sessions.renew(ACME, S1, player=PlayerId("ann"), expires_at=NOW + 1, now=NOW)
    for claim in ({}, {"playerId": "ann"}):
        policy = authorizer(event(tenantId="acme", sessionId="s1", **claim))
        assert effect(policy) == "Allow"
        assert policy["context"]["playerId"] == "ann"


@pytest.mark.parametrize("bound", [None, PlayerId("ann")])
def test_a_client_cannot_claim_a_player(
    authorizer: Authorizer, sessions: MemorySessionStore, bound: PlayerId | None
) -> None:
    """Neither another's, nor one that the session is not bound to."""
    sessions.renew(ACME, S1, player=bound, expires_at=NOW + 1, now=NOW)
    assert effect(authorizer(event(tenantId="acme", sessionId="s1", playerId="bob"))) == "Deny"


@pytest.mark.parametrize(
    "query", [{}, {"tenantId": "acme"}, {"sessionId": "s1"}, {"tenantId": "", "sessionId": "s1"}], ids=str
)
def test_a_missing_identity_is_unauthorized(
    authorizer: Authorizer, counted: Counter[str], query: dict[str, str]
) -> None:
    """API Gateway answers 401 to this very text."""
    with pytest.raises(UnauthorizedError, match=r"^Unauthorized$"):
        authorizer(event(**query))
    assert counted["HandshakeUnauthorized"] == 1


@pytest.mark.parametrize(
    "query",
    [
        {"tenantId": "nobody", "sessionId": "s1"},
        {"tenantId": "acme", "sessionId": "unknown"},
        {"tenantId": "acme#00001", "sessionId": "s1"},
        {"tenantId": "acme", "sessionId": "s1 "},
        {"tenantId": "acme", "sessionId": "s" * 65},
    ],
    ids=str,
)
def test_a_bad_identity_is_denied(authorizer: Authorizer, counted: Counter[str], query: dict[str, str]) -> None:
    """Unknown, or outside the grammar; API Gateway answers 403."""
    policy = authorizer(event(**query))
    assert effect(policy) == "Deny"
    assert "context" not in policy
    assert policy["principalId"] == "unknown"
    assert counted["HandshakeDenied"] == 1


def test_an_expired_session_is_denied_even_with_a_row(authorizer: Authorizer, sessions: MemorySessionStore) -> None:
    """TTL deletes hours later; the time decides."""
    sessions.renew(ACME, S1, player=None, expires_at=NOW, now=NOW)
    assert effect(authorizer(event(tenantId="acme", sessionId="s1"))) == "Deny"


def test_a_denial_is_logged_without_the_session(authorizer: Authorizer, log: StringIO) -> None:
    """The session's id is a bearer secret, right or wrong."""
    authorizer(event(tenantId="acme", sessionId="secret-1"))
    authorizer(event(tenantId="acme", sessionId="secret 2"))
    assert len(log.getvalue().splitlines()) == 2
    assert "secret" not in log.getvalue()


def test_a_session_is_looked_up_by_its_hidden_id(sessions: MemorySessionStore) -> None:
    """The client names its session; the context, and all that comes after it, has the keyed hash."""
    tenant = replace(TENANT, session_key="a key")
    kept = tenant.session_id_of(SessionSecret("secret"))
    sessions.renew(ACME, kept, player=None, expires_at=NOW + 1, now=NOW)
    authorizer = made_of(MemoryTenantStore(tenant), sessions)
    answer = authorizer(event(tenantId="acme", sessionId="secret"))
    assert answer["context"]["sessionId"] == kept
    assert "secret" not in str(answer)
    for stolen in (kept, "s1"):
        denied = authorizer(event(tenantId="acme", sessionId=stolen))
        assert denied["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_made_up_sessions_cause_few_reads_of_the_tenant(sessions: MemorySessionStore) -> None:
    """A stranger may try as many as the stage lets in: each costs the read of a session, and nothing else."""
    store = MemoryTenantStore(replace(TENANT, session_key="a key"))
    authorizer = made_of(store, sessions)
    for number in range(100):
        assert "context" not in authorizer(event(tenantId="acme", sessionId=f"made-up-{number}"))
        assert "context" not in authorizer(event(tenantId="none", sessionId=f"made-up-{number}"))
    assert store.reads == 3


@pytest.mark.parametrize("session_key", [None, "an old key"])
def test_a_new_key_is_used_before_the_tenants_cache_entry_expires(
    sessions: MemorySessionStore, session_key: str | None
) -> None:
    """A session that was put a moment ago is found, though the tenant is remembered for a minute."""
    old = replace(TENANT, session_key=session_key)
    store = MemoryTenantStore(old)
    authorizer = made_of(store, sessions)
    sessions.renew(ACME, old.session_id_of(SessionSecret("s1")), player=None, expires_at=NOW + 1, now=NOW)
    assert "context" in authorizer(event(tenantId="acme", sessionId="s1"))
    tenant = replace(TENANT, session_key="a key")
    store.put(tenant)
    sessions.renew(ACME, tenant.session_id_of(SessionSecret("new")), player=None, expires_at=NOW + 1, now=NOW)
    assert "context" in authorizer(event(tenantId="acme", sessionId="new"))
    assert "context" not in authorizer(event(tenantId="acme", sessionId="other"))

"""How a row goes when its connection closed."""

from collections import Counter
from typing import Any

import pytest

from functions.connect.memory import MemoryRegister
from functions.disconnect.disconnect import Disconnect, Stores
from loudhailer.connections.memory import MemoryConnectionStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId
from loudhailer.tenancy.memory import MemorySessionStore

ACME, S1 = TenantId("acme"), SessionId("s1")
KEY = ConnectionKey(Partition("acme#00002"), ConnectionId("a="))
NEIGHBOUR = ConnectionKey(Partition("acme#00002"), ConnectionId("b="))


@pytest.fixture
def connections() -> MemoryConnectionStore:
    """Filled by `disconnect`."""
    return MemoryConnectionStore()


@pytest.fixture
def disconnect(connections: MemoryConnectionStore) -> Disconnect:
    """With two connections of session s1."""
    sessions = MemorySessionStore()
    sessions.renew(ACME, S1, player=None, expires_at=200, now=0)
    register = MemoryRegister(connections, sessions)
    for key in (KEY, NEIGHBOUR):
        register.record(Connection(key, S1, 0, 7500), connections_per_session=2, session_expires_at=200)
    return Disconnect(lambda _: Stores(connections, sessions))


def event(context: dict[str, str] | None) -> dict[str, Any]:
    """API Gateway's `$disconnect` event for the connection a=."""
    request: dict[str, Any] = {"routeKey": "$disconnect", "connectionId": "a="}
    if context is not None:
        request["authorizer"] = context
    return {"requestContext": request}


def test_a_row_is_deleted_by_its_key(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str]
) -> None:
    """Twice is as good as once, and the neighbour stays."""
    for _ in range(2):
        assert disconnect(event({"partition": "acme#00002"})) == {"statusCode": 200}
        assert set(connections.rows) == {NEIGHBOUR}
    assert not counted


def test_without_a_partition_the_session_leads_to_the_row(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str]
) -> None:
    """And it is counted, since AWS's guide does not say that it cannot happen."""
    assert disconnect(event({"tenantId": "acme", "sessionId": "s1"})) == {"statusCode": 200}
    assert set(connections.rows) == {NEIGHBOUR}
    assert counted["DisconnectWithoutContext"] == 1


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"tenantId": "acme"},
        {"tenantId": "acme", "sessionId": "unknown"},
        {"partition": "nonsense", "tenantId": "#", "sessionId": "s1"},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_found_is_left_to_expire(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str], context: dict[str, str] | None
) -> None:
    """Nobody else's row is touched."""
    assert disconnect(event(context)) == {"statusCode": 200}
    assert set(connections.rows) == {KEY, NEIGHBOUR}
    assert counted["DisconnectWithoutContext"] == 1

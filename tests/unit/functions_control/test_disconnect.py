"""How a row goes when its connection closed."""

from collections import Counter
from typing import Any

import pytest

from functions.disconnect.disconnect import Disconnect
from loudhailer.connections.memory import MemoryConnectionStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId

KEY = ConnectionKey(Partition("acme#00002"), ConnectionId("a="))
NEIGHBOUR = ConnectionKey(Partition("acme#00002"), ConnectionId("b="))


@pytest.fixture
def connections() -> MemoryConnectionStore:
    """Two connections."""
    store = MemoryConnectionStore()
    store.rows = {key: Connection(key, SessionId("s1"), 0, 7500) for key in (KEY, NEIGHBOUR)}
    return store


@pytest.fixture
def disconnect(connections: MemoryConnectionStore) -> Disconnect:
    """On the rows of the only tenant."""
    return Disconnect({TenantId("acme"): connections}.__getitem__)


def event(*bodies: str) -> dict[str, Any]:
    """A batch of the queue; messages are named `0`, `1`, ..."""
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def test_a_row_is_deleted_by_its_key(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str]
) -> None:
    """Twice is as good as once, and the neighbour stays."""
    for _ in range(2):
        assert disconnect(event("acme#00002 a=", "acme#00002 a=")) == {"batchItemFailures": []}
        assert set(connections.rows) == {NEIGHBOUR}
    assert not counted


@pytest.mark.parametrize(
    "body", ["", " ", " a=", "acme#00002", "acme#00002 ", "acme a=", "acme#00002 a= b=", "${x} a="]
)
def test_a_row_that_cannot_be_found_is_left_to_expire(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str], body: str
) -> None:
    """Nobody else's row is touched, and the others of the batch go."""
    assert disconnect(event(body, "acme#00002 b=")) == {"batchItemFailures": []}
    assert set(connections.rows) == {KEY}
    assert counted["DisconnectWithoutContext"] == 1


def test_what_cannot_be_deleted_now_comes_again_alone(
    disconnect: Disconnect, connections: MemoryConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway tells of a connection's end once: the message must not be lost."""
    delete = connections.delete

    def deleted(key: ConnectionKey) -> None:
        if key == KEY:
            raise TransientError("the table is down")
        delete(key)

    monkeypatch.setattr(connections, "delete", deleted)
    assert disconnect(event("acme#00002 a=", "acme#00002 b=")) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert set(connections.rows) == {KEY}

"""Deletion of a row whose connection closed."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from functions.connections.disconnect.disconnect import Disconnect
from loudhailer.connections.ends import End
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, SessionId
from tests.support.broadcasts import ENDPOINT
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender

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
    """On these rows."""
    return Disconnect(connections, MemoryOrderedSender(), endpoint=ENDPOINT)


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
def test_an_unknown_row_is_left_to_expire(
    disconnect: Disconnect, connections: MemoryConnectionStore, counted: Counter[str], body: str
) -> None:
    """Nobody else's row is touched, and the others of the batch go."""
    assert disconnect(event(body, "acme#00002 b=")) == {"batchItemFailures": []}
    assert set(connections.rows) == {KEY}
    assert counted["DisconnectWithoutContext"] == 1


def test_a_row_that_cannot_be_deleted_is_retried(
    disconnect: Disconnect, connections: MemoryConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway tells of a connection's end once: the message must not be lost."""

    def fails(_: object) -> None:
        raise TransientError("the table is down")

    monkeypatch.setattr(connections, "delete_all", fails)
    answer = disconnect(event("acme#00002 a=", "${x} a=", "other#00000 b="))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "2"}]}


def test_the_rows_of_a_batch_are_deleted_together(
    disconnect: Disconnect, connections: MemoryConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call for each tenant of the batch, not one for each row."""
    calls: list[list[ConnectionKey]] = []
    monkeypatch.setattr(connections, "delete_all", lambda keys: calls.append(list(keys)))
    disconnect(event("acme#00002 a=", "acme#00002 b=", "other#00000 c="))
    assert calls == [[KEY, NEIGHBOUR], [ConnectionKey(Partition("other#00000"), ConnectionId("c="))]]


def test_undeletable_rows_of_one_tenant_do_not_block_other_tenants(
    disconnect: Disconnect, connections: MemoryConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the messages of that tenant are delivered again."""

    def delete_all(keys: Collection[ConnectionKey]) -> None:
        if KEY in keys:
            raise TransientError("throttled")

    monkeypatch.setattr(connections, "delete_all", delete_all)
    wanted = event("acme#00002 a=", "other#00000 c=")
    assert disconnect(wanted) == {"batchItemFailures": [{"itemIdentifier": wanted["Records"][0]["messageId"]}]}


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.GONE])
def test_a_connection_that_is_to_be_closed_is_closed_first(
    connections: MemoryConnectionStore, counted: Counter[str], outcome: Outcome
) -> None:
    """One that is gone already only has its row deleted; others of the batch are not closed."""
    closer = MemoryOrderedSender({KEY.connection_id: [outcome]})
    disconnect = Disconnect(connections, closer, endpoint=ENDPOINT)
    bodies = End(KEY, close=True).to_body(), End(NEIGHBOUR).to_body()
    assert bodies == ("acme#00002 a= close", "acme#00002 b=")
    assert disconnect(event(*bodies)) == {"batchItemFailures": []}
    is_closed = outcome is Outcome.DELIVERED
    assert closer.closed == ([KEY.connection_id] if is_closed else [])
    assert (connections.rows, counted["ConnectionClosed"]) == ({}, int(is_closed))


def test_a_connection_that_cannot_be_closed_keeps_its_row_and_is_retried(
    connections: MemoryConnectionStore,
) -> None:
    """Nothing would reach it without its row."""
    closer = MemoryOrderedSender({KEY.connection_id: [Outcome.THROTTLED]})
    disconnect = Disconnect(connections, closer, endpoint=ENDPOINT)
    answer = disconnect(event(End(KEY, close=True).to_body(), End(NEIGHBOUR).to_body()))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert set(connections.rows) == {KEY}

"""One suite for the snapshots of cells: their in-memory twin and DynamoDB."""

from typing import Any

import pytest

from loudhailer.broadcast.report import Report
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.ids import BroadcastId
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.broadcasts import ACCOUNT, BROADCAST, NORTH, NOW, SOUTH
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.limits import KEPT_SECONDS

REPORT = Report(
    status="finished",
    expected=None,
    dispatched=4,
    delivered=2,
    gone=1,
    failed=1,
    published_at=NOW * 1000,
    finished_at=NOW * 1000 + 1,
    by_account={ACCOUNT: 2},
    expired=True,
)
EARLIER = Report(
    status="delivering",
    expected=4,
    dispatched=4,
    delivered=2,
    gone=0,
    failed=0,
    published_at=NOW * 1000,
    finished_at=None,
    by_account={},
)


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> SnapshotStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemorySnapshotStore()
    return DynamoSnapshotStore(dynamodb_of(request), table_of(request)("broadcasts"), clock=lambda: NOW)


def test_a_snapshot_is_read_as_it_was_put(store: SnapshotStore) -> None:
    """Each cell has its own, of each broadcast."""
    assert store.put(BROADCAST, NORTH, 7, REPORT)
    assert store.put(BROADCAST, SOUTH, 1, EARLIER)
    assert store.put(BroadcastId("broadcast-2"), SOUTH, 9, REPORT)
    assert store.of(BROADCAST, [NORTH, SOUTH]) == {NORTH: REPORT, SOUTH: EARLIER}
    assert store.of(BROADCAST, [SOUTH]) == {SOUTH: EARLIER}


def test_cells_without_a_snapshot_are_omitted(store: SnapshotStore) -> None:
    """A read makes no row."""
    assert store.of(BROADCAST, [NORTH]) == {}
    assert store.of(BROADCAST, []) == {}


def test_an_older_snapshot_does_not_replace_a_newer_one(store: SnapshotStore) -> None:
    """In whatever order they come."""
    assert store.put(BROADCAST, NORTH, 2, REPORT)
    assert not store.put(BROADCAST, NORTH, 1, EARLIER)
    assert store.of(BROADCAST, [NORTH]) == {NORTH: REPORT}
    assert store.put(BROADCAST, NORTH, 3, EARLIER)
    assert store.of(BROADCAST, [NORTH]) == {NORTH: EARLIER}


def test_a_snapshot_expires_with_the_rows_of_its_broadcast() -> None:
    """The table's TTL deletes it."""
    client: Any = client_of_any_table()
    DynamoSnapshotStore(client, "broadcasts-simulated", clock=lambda: NOW).put(BROADCAST, NORTH, 1, REPORT)
    (row,) = client.scan(TableName="broadcasts-simulated")["Items"]
    assert row["broadcastId"]["S"] == f"{BROADCAST}#cell#north"
    assert int(row["expiresAt"]["N"]) == NOW + KEPT_SECONDS

"""A cell's snapshot is believed as far as it makes sense."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from loudhailer.broadcast.report import Report
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.broadcast.snapshots.model import snapshot_from
from loudhailer.codec import encode_text
from loudhailer.errors import MalformedMessageError
from tests.support.broadcasts import ACCOUNT, BROADCAST, NORTH, NOW, SOUTH
from tests.support.dynamodb.engine import client_of_any_table

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


def changed(**fields: object) -> str:
    """The text of a snapshot with other fields."""
    return encode_text(REPORT.to_wire() | fields)


MALFORMED: list[object] = [
    None,
    7,
    "",
    "[]",
    "x" * 10_000,
    changed(status="done"),
    changed(status=None),
    changed(delivered=-1),
    changed(delivered="2"),
    changed(delivered=2.0),
    changed(delivered=True),
    changed(delivered=10**16),
    changed(delivered=None),
    changed(expected=-1),
    changed(finishedAt="now"),
    changed(finishedAt=None),
    changed(gone=2),
    changed(gone=0),
    changed(byAccount=None),
    changed(byAccount={"x": 1}),
    changed(byAccount={ACCOUNT: -1}),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_snapshot_is_refused(text: object) -> None:
    """A cell writes it, and may have been taken over."""
    with pytest.raises(MalformedMessageError):
        snapshot_from(text)


def test_cells_inside_a_cells_snapshot_are_ignored() -> None:
    """A cell reports its own part only."""
    text = changed(byCell={"south": REPORT.to_wire()}, waitingFor=["south"], silent=["south"])
    assert snapshot_from(text) == REPORT


def test_a_malformed_snapshot_of_one_cell_does_not_block_the_others(
    counted: Counter[str], logged: Callable[..., list[Any]]
) -> None:
    """It counts as no snapshot, and is counted and logged."""
    client: Any = client_of_any_table()
    store = DynamoSnapshotStore(client, "broadcasts-simulated", clock=lambda: NOW)
    store.put(BROADCAST, NORTH, 1, REPORT)
    store.put(BROADCAST, SOUTH, 1, REPORT)
    client.update_item(
        TableName="broadcasts-simulated",
        Key={"broadcastId": {"S": f"{BROADCAST}#cell#south"}, "part": {"S": "report"}},
        UpdateExpression="SET report = :report",
        ExpressionAttributeValues={":report": {"S": changed(delivered=-1)}},
    )
    assert store.of(BROADCAST, [NORTH, SOUTH]) == {NORTH: REPORT}
    assert counted["SnapshotMalformed"] == 1
    assert logged("message", "cell") == [("a snapshot is malformed", "south")]

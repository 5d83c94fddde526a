"""A further cell reports its part of each broadcast to the hub."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, override

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.report.report import ReportToHub
from loudhailer.broadcast.model import Summary, Tally, TallyKey
from loudhailer.broadcast.report import Report
from loudhailer.errors import TransientError
from loudhailer.ids import BroadcastId, CellName, ChunkId
from tests.support.broadcasts import BROADCAST, NORTH, NOW, chunk, outcome, report_of, source, summary
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.snapshots import MemorySnapshotStore

OTHER = BroadcastId("broadcast-2")


class HubSnapshots(MemorySnapshotStore):
    """The snapshots of a hub that may be down for a broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[BroadcastId] = set()

    @override
    def put(self, broadcast_id: BroadcastId, cell: CellName, version: int, report: Report) -> bool:
        if broadcast_id in self.down:
            raise TransientError("the hub is down")
        return super().put(broadcast_id, cell, version, report)


class ReportToHubFixture:
    """A cell with two broadcasts of the hub's, and the hub."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.broadcasts = MemoryBroadcastStore()
        self.hub = HubSnapshots()
        for broadcast_id in (BROADCAST, OTHER):
            self.record(replace(summary(broadcast_id=broadcast_id), announced=True, ends_at=NOW + 300))
        self.report_to_hub = ReportToHub(self.broadcasts, self.hub, cell=NORTH, clock=lambda: self.now)

    def record(self, head: Summary) -> None:
        """Record a broadcast and its one source."""
        self.broadcasts.record(head)
        self.broadcasts.fix_sources(head.broadcast_id, [source(0)])

    def snapshot(self, broadcast_id: BroadcastId = BROADCAST) -> Report | None:
        """The report that the hub has."""
        return self.hub.of(broadcast_id, [NORTH]).get(NORTH)


def record(number: int, place: str = BROADCAST, event: str = "MODIFY", part: str = "summary") -> dict[str, Any]:
    """A record of the stream, which has keys only."""
    keys = {"broadcastId": {"S": place}, "part": {"S": part}}
    return {"eventID": str(number), "eventName": event, "dynamodb": {"SequenceNumber": str(number), "Keys": keys}}


def batch(*records: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a batch."""
    return {"Records": list(records)}


@pytest.fixture
def cell() -> ReportToHubFixture:
    """A fresh one."""
    return ReportToHubFixture()


def test_the_hub_gets_one_report_for_each_broadcast_of_a_batch(cell: ReportToHubFixture, counted: Counter[str]) -> None:
    """Whichever of its rows have changed; spread rows belong to their broadcast."""
    records = [record(1), record(2, f"{BROADCAST}#3", part="tally#3.0"), record(3, OTHER), record(4)]
    assert cell.report_to_hub(batch(*records)) == {"batchItemFailures": []}
    assert cell.snapshot() == report_of(cell.broadcasts, BROADCAST)
    assert cell.snapshot(OTHER) == report_of(cell.broadcasts, OTHER)
    assert counted["SnapshotSent"] == 2


def test_a_later_report_replaces_an_earlier_one(cell: ReportToHubFixture) -> None:
    """Its version is higher, also if the clock goes back."""
    cell.report_to_hub(batch(record(1)))
    cell.now -= 60
    cell.broadcasts.complete_sources(BROADCAST, 1, 3, NOW * 1000)
    cell.report_to_hub(batch(record(2)))
    report = cell.snapshot()
    assert report is not None
    assert (report.status, report.expected) == ("delivering", 3)


def test_an_outdated_report_is_dropped(cell: ReportToHubFixture, counted: Counter[str]) -> None:
    """Another run took its version later, and reached the hub before."""
    later = Report(
        status="finished",
        expected=0,
        dispatched=0,
        delivered=0,
        gone=0,
        failed=0,
        published_at=NOW * 1000,
        finished_at=NOW * 1000,
        by_account={},
    )
    cell.hub.put(BROADCAST, NORTH, (NOW + 9) * 1000, later)
    assert cell.report_to_hub(batch(record(1))) == {"batchItemFailures": []}
    assert cell.snapshot() == later
    assert (counted["SnapshotSuperseded"], counted["SnapshotSent"]) == (1, 0)


def test_a_recreated_cell_continues_above_its_former_versions(cell: ReportToHubFixture) -> None:
    """Its table is empty, and the clock has gone on."""
    for _ in range(5):
        cell.report_to_hub(batch(record(1)))
    again = ReportToHubFixture()
    again.hub, again.now = cell.hub, NOW + 60.0
    again.broadcasts.complete_sources(BROADCAST, 1, 3, NOW * 1000)
    ReportToHub(again.broadcasts, cell.hub, cell=NORTH, clock=lambda: again.now)(batch(record(1)))
    report = cell.snapshot()
    assert report is not None
    assert report.expected == 3


def test_rooms_of_the_cell_and_expired_rows_are_not_reported(cell: ReportToHubFixture) -> None:
    """Nobody at the hub asks for them."""
    cell.record(summary(broadcast_id="room-1"))
    event = batch(record(1, "room-1"), record(2, event="REMOVE"), record(3, "gone-1"), {"eventID": "4"})
    assert cell.report_to_hub(event) == {"batchItemFailures": []}
    assert cell.hub.rows == {}


def test_a_broadcast_that_could_not_be_reported_is_retried(cell: ReportToHubFixture, counted: Counter[str]) -> None:
    """From its first record on; the reports of the others arrive nevertheless."""
    cell.hub.down = {OTHER}
    answer = cell.report_to_hub(batch(record(9), record(10, OTHER), record(11, OTHER), record(12)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "10"}]}
    assert cell.snapshot() is not None
    assert counted["SnapshotFailed"] == 1


@given(st.data())
def test_the_hub_converges_to_the_true_report_in_any_interleaving(data: st.DataObject) -> None:
    """Two runs at once, each of which reads after it took its version; the last change causes one more."""
    cell = ReportToHubFixture()
    cell.broadcasts.fix_chunk(BROADCAST, chunk("0.0", 8))
    runs: list[tuple[int, Report]] = []
    for place in range(8):
        key = TallyKey(BROADCAST, ChunkId("0.0"))
        old = cell.broadcasts.tallies_of([key]).get(key)
        new = (old or Tally(size=8)).after(outcome(8, delivered=1 << place), NOW * 1000)
        assert cell.broadcasts.replace_tally(key, old, new)
        report = report_of(cell.broadcasts, BROADCAST)
        assert report is not None
        runs.append((cell.broadcasts.take_version(BROADCAST, NOW * 1000), report))
        if data.draw(st.booleans()):
            cell.hub.put(BROADCAST, NORTH, *runs.pop(data.draw(st.integers(0, len(runs) - 1))))
    cell.report_to_hub(batch(record(1)))
    for run in data.draw(st.permutations(runs)):
        cell.hub.put(BROADCAST, NORTH, *run)
    assert cell.snapshot() == report_of(cell.broadcasts, BROADCAST)

"""A broadcast over several cells: the cells that it names, the ones that take part, and their parts of the report."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.publish.cells import FurtherCells
from functions.broadcast.publish.publish import Publish
from functions.broadcast.swarm.swarm import Swarm
from loudhailer import codec
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.combined import combined, report_over_cells
from loudhailer.broadcast.messages import Announcement, SourceMessage
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.publishing.counts import counts_of
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.report import Report
from loudhailer.broadcast.search import Search
from loudhailer.cells.model import Lease
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, TenantId
from loudhailer.partitions.model import PartitionCount
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from tests.support.audiences import audiences, recipients
from tests.support.broadcasts import (
    ACCOUNT,
    BROADCAST,
    ENDPOINT,
    NORTH,
    NOW,
    OTHER_ACCOUNT,
    SOUTH,
    TENANT,
    announcement,
    partition,
    summary,
)
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.cells import MemoryCellDirectory, MemoryPlacementStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.fakes.tenants import MemoryTenantStore

NOW_MS = NOW * 1000
GRACE = 180
ENDS_AT = NOW + 300
SILENT_FROM = ENDS_AT + GRACE
EAST = CellName("east")
HEAD = replace(summary(), announced=True, ends_at=ENDS_AT, cells={NORTH: 10, SOUTH: None})
FOR_BOTH = replace(announcement(), cells=frozenset({NORTH, SOUTH}), content_hash="0" * 64)


def part(**numbers: object) -> Report:
    """A cell's report; all that it has is delivered, unless the numbers say otherwise."""
    report = Report(
        status="finished",
        expected=4,
        dispatched=4,
        delivered=4,
        gone=0,
        failed=0,
        published_at=NOW_MS,
        finished_at=NOW_MS + 1,
        by_account={ACCOUNT: 4},
    )
    return replace(report, **numbers)  # type: ignore[arg-type]  # fields of a report


UNDER_WAY = part(status="delivering", delivered=1, gone=1, failed=1, expected=12, finished_at=None, by_account={})


class PublishingFixture:
    """A hub that publishes for the cells north and south."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.directory = MemoryCellDirectory()
        self.placements = MemoryPlacementStore()
        self.partitions = MemoryPartitionStore()
        self.broadcasts = MemoryBroadcastStore()
        self.topic = MemoryTopic()
        self._publish = Publish(
            CachedTenants(MemoryTenantStore(Tenant(TENANT, 100, 5, 60, 60, 60, 300)), clock=lambda: NOW),
            self.broadcasts,
            Publisher(
                partial(counts_of, audiences(self.partitions)),
                self.broadcasts,
                Announcer(self.broadcasts, self.topic, lifetime_seconds=300, clock=lambda: self.now),
                self._short_path(),
            ),
            posts_per_second=9_800,
            lanes=4,
            chunk_size=500,
            lifetime_seconds=300,
            clock=lambda: self.now,
            channels_enabled=True,
            cells=FurtherCells(self.directory, self.placements, [NORTH, SOUTH]),
        )

    def _short_path(self) -> ShortPath:
        """Return one that no broadcast for further cells takes."""
        connections = MemoryConnectionStore()
        devices = MemoryDeviceStore(connections)
        search = Search(
            recipients(connections), MemorySessionStore(), devices, executor=AtOnce(), clock=lambda: self.now
        )
        return ShortPath(search, self.broadcasts, MemoryQueue(), endpoint=ENDPOINT, most=500, clock=lambda: self.now)

    def lease(self, cell: CellName, *, is_well: bool = True, connections: int = 0) -> None:
        """Have a cell write its lease."""
        lease = Lease(at=NOW, is_well=is_well, websocket_url="wss://x", connections=connections, tenant_revision=0)
        self.directory.renew(cell, lease)

    def publish(self, audience: dict[str, object]) -> Summary:
        """Publish, and return the summary."""
        self.answer(audience)
        head = self.broadcasts.summary(BROADCAST)
        assert head is not None
        return head

    def answer(self, audience: dict[str, object], **fields: str) -> dict[str, Any]:
        """Publish, and return the answer."""
        request = {"audience": audience, "message": codec.json_text("hello"), "broadcastId": BROADCAST, **fields}
        return self._publish(request).to_wire()

    @property
    def announced(self) -> list[Announcement]:
        """The announcements on the topic."""
        return [Announcement.from_wire(body) for body in self.topic.bodies]


def test_a_broadcast_to_everyone_is_for_every_cell_with_a_lease() -> None:
    """A sick one still has connections; one without a lease never had any."""
    two_cells = PublishingFixture()
    two_cells.lease(NORTH, is_well=False, connections=7)
    head = two_cells.publish({"all": True})
    assert (head.cells, head.ends_at) == ({NORTH: 7}, NOW + 300)
    assert [(announcement.cells, announcement.content_hash) for announcement in two_cells.announced] == [
        (frozenset({NORTH}), head.content_hash)
    ]


@pytest.mark.parametrize(
    "audience", [{"tenantId": TENANT}, {"tenantId": TENANT, "roomKey": "red"}, {"tenantId": TENANT, "playerId": "ann"}]
)
def test_a_broadcast_to_a_tenant_is_for_the_cells_of_its_placements(audience: dict[str, object]) -> None:
    """The hub takes part anyway, and another tenant's cells and those declared no more do not."""
    two_cells = PublishingFixture()
    two_cells.lease(SOUTH)
    for tenant, cell in ((TENANT, HUB), (TENANT, NORTH), (TENANT, CellName("west")), (TenantId("globex"), SOUTH)):
        two_cells.placements.add_cell(tenant, cell, NOW)
    assert two_cells.publish(audience).cells == {NORTH: None}
    assert two_cells.announced[0].cells == frozenset({NORTH})


def test_a_small_broadcast_that_a_further_cell_takes_part_in_takes_the_long_way() -> None:
    """The cell hears of it from the topic alone; nobody has counted its recipients."""
    two_cells = PublishingFixture()
    two_cells.placements.add_cell(TENANT, NORTH, NOW)
    answer = two_cells.answer({"tenantId": TENANT}, priority="express")
    assert answer == {
        "broadcastId": BROADCAST,
        "expected": None,
        "estimatedSeconds": None,
        "priority": "bulk",
        "note": "express is for recipients on the hub's cell; there may be some on others",
    }
    assert len(two_cells.announced) == 1


def test_a_broadcast_for_further_cells_counts_no_partitions() -> None:
    """Its answer has no number, so neither the request nor its repeat reads all partitions of the hub."""
    two_cells = PublishingFixture()
    two_cells.lease(NORTH)
    two_cells.partitions.first_everywhere = lambda most: pytest.fail(f"{most} are read")  # type: ignore[method-assign]
    for _ in range(2):
        assert two_cells.answer({"all": True})["expected"] is None


def test_a_small_broadcast_for_the_hubs_cell_alone_takes_the_short_path() -> None:
    """Further cells that the tenant was never placed on have no part in it."""
    two_cells = PublishingFixture()
    two_cells.placements.add_cell(TENANT, HUB, NOW)
    answer = two_cells.answer({"tenantId": TENANT}, priority="express")
    assert (answer["priority"], answer["expected"]) == ("express", 0)
    assert two_cells.announced == []


def test_a_repeated_broadcast_is_for_the_cells_of_the_first_time() -> None:
    """Its report counts on them; it ends as long after it was announced as any."""
    two_cells = PublishingFixture()
    two_cells.lease(NORTH)
    two_cells.topic.down = True
    with pytest.raises(TransientError):
        two_cells.publish({"all": True})
    two_cells.topic.down = False
    two_cells.lease(SOUTH)
    two_cells.now += 900
    head = two_cells.publish({"all": True})
    assert (head.cells, head.ends_at) == ({NORTH: 0}, NOW + 1_200)
    assert [(announcement.cells, announcement.expires_at) for announcement in two_cells.announced] == [
        (frozenset({NORTH}), NOW + 1_200)
    ]


class CellFixture:
    """The tables and the queue that the swarm of a cell works on."""

    def __init__(self, cell: CellName | None) -> None:
        self.partitions = MemoryPartitionStore()
        self.partitions.rows[partition(0)] = PartitionCount(partition(0), 3)
        self.broadcasts = MemoryBroadcastStore()
        self.queue = MemoryQueue()
        self._swarm = Swarm(audiences(self.partitions), self.broadcasts, self.queue, clock=lambda: NOW, cell=cell)

    def run(self, message: Announcement) -> None:
        """Handle one announcement."""
        self._swarm(message.to_wire())

    @property
    def sent(self) -> list[int]:
        """The sources that are in the queue."""
        return [SourceMessage.from_wire(body).source for body in self.queue.bodies]


def test_a_named_cell_records_and_plans_the_broadcast(counted: Counter[str]) -> None:
    """A second delivery finds the summary that it has."""
    two_cells = CellFixture(NORTH)
    for _ in range(2):
        two_cells.run(FOR_BOTH)
    head = two_cells.broadcasts.summary(BROADCAST)
    assert head is not None
    ends_at = FOR_BOTH.expires_at
    assert replace(head, swarmed_at=None) == replace(summary(), announced=True, sources=1, expected=3, ends_at=ends_at)
    assert two_cells.sent == [0, 0]
    assert counted["BroadcastOfOtherCells"] == 0


@pytest.mark.parametrize("cells", [frozenset(), frozenset({SOUTH}), None], ids=["nobody", "another", "the hub alone"])
def test_a_cell_that_is_not_named_drops_the_broadcast(cells: frozenset[CellName] | None, counted: Counter[str]) -> None:
    """Nothing is written; the hub's rooms are announced on the same topic without any cell."""
    two_cells = CellFixture(NORTH)
    two_cells.run(replace(FOR_BOTH, cells=cells))
    assert two_cells.broadcasts.summary(BROADCAST) is None
    assert two_cells.sent == []
    assert counted["BroadcastOfOtherCells"] == 1


def test_a_cell_plans_its_own_broadcasts() -> None:
    """Its own large rooms are announced without cells."""
    two_cells = CellFixture(NORTH)
    two_cells.broadcasts.record(summary())
    two_cells.run(announcement())
    assert two_cells.sent == [0]


@pytest.mark.parametrize("cells", [frozenset(), frozenset({SOUTH}), None])
def test_the_hub_takes_part_in_every_broadcast(cells: frozenset[CellName] | None) -> None:
    """Clients that connected before there were further cells are there, and no row says so."""
    two_cells = CellFixture(None)
    two_cells.broadcasts.record(summary())
    two_cells.run(replace(FOR_BOTH, cells=cells))
    assert two_cells.sent == [0]


def test_the_report_of_a_deployment_without_cells_is_the_hubs() -> None:
    """The report has no field of further cells."""
    own = part()
    assert combined(summary(), own, {}, NOW, GRACE) is own
    assert own.to_wire().keys().isdisjoint({"byCell", "waitingFor", "silent"})


def test_the_numbers_of_all_cells_are_added_up() -> None:
    """The report is finished when each of them is, and names their parts."""
    snapshots = {NORTH: part(by_account={OTHER_ACCOUNT: 4}, finished_at=NOW_MS + 7), SOUTH: part(expected=2, gone=0)}
    report = combined(HEAD, part(), snapshots, NOW, GRACE)
    assert (report.status, report.expected, report.dispatched, report.delivered) == ("finished", 10, 12, 12)
    assert (report.finished_at, report.by_account) == (NOW_MS + 7, {ACCOUNT: 8, OTHER_ACCOUNT: 4})
    assert report.by_cell == {HUB: part(), **snapshots}
    assert (report.waiting_for, report.silent) == ((), ())
    assert Report.from_wire(report.to_wire()) == report


def test_a_report_waits_for_the_cells_that_have_not_finished() -> None:
    """Until then their counts are expected, and nothing of theirs has failed."""
    report = combined(HEAD, part(), {SOUTH: UNDER_WAY}, SILENT_FROM - 1, GRACE)
    assert (report.status, report.waiting_for, report.silent) == ("delivering", (NORTH, SOUTH), ())
    assert (report.expected, report.dispatched, report.failed, report.in_flight) == (4 + 10 + 12, 8, 1, 1)
    assert report.finished_at is None


def test_the_expected_number_is_unknown_without_a_count() -> None:
    """Until the cell says so."""
    assert combined(HEAD, part(), {}, NOW, GRACE).expected is None
    assert combined(HEAD, part(), {SOUTH: part()}, NOW, GRACE).expected == 18


def test_a_cell_without_a_plan_is_expected_by_its_count() -> None:
    """Its first snapshot may be of a summary alone."""
    begun = part(status="accepted", expected=None, dispatched=0, delivered=0, finished_at=None)
    assert combined(HEAD, part(), {NORTH: begun, SOUTH: part()}, NOW, GRACE).expected == 18


def test_a_silent_cell_is_named_and_its_recipients_count_as_failed() -> None:
    """The number is its count, or all of its part that is neither delivered nor gone."""
    report = combined(HEAD, part(), {SOUTH: UNDER_WAY}, SILENT_FROM, GRACE)
    assert (report.status, report.waiting_for, report.silent) == ("finished", (), (NORTH, SOUTH))
    assert report.finished_at == SILENT_FROM * 1000
    assert (report.by_cell[NORTH].dispatched, report.by_cell[NORTH].failed) == (10, 10)
    assert (report.by_cell[SOUTH].dispatched, report.by_cell[SOUTH].failed) == (12, 10)
    assert (report.expected, report.dispatched, report.failed) == (26, 26, 20)


def test_the_numbers_of_a_cell_that_reports_again_are_used() -> None:
    """Its snapshot replaces the assumption."""
    report = combined(HEAD, part(), {NORTH: part(), SOUTH: part()}, SILENT_FROM + 9_999, GRACE)
    assert (report.status, report.silent, report.failed) == ("finished", (), 0)


@pytest.mark.parametrize("now", [NOW, SILENT_FROM + 9_999])
def test_a_broadcast_that_was_never_announced_is_accepted(now: int) -> None:
    """However old it is: no cell can know of it, so none has failed."""
    own = part(status="accepted", expected=None, dispatched=0, delivered=0, finished_at=None, by_account={})
    report = combined(replace(HEAD, announced=False), own, {}, now, GRACE)
    assert (report.status, report.waiting_for, report.silent) == ("accepted", (NORTH, SOUTH), ())


def test_a_broadcast_that_the_hub_has_planned_was_announced() -> None:
    """The publisher died before that was noted."""
    report = combined(replace(HEAD, announced=False), part(), {}, SILENT_FROM, GRACE)
    assert (report.status, report.silent) == ("finished", (NORTH, SOUTH))


@st.composite
def parts(draw: st.DrawFn) -> Report:
    """A cell's report as its rows may make it."""
    delivered, gone, failed, outstanding = (draw(st.integers(0, 9)) for _ in range(4))
    status = draw(
        st.sampled_from(["accepted", "delivering"] if outstanding else ["accepted", "delivering", "finished"])
    )
    return part(
        status=status,
        expected=draw(st.none() | st.integers(0, 40)),
        dispatched=delivered + gone + failed + outstanding,
        delivered=delivered,
        gone=gone,
        failed=failed,
        finished_at=NOW_MS if status == "finished" else None,
        by_account={ACCOUNT: delivered} if delivered else {},
        expired=draw(st.booleans()),
    )


summaries = st.builds(
    replace,
    st.just(HEAD),
    announced=st.booleans(),
    cells=st.dictionaries(st.sampled_from([NORTH, SOUTH, EAST]), st.none() | st.integers(0, 40)),
)
snapshots = st.dictionaries(st.sampled_from([NORTH, SOUTH, EAST]), parts())


@given(summaries, parts(), snapshots, st.sampled_from([NOW, SILENT_FROM]))
def test_a_combined_report_adds_up_at_every_moment(
    head: Summary, own: Report, snapshots: Mapping[CellName, Report], now: int
) -> None:
    """The whole is the sum of the parts, and finished only if everyone has an outcome."""
    report = combined(head, own, snapshots, now, GRACE)
    assert report.by_cell.keys() == {HUB, *(head.cells or ())}
    for field in ("dispatched", "delivered", "gone", "failed", "in_flight"):
        assert getattr(report, field) == sum(getattr(each, field) for each in report.by_cell.values()) >= 0
    assert sum(report.by_account.values()) == report.delivered
    assert (report.status == "finished") == all(each.status == "finished" for each in report.by_cell.values())
    assert (report.status == "finished") <= (report.in_flight == 0 and not report.waiting_for)
    assert (report.status == "finished") == (report.finished_at is not None)
    assert not {*report.waiting_for} & {*report.silent}


@given(st.permutations([(NORTH, 1), (NORTH, 2), (NORTH, 3), (SOUTH, 1), (SOUTH, 2)]), parts())
def test_the_order_in_which_snapshots_arrive_does_not_matter(order: list[tuple[CellName, int]], own: Report) -> None:
    """The one of the highest version counts."""
    store, broadcasts = MemorySnapshotStore(), MemoryBroadcastStore()
    broadcasts.record(HEAD)
    for cell, version in order:
        store.put(BROADCAST, cell, version, part(dispatched=version, delivered=version, by_account={ACCOUNT: version}))
    snapshots = store.of(BROADCAST, [NORTH, SOUTH])
    assert {cell: report.delivered for cell, report in snapshots.items()} == {NORTH: 3, SOUTH: 2}
    assert combined(HEAD, own, snapshots, NOW, GRACE).delivered == own.delivered + 5


def test_a_report_reads_the_cells_named_in_the_summary() -> None:
    """An unknown broadcast has no report."""
    store, broadcasts = MemorySnapshotStore(), MemoryBroadcastStore()
    assert report_over_cells(broadcasts, store, BROADCAST, now=NOW, grace=GRACE) is None
    broadcasts.record(HEAD)
    store.put(BROADCAST, NORTH, 1, part())
    store.put(BROADCAST, EAST, 1, part())
    report = report_over_cells(broadcasts, store, BROADCAST, now=NOW, grace=GRACE)
    assert report is not None
    assert report.by_cell.keys() == {HUB, NORTH, SOUTH}
    assert report.delivered == 4

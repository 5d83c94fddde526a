"""A further cell renews its lease, and copies the hub's tenants."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, override

import pytest

from functions.sessions.beat.beat import Beat
from functions.sessions.beat.ticks import EveryFewSeconds
from loudhailer.cells.model import Lease
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Lookup
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, ConnectionId, TenantId
from loudhailer.limits.shares import Shares
from loudhailer.partitions.model import PartitionCount
from loudhailer.tenants.model import Tenant, TenantRow
from tests.support.broadcasts import ENDPOINT, NORTH, NOW, SOUTH, TENANT, partition
from tests.support.fakes.cells import MemoryCellDirectory
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.tenants import MemoryTenantStore

ACME = Tenant(
    TENANT,
    tenant_connections=30,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
    tenant_sessions=90,
)
URL = "wss://abcdefghij.execute-api.us-east-1.amazonaws.com/live"


EVEN = {HUB: 1.0, NORTH: 1.0, SOUTH: 1.0}


class OneAnswer(Lookup):
    """Gives one outcome for every connection."""

    def __init__(self) -> None:
        self.outcome = Outcome.GONE
        self.asked: list[tuple[str, Sequence[ConnectionId]]] = []

    @override
    def look_up(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        self.asked.append((endpoint, connections))
        return [self.outcome]


class ReadTenantStore(MemoryTenantStore):
    """The hub's tenants, which may be out of reach; counts how often they are copied."""

    def __init__(self, *tenants: Tenant) -> None:
        super().__init__(*tenants)
        self.is_down = False
        self.copied = 0

    @override
    def all_rows(self) -> list[TenantRow]:
        if self.is_down:
            raise TransientError("the hub is down")
        self.copied += 1
        return super().all_rows()


class BeatFixture:
    """The cell north, the hub, and the cell south."""

    def __init__(self, *tenants: Tenant) -> None:
        self.now = float(NOW)
        self.directory = MemoryCellDirectory()
        self.hub = ReadTenantStore(*tenants)
        self.tenants = MemoryTenantStore()
        self.partitions = MemoryPartitionStore()
        self.lookup = OneAnswer()
        self.directory.last_revision = 1
        self.lease(SOUTH)
        self.beat = self.environment()

    def environment(self) -> Beat:
        """One environment of the function; it begins with an empty memory."""
        return Beat(
            self.directory,
            self.hub,
            self.tenants,
            self.partitions,
            self.lookup,
            name=NORTH,
            websocket_url=URL,
            callback_endpoint=ENDPOINT,
            shares=Shares(weights=EVEN, home_connections=1),
            lease_seconds=15,
            clock=lambda: self.now,
        )

    def lease(self, cell: CellName) -> None:
        """Renew another cell's lease."""
        self.directory.leases[cell] = Lease(
            at=int(self.now), is_well=True, websocket_url=URL, connections=0, tenant_revision=1
        )

    def later(self, seconds: float) -> None:
        """Let time pass; south renews its lease meanwhile."""
        self.now += seconds
        self.lease(SOUTH)

    @property
    def own(self) -> Lease | None:
        """The lease of north."""
        return self.directory.leases.get(NORTH)

    def local(self) -> Tenant:
        """The tenant as the cell has it."""
        tenant = self.tenants.get(TENANT)
        assert tenant is not None
        return tenant


@pytest.fixture
def cell() -> BeatFixture:
    """A hub with one tenant."""
    return BeatFixture(replace(ACME, revision=1))


def test_a_beat_copies_the_tenants_and_then_renews_the_lease(cell: BeatFixture, counted: Counter[str]) -> None:
    """Each beat renews it; tenants are copied when they have changed."""
    for at in (NOW, NOW + 5):
        cell.now = at
        cell.beat()
        expected = Lease(at=at, is_well=True, websocket_url=URL, connections=0, tenant_revision=1, taking_part=EVEN)
        assert cell.own == expected
    assert cell.local().tenant_id == TENANT
    assert (cell.hub.copied, counted["TenantCopied"], counted["LeaseRenewed"]) == (1, 1, 2)


def test_copied_limits_are_the_cells_share(cell: BeatFixture) -> None:
    """A third of what the tenant has in all; limits of one session or player are whole."""
    cell.beat()
    local = cell.local()
    assert (local.tenant_connections, local.tenant_per_minute, local.tenant_sessions) == (10, 20, 30)
    assert local.post_budget == 7_000 // 3
    assert (local.connections_per_session, local.session_per_minute, local.messages_per_minute) == (2, 5, 70)
    assert local.session_seconds == 200


def test_the_share_of_a_lost_cell_is_divided_among_the_others(cell: BeatFixture) -> None:
    """With the next beat after its lease is over; it takes it back when it returns."""
    parts = []
    for seconds, returns in ((0, False), (16, False), (0, True)):
        cell.now += seconds
        if returns:
            cell.lease(SOUTH)
        cell.beat()
        parts.append(cell.local().tenant_connections)
    assert parts == [10, 15, 10]


def test_no_environment_relies_on_rows_that_another_one_has_replaced(cell: BeatFixture) -> None:
    """South is lost in the eyes of the second one, and comes back in those of the first."""
    first, second = cell.environment(), cell.environment()
    first()
    cell.now += 16
    second()
    assert cell.local().tenant_connections == 15
    cell.lease(SOUTH)
    first()
    assert cell.local().tenant_connections == 10


def test_the_tenants_are_copied_again_each_minute(cell: BeatFixture) -> None:
    """Two runs at once may have written rows and lease in different orders."""
    cell.beat()
    cell.tenants.put(replace(cell.local(), tenant_connections=15))
    cell.beat()
    assert cell.local().tenant_connections == 15
    cell.beat.copy_all()
    assert cell.local().tenant_connections == 10


def test_an_operators_weight_counts_in_the_shares(cell: BeatFixture) -> None:
    """South gets four parts of six."""
    cell.directory.order(SOUTH, 4)
    cell.beat()
    assert cell.local().tenant_connections == 5


def test_a_drained_cell_has_no_share(cell: BeatFixture) -> None:
    """Its clients are to find places elsewhere; the drained one itself can stand in for the largest home."""
    cell.directory.order(SOUTH, 0)
    cell.beat()
    assert cell.local().tenant_connections == 15
    cell.directory.order(SOUTH, None)
    cell.directory.order(NORTH, 0)
    cell.beat()
    assert cell.local().tenant_connections == 15


def test_the_lease_has_the_revision_read_before_the_tenants(cell: BeatFixture) -> None:
    """A change in between is copied by the next beat."""

    class Changing(MemoryCellDirectory):
        @override
        def tenant_revision(self) -> int:
            self.last_revision += 1
            return self.last_revision - 1

    directory = Changing()
    directory.last_revision = 1
    cell.beat._directory = cell.directory = directory
    for revision in (1, 2):
        cell.beat()
        assert cell.own is not None
        assert (cell.own.tenant_revision, cell.hub.copied) == (revision, revision)


def test_changes_and_tombstones_reach_the_cell(cell: BeatFixture, counted: Counter[str]) -> None:
    """Rows that are the same already are not written again."""
    cell.hub.put(replace(ACME, tenant_id=TenantId("globex"), revision=1))
    cell.beat()
    cell.hub.put(replace(ACME, tenant_sessions=9, revision=2))
    cell.directory.last_revision = 2
    cell.beat()
    assert cell.local().tenant_sessions == 3
    assert counted["TenantCopied"] == 3
    cell.hub.begin_erasing(TENANT)
    cell.hub.revisions[TENANT] = 3
    cell.directory.last_revision = 3
    cell.beat()
    assert cell.tenants.get(TENANT) is None
    assert [stone.tenant_id for stone in cell.tenants.tombstones()] == [TENANT]
    assert cell.own is not None
    assert cell.own.tenant_revision == 3


@pytest.mark.parametrize(
    ("outcome", "is_well"),
    [
        (Outcome.GONE, True),
        (Outcome.DELIVERED, True),
        (Outcome.THROTTLED, True),
        (Outcome.FAILED, False),
        (Outcome.UNSENT, False),
    ],
)
def test_a_cell_with_an_answering_api_is_healthy(
    cell: BeatFixture, counted: Counter[str], outcome: Outcome, *, is_well: bool
) -> None:
    """An account at its full rate answers 429: it is at work."""
    cell.lookup.outcome = outcome
    cell.beat()
    assert cell.own is not None
    assert cell.own.is_well is is_well
    assert counted["CellNotWell"] == (not is_well)
    assert [endpoint for endpoint, _ in cell.lookup.asked] == [ENDPOINT]


def test_a_cell_that_cannot_reach_the_hub_renews_no_lease(cell: BeatFixture) -> None:
    """It gets no new sessions, and the others continue."""
    cell.hub.is_down = True
    with pytest.raises(TransientError):
        cell.beat()
    assert cell.own is None


def test_a_directory_without_tenants_causes_no_write() -> None:
    """A stack that was only just applied can be kept as a template."""
    cell = BeatFixture()
    cell.directory.last_revision = 0
    cell.beat()
    assert (cell.own, cell.lookup.asked) == (None, [])


def test_connections_are_counted_once_a_minute(cell: BeatFixture) -> None:
    """A count below none is none."""
    cell.partitions.rows[partition(1)] = PartitionCount(partition(1), -1)
    found = []
    for seconds, number in ((0, 3), (59, 4), (1, 5)):
        cell.later(seconds)
        cell.partitions.rows[partition(0)] = PartitionCount(partition(0), number)
        cell.beat()
        assert cell.own is not None
        found.append(cell.own.connections)
    assert found == [3, 3, 5]


@pytest.mark.parametrize(("seconds", "delays"), [(5, list(range(5, 60, 5))), (20, [20, 40])])
def test_a_minute_has_ticks_every_few_seconds(seconds: int, delays: list[int]) -> None:
    """The schedule's event asks for them; a tick asks for none."""
    queue, worked = MemoryQueue(), Counter[str]()
    every = EveryFewSeconds(
        lambda: worked.update(["work"]), lambda: worked.update(["thorough"]), lambda: True, queue, seconds=seconds
    )
    event: dict[str, Any] = {"source": "aws.events"}
    every(event)
    assert queue.delays == delays
    every({"Records": [{"body": queue.bodies[0]}]})
    assert (len(queue.bodies), worked) == (len(delays), {"thorough": 1, "work": 1})


def test_a_failed_run_is_followed_by_its_ticks() -> None:
    """One of them may find the hub in reach."""

    def fail() -> NoReturn:
        raise TransientError("the hub is down")

    queue = MemoryQueue()
    with pytest.raises(TransientError):
        EveryFewSeconds(fail, fail, fail, queue, seconds=30)({})
    assert queue.delays == [30]


def test_while_the_hub_has_no_tenant_a_minute_has_no_ticks() -> None:
    """There is nothing to copy, and no session to place; a tenant from before there were further cells counts."""
    cell, queue = BeatFixture(), MemoryQueue()
    cell.directory.last_revision = 0
    every = EveryFewSeconds(cell.beat, cell.beat.copy_all, cell.beat.has_tenants, queue, seconds=20)
    every({})
    assert queue.delays == []
    cell.hub.put(ACME)
    every({})
    assert queue.delays == [20, 40]

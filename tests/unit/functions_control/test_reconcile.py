"""What expired goes, what went wrong is repaired, and one step's failure is its own."""

from collections import Counter
from dataclasses import replace

import pytest

from functions.reconcile.memory import MemoryFailureQueue
from functions.reconcile.reconcile import Reconcile
from loudhailer.connections.memory import MemoryConnectionStore, MemoryPartitionStore
from loudhailer.connections.model import Connection, ConnectionKey, PartitionCount
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId, nth_partition
from loudhailer.tenancy.memory import MemoryLimitStore, MemorySessionStore, MemoryTenantStore
from loudhailer.tenancy.model import Tenant

ACME, S1 = TenantId("acme"), SessionId("s1")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)
MINUTE = 60


class World:
    """The tables, and a clock that a test moves a minute at a time."""

    def __init__(self) -> None:
        self.now = 600_000.0
        self.partitions = MemoryPartitionStore()
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.failures = MemoryFailureQueue()
        self.reconcile = Reconcile(
            tenants=MemoryTenantStore(Tenant(ACME, 1000, 9, 9, 9, 9, 9)),
            sessions=self.sessions,
            connections=self.connections,
            partitions=self.partitions,
            limits=self.limits,
            failures=self.failures,
            clock=lambda: self.now,
        )

    def run(self, times: int = 1) -> None:
        """So many runs, a minute after each other."""
        for _ in range(times):
            self.now += MINUTE
            self.reconcile(self.now + 50)

    def put(self, *rows: PartitionCount) -> None:
        """Puts partitions as they are."""
        self.partitions.rows.update({row.partition: row for row in rows})

    def connect(self, name: str, partition: Partition = FIRST, *, lives: float = 7500) -> ConnectionKey:
        """Puts a connection's row."""
        key = ConnectionKey(partition, ConnectionId(name))
        self.connections.rows[key] = Connection(key, S1, int(self.now), int(self.now + lives))
        return key

    def reserve(self, connections: int) -> None:
        """Reserves connections for the tenant."""
        for _ in range(connections):
            self.limits.reserve(ACME, 1000)

    def account(self, partition: Partition, delta: int, changes: int | None = None) -> None:
        """Counts changes of a partition."""
        seen = self.partitions.rows[partition].checkpoint
        self.partitions.advance(
            partition,
            seen=seen,
            checkpoint=str(int(seen or 0) + 1).zfill(40),
            delta=delta,
            changes=abs(delta) if changes is None else changes,
        )


@pytest.fixture
def world() -> World:
    """A fresh one."""
    return World()


def test_expired_connections_are_deleted(world: World, counted: Counter[str]) -> None:
    """Those whose `$disconnect` was lost; the others stay."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.connect("over", lives=MINUTE)
    world.connect("over", SECOND, lives=MINUTE)
    live = world.connect("live", lives=MINUTE + 1)
    world.run()
    assert set(world.connections.rows) == {live}
    assert counted["ExpiredConnectionDeleted"] == 2


def test_many_partitions_are_swept_within_an_hour(world: World) -> None:
    """A part of them each minute, none left out."""
    partitions = [nth_partition(ACME, number) for number in range(300)]
    world.put(*map(PartitionCount, partitions))
    for partition in partitions:
        world.connect("over", partition, lives=1)
    world.run()
    assert 200 < len(world.connections.rows) < 300
    world.run(59)
    assert world.connections.rows == {}


def test_expired_sessions_are_deleted(world: World, counted: Counter[str]) -> None:
    """Hours before TTL gets round to it."""
    for name, lives in (("over", MINUTE), ("live", MINUTE + 1)):
        world.sessions.renew(ACME, SessionId(name), player=None, expires_at=int(world.now) + lives, now=0)
    world.run()
    assert [session for _, session in world.sessions.rows] == ["live"]
    assert counted["ExpiredSessionDeleted"] == 1


def test_changes_that_were_given_up_have_every_partition_recounted(world: World, counted: Counter[str]) -> None:
    """Which partitions they were of, the message does not say."""
    world.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 3))
    world.connect("a")
    for number in range(3):
        world.connect(f"b{number}", SECOND)
    world.failures.receipts = [f"r{number}" for number in range(25)]
    world.run()
    assert world.failures.receipts == []
    assert all(row.recount for row in world.partitions.everywhere())
    world.run(2)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(FIRST, 1), PartitionCount(SECOND, 3)]
    assert counted["PartitionRecounted"] == 2


def test_a_count_below_zero_is_doubtful(world: World) -> None:
    """There is no such number of connections."""
    world.put(PartitionCount(FIRST, -2))
    world.connect("a")
    world.run(3)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(FIRST, 1)]


def test_a_partition_is_not_recounted_while_records_come(world: World) -> None:
    """The rows may include some whose records are still to come: they would be counted twice."""
    world.put(PartitionCount(FIRST, 7, recount=True))
    world.connect("a")
    world.run()
    world.connect("b")
    world.account(FIRST, +1)
    world.run()
    assert world.partitions.rows[FIRST].count == 8
    assert world.partitions.rows[FIRST].recount
    world.run()
    assert world.partitions.of_tenant(ACME)[0].count == 2


def test_two_runs_within_a_minute_do_not_repair(world: World) -> None:
    """A run that is repeated at once has not seen the checkpoint stand still."""
    world.put(PartitionCount(FIRST, 7, recount=True))
    world.run()
    world.now += 1
    world.reconcile(world.now + 50)
    assert world.partitions.rows[FIRST].recount


def test_an_excess_of_the_total_is_taken_off_after_three_minutes(world: World, counted: Counter[str]) -> None:
    """Not before, and no more than that."""
    world.put(PartitionCount(FIRST, 2))
    world.reserve(5)
    world.run(3)
    assert world.limits.total(ACME).count == 5
    world.run()
    assert world.limits.total(ACME).count == 2
    assert counted["TotalRepaired"] == 3
    world.run(5)
    assert world.limits.total(ACME).count == 2


def test_connections_on_their_way_to_the_count_are_no_excess(world: World) -> None:
    """A busy tenant's total is always ahead of its counts, and never too high."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(40)
    for _ in range(20):
        world.run()
        world.account(FIRST, +40)
        world.reserve(40)
    assert world.limits.total(ACME).count == 40 * 21


def test_connections_that_come_and_go_are_no_excess(world: World) -> None:
    """The counts stand still, and yet fifty are on their way at any time."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(50)
    for _ in range(20):
        world.run()
        world.account(FIRST, 0, changes=100)
    assert world.limits.total(ACME).count == 50


def test_an_excess_is_taken_off_in_a_busy_tenant_too(world: World) -> None:
    """As far as it is certain: what may be on its way is left."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(70)
    for _ in range(4):
        world.account(FIRST, 0, changes=10)
        world.run()
    assert world.limits.total(ACME).count == 10


def test_runs_that_follow_at_once_do_not_hasten_the_repair(world: World) -> None:
    """A repeated run sees the same connections on their way."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(5)
    for _ in range(10):
        world.now += 1
        world.reconcile(world.now + 50)
    assert world.limits.total(ACME).count == 5


def test_a_total_that_is_right_is_not_written(world: World) -> None:
    """Once a minute for every tenant would be much for nothing."""
    world.put(PartitionCount(FIRST, 2))
    world.reserve(2)
    world.run(5)
    assert world.limits.total(ACME).samples == ()


def test_a_partition_that_stays_empty_is_retired_then_removed(world: World, counted: Counter[str]) -> None:
    """After ten minutes nothing is assigned to it, five minutes later it goes; a tenant's first stays."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.run(10)
    assert world.partitions.rows[SECOND].retired_at is None
    world.run()
    assert world.partitions.rows[SECOND].retired_at == world.now
    world.run(4)
    assert SECOND in world.partitions.rows
    world.run()
    assert world.partitions.everywhere() == [PartitionCount(FIRST)]
    assert (counted["PartitionRetired"], counted["PartitionRemoved"]) == (1, 1)


def test_a_partition_that_was_used_is_not_idle(world: World) -> None:
    """Empty now and then is not empty all the time."""
    world.put(PartitionCount(SECOND))
    for _ in range(20):
        world.run()
        world.account(SECOND, 0, changes=2)
    assert world.partitions.rows[SECOND].retired_at is None


def test_a_retired_partition_that_got_connections_is_reinstated(world: World) -> None:
    """One that is not counted although it has some is counted again."""
    third = nth_partition(ACME, 2)
    retired = int(world.now)
    world.put(PartitionCount(SECOND, retired_at=retired), PartitionCount(third, 1, retired_at=retired))
    world.connect("a", SECOND)
    world.run(6)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(SECOND, 1), PartitionCount(third, 1)]


def test_the_size_of_the_crowd_is_measured(world: World, counted: Counter[str]) -> None:
    """As the partitions count it."""
    world.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 5, recount=True))
    for partition, rows in ((FIRST, 7), (SECOND, 5)):
        for number in range(rows):
            world.connect(f"c{number}", partition)
    world.run()
    assert (counted["Connections"], counted["Partitions"], counted["PartitionsInDoubt"]) == (12, 2, 1)


def test_a_step_that_fails_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """And the run fails at its end, with the step's name."""

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    world.put(PartitionCount(FIRST))
    world.connect("over", lives=1)
    monkeypatch.setattr(world.sessions, "expired", fail)
    with pytest.raises(TransientError, match="steps failed: delete_expired_sessions"):
        world.run()
    assert world.connections.rows == {}
    assert counted["Partitions"] == 1
    assert counted["ReconcileStepFailed"] == 1


def test_partitions_that_cannot_be_read_leave_the_sessions_swept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step but that one needs them."""

    def fail() -> None:
        raise TransientError("throttled")

    world.sessions.renew(ACME, S1, player=None, expires_at=1, now=0)
    monkeypatch.setattr(world.partitions, "everywhere", fail)
    with pytest.raises(TransientError, match="recount, repair_totals"):
        world.run()
    assert world.sessions.rows == {}


def test_a_run_ends_in_time(world: World, counted: Counter[str]) -> None:
    """What is left over is found again in a minute."""
    world.put(*(PartitionCount(nth_partition(ACME, number)) for number in range(3)))
    over = world.connect("over", lives=1)
    world.now += MINUTE
    world.reconcile(world.now)
    assert set(world.connections.rows) == {over}
    assert counted["ReconcileCutShort"] > 0
    world.run()
    assert world.connections.rows == {}


def test_a_partition_in_doubt_is_not_retired(world: World) -> None:
    """Its count of nothing may be wrong."""
    row = PartitionCount(SECOND, recount=True)
    world.put(row)
    for _ in range(15):
        world.put(replace(row, sample=None))
        world.run()
    assert world.partitions.rows[SECOND].retired_at is None

"""Deletion of what has expired, repair of what went wrong; one step's failure is its own."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO

import pytest

from functions.connections.reconcile.port import Failure
from functions.connections.reconcile.reconcile import Reconcile
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId, nth_partition
from loudhailer.limits.model import Inquiry, TenantTotal
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.tenants.model import Tenant
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.recounts import MemoryFailureQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.limits import SETTLED_SECONDS

ACME, S1 = TenantId("acme"), SessionId("s1")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)
MINUTE = 60
SETTLED = SETTLED_SECONDS // MINUTE


class ReconcileFixture:
    """The tables, and a clock that a test moves a minute at a time."""

    def __init__(self) -> None:
        self.now = 600_000.0
        self.partitions = MemoryPartitionStore()
        self.tenants = MemoryTenantStore(Tenant(ACME, 1000, 9, 9, 9, 9, 9))
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.failures = MemoryFailureQueue()
        self.stream: list[tuple[Partition, int]] = []
        self.reconcile = Reconcile(
            tenants=self.tenants,
            sessions=self.sessions,
            connections=self.connections,
            partitions=self.partitions,
            limits=self.limits,
            failures=self.failures,
            clock=lambda: self.now,
        )

    def run(self, times: int = 1) -> None:
        """So many runs, a minute after each other; probes are counted, unless others wait before them."""
        for _ in range(times):
            began = self.now = self.now + MINUTE
            try:
                self.reconcile(Deadline(began + 50, lambda: self.now))
            finally:
                assert self.now <= began + 60
                self.now = began
                if not self.stream:
                    self.catch_up()

    def put(self, *rows: PartitionCount) -> None:
        """Put partitions as they are."""
        self.partitions.rows.update({row.partition: row for row in rows})

    def connect(self, name: str, partition: Partition = FIRST, *, lives: float = 7500) -> ConnectionKey:
        """Put a connection's row."""
        key = ConnectionKey(partition, ConnectionId(name))
        self.connections.rows[key] = Connection(key, S1, int(self.now), int(self.now + lives))
        return key

    def reserve(self, connections: int) -> None:
        """Reserve connections for the tenant."""
        for _ in range(connections):
            self.limits.reserve(ACME, 1000)

    def join(self, name: str, partition: Partition = FIRST) -> ConnectionKey:
        """Do what `connect` does; the stream tells of it when `catch_up` is called."""
        self.reserve(1)
        self.stream.append((partition, +1))
        return self.connect(name, partition)

    def leave(self, key: ConnectionKey) -> None:
        """The row goes; the stream tells of it when `catch_up` is called."""
        self.connections.delete(key)
        self.stream.append((key.partition, -1))

    def catch_up(self) -> None:
        """Do what `accounting` does with all that the stream tells."""
        for partition, delta in self.stream:
            self.account(partition, delta)
            if delta < 0:
                self.limits.release(ACME, -delta)
        self.stream.clear()
        for partition, probe in self.connections.probes.items():
            self.account(partition, 0)
            self.partitions.note_probe(partition, probe)
        self.connections.probes.clear()

    def account(self, partition: Partition, delta: int) -> None:
        """Counts changes of a partition."""
        seen = self.partitions.rows[partition].checkpoint
        self.partitions.advance(
            partition,
            seen=seen,
            checkpoint=str(int(seen or 0) + 1).zfill(40),
            delta=delta,
        )


@pytest.fixture
def world() -> ReconcileFixture:
    """A fresh one."""
    return ReconcileFixture()


def test_expired_connections_are_deleted(world: ReconcileFixture, counted: Counter[str]) -> None:
    """Rows whose `$disconnect` was lost are deleted; the others stay."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.connect("over", lives=MINUTE)
    world.connect("over", SECOND, lives=MINUTE)
    live = world.connect("live", lives=MINUTE + 1)
    world.run()
    assert set(world.connections.rows) == {live}
    assert counted["ExpiredConnectionDeleted"] == 2


def test_many_partitions_are_swept_within_an_hour(world: ReconcileFixture) -> None:
    """A part of them each minute, none left out."""
    world.now += 17
    partitions = [nth_partition(ACME, number) for number in range(300)]
    world.put(*map(PartitionCount, partitions))
    for partition in partitions:
        world.connect("over", partition, lives=1)
    world.run()
    assert 200 < len(world.connections.rows) < 300
    world.run(59)
    assert world.connections.rows == {}


def test_expired_sessions_are_deleted(world: ReconcileFixture, counted: Counter[str]) -> None:
    """Hours before TTL gets round to it."""
    for name, lives in (("over", MINUTE), ("live", MINUTE + 1)):
        world.sessions.renew(ACME, SessionId(name), player=None, expires_at=int(world.now) + lives, now=0)
    world.run()
    assert [session for _, session in world.sessions.rows] == ["live"]
    assert counted["ExpiredSessionDeleted"] == 1


def test_changes_that_were_given_up_have_every_partition_recounted(
    world: ReconcileFixture, counted: Counter[str]
) -> None:
    """The message does not name the partitions."""
    world.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 3))
    world.connect("a")
    for number in range(3):
        world.connect(f"b{number}", SECOND)
    world.failures.failures = [Failure(f"r{number}", world.now) for number in range(25)]
    world.run()
    assert world.failures.failures == []
    assert all(row.recount for row in world.partitions.everywhere())
    world.run(SETTLED)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(FIRST, 1), PartitionCount(SECOND, 3)]
    assert counted["PartitionRecounted"] == 2
    assert counted["AccountingGaveUp"] == 1


def test_a_count_below_zero_is_doubtful(world: ReconcileFixture) -> None:
    """There is no such number of connections."""
    world.put(PartitionCount(FIRST, -2))
    world.connect("a")
    world.run(SETTLED + 2)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(FIRST, 1)]


def test_a_partition_is_not_recounted_while_records_come(world: ReconcileFixture) -> None:
    """The rows may include some whose records are still to come: they would be counted twice."""
    world.put(PartitionCount(FIRST, 7, recount=True))
    world.connect("a")
    world.run(SETTLED)
    world.connect("b")
    world.account(FIRST, +1)
    world.run(SETTLED)
    assert world.partitions.rows[FIRST].count == 8
    assert world.partitions.rows[FIRST].recount
    world.run()
    assert world.partitions.of_tenant(ACME)[0].count == 2


def test_a_stream_that_stands_still_is_not_taken_for_a_quiet_one(world: ReconcileFixture) -> None:
    """Records may come for an hour: a recount in the meantime would have them counted twice."""
    world.put(PartitionCount(FIRST, 0, recount=True))
    for number in range(5):
        world.join(f"c{number}")
    world.run(55)
    world.catch_up()
    assert world.partitions.rows[FIRST].count == 5
    world.run(SETTLED + 1)
    assert world.partitions.rows[FIRST].count == 5
    assert not world.partitions.rows[FIRST].recount


def test_a_wrong_count_is_found_by_the_sweep(world: ReconcileFixture, counted: Counter[str]) -> None:
    """Nobody marked it; it is assigned to as before until its checkpoint has stood still for long."""
    world.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 1))
    world.connect("a")
    world.connect("b", SECOND)
    world.run(SETTLED)
    assert world.partitions.rows[FIRST].count == 7
    assert not world.partitions.rows[FIRST].recount
    world.run()
    assert world.partitions.of_tenant(ACME) == [PartitionCount(FIRST, 1), PartitionCount(SECOND, 1)]
    assert counted["PartitionRecounted"] == 1


def test_a_count_that_lags_is_not_wrong(world: ReconcileFixture) -> None:
    """It differs from the rows now and then, and is right as soon as the stream is read on."""
    world.put(PartitionCount(FIRST))
    for number in range(2 * SETTLED):
        world.join(f"c{number}")
        world.run()
        if number % 50 == 0:
            world.catch_up()
    world.catch_up()
    world.run()
    assert world.partitions.rows[FIRST].count == 2 * SETTLED


def test_a_count_that_agrees_again_is_left_alone(world: ReconcileFixture) -> None:
    """Connections that came and went before they were counted are no difference any more."""
    world.put(PartitionCount(FIRST))
    key = world.join("a")
    world.run()
    assert world.partitions.rows[FIRST].sample == Sample(1, "", int(world.now))
    world.leave(key)
    world.run(SETTLED + 1)
    assert world.partitions.rows[FIRST].count == 0


def test_an_excess_of_the_total_is_taken_off_at_the_third_look(world: ReconcileFixture, counted: Counter[str]) -> None:
    """Not before, and no more than that."""
    world.put(PartitionCount(FIRST))
    for name in "ab":
        world.join(name)
    world.catch_up()
    world.reserve(3)
    world.run(2)
    assert world.limits.total(ACME).count == 5
    world.run()
    assert world.limits.total(ACME).count == 2
    assert counted["TotalRepaired"] == 3
    world.run(5)
    assert world.limits.total(ACME).count == 2


def test_connections_on_their_way_to_the_count_are_no_excess(world: ReconcileFixture, counted: Counter[str]) -> None:
    """A busy tenant's total is always ahead of its counts, and never too high; its rows are not even read."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(40)
    for _ in range(20):
        world.run()
        world.account(FIRST, +40)
        world.reserve(40)
    assert world.limits.total(ACME).count == 40 * 21
    assert not counted["TotalRepaired"] + counted["TotalRaised"]


def test_connections_that_come_and_go_are_no_excess(world: ReconcileFixture) -> None:
    """The counts stand still, and yet fifty are on their way at any time."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(50)
    for _ in range(20):
        world.run()
        world.limits.release(ACME, 50)
        world.reserve(50)
    assert world.limits.total(ACME).count == 50


def test_an_excess_is_taken_off_in_a_busy_tenant_too(world: ReconcileFixture) -> None:
    """As far as it is certain: as many as were reserved meanwhile may be on their way."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(70)
    for _ in range(4):
        world.run()
        world.limits.release(ACME, 5)
        world.reserve(5)
    assert world.limits.total(ACME).count == 10


def test_connections_that_are_not_counted_for_long_are_no_excess(world: ReconcileFixture) -> None:
    """While `accounting` stands still nothing is taken off, whoever comes and goes; afterwards the total is right."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    early = [world.join(f"early{number}", (FIRST, SECOND)[number % 2]) for number in range(20)]
    world.catch_up()
    for key in early[:7]:
        world.leave(key)
    for number in range(20):
        world.join(f"late{number}")
        world.run()
    world.catch_up()
    assert world.limits.total(ACME).count == len(world.connections.rows) == 33


def test_connections_that_come_and_go_while_nothing_is_counted_are_no_excess(world: ReconcileFixture) -> None:
    """The rows agree with the counts at every look, and yet nothing of it may be taken off: it will be released."""
    world.put(PartitionCount(FIRST))
    for number in range(10):
        world.join(f"stays{number}")
    world.catch_up()
    for number in range(20):
        world.leave(world.join(f"goes{number}"))
        world.run()
    world.catch_up()
    assert world.limits.total(ACME).count == 10


def test_a_storm_that_is_not_counted_for_long_is_no_excess(world: ReconcileFixture) -> None:
    """Many go and come, then nobody does, and nothing is counted."""
    world.put(PartitionCount(FIRST))
    early = [world.join(f"early{number}") for number in range(20)]
    world.catch_up()
    for key in early[:7]:
        world.leave(key)
    for number in range(15):
        world.join(f"late{number}")
    world.run(20)
    world.catch_up()
    assert world.limits.total(ACME).count == 28


def test_a_backlog_that_is_counted_slowly_is_no_excess(world: ReconcileFixture) -> None:
    """Partitions move, but are far behind: some left one of them and came to another."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    early = [world.join(f"early{number}") for number in range(10)]
    world.catch_up()
    for number, key in enumerate(early[:5]):
        world.leave(key)
        world.join(f"late{number}", SECOND)
    for _ in range(20):
        world.run()
        for partition in (FIRST, SECOND):
            world.account(partition, 0)
    world.catch_up()
    assert world.limits.total(ACME).count == 10


def test_as_many_that_go_as_come_while_nothing_is_counted_are_no_excess(world: ReconcileFixture) -> None:
    """The counts are the rows, nothing moves for an hour, and all that are gone are still to be released."""
    world.put(PartitionCount(FIRST))
    early = [world.join(f"early{number}") for number in range(10)]
    world.catch_up()
    for number, key in enumerate(early):
        world.leave(key)
        world.join(f"late{number}")
    world.run(60)
    assert world.limits.total(ACME).count == 20
    world.catch_up()
    world.run(4)
    assert world.limits.total(ACME).count == 10


def test_probes_that_are_never_told_of_are_put_anew(world: ReconcileFixture) -> None:
    """The stream gave them up with all before them."""
    world.put(PartitionCount(FIRST))
    world.reserve(4)
    world.run()
    world.stream.append((FIRST, 0))
    world.run()
    assert world.connections.probes
    world.connections.probes.clear()
    world.run(SETTLED - 1)
    assert not world.connections.probes
    world.stream.clear()
    world.run(5)
    assert world.limits.total(ACME).count == 0


def test_connections_that_only_come_while_nothing_is_counted_are_no_excess(world: ReconcileFixture) -> None:
    """All at once, then nobody."""
    world.put(PartitionCount(FIRST))
    for number in range(20):
        world.join(f"c{number}")
    world.run(20)
    assert world.limits.total(ACME).count == 20


def test_connections_that_only_go_while_nothing_is_counted_are_released_once(world: ReconcileFixture) -> None:
    """Their rows are gone and their reservations are not: that is no excess, since they will be released."""
    world.put(PartitionCount(FIRST))
    keys = [world.join(f"c{number}") for number in range(20)]
    world.catch_up()
    world.reserve(3)
    for key in keys[:12]:
        world.leave(key)
    world.run(20)
    assert world.limits.total(ACME).count == 23
    world.catch_up()
    world.run(4)
    assert world.limits.total(ACME).count == 8


def test_the_excess_of_a_tenant_with_a_count_in_doubt_waits(world: ReconcileFixture) -> None:
    """A count that is too low looks like an excess."""
    world.put(PartitionCount(FIRST, recount=True))
    for name in "abc":
        world.connect(name)
    world.reserve(4)
    world.run(SETTLED)
    assert world.limits.total(ACME).count == 4
    world.run(5)
    assert world.limits.total(ACME).count == 3


def test_an_excess_waits_if_its_count_comes_into_doubt_meanwhile(world: ReconcileFixture) -> None:
    """Between the looks: accounting gave a record up."""
    world.put(PartitionCount(FIRST))
    world.reserve(4)
    world.run(2)
    world.partitions.mark_for_recount(FIRST)
    world.run(5)
    assert world.limits.total(ACME).count == 4


def test_an_excess_waits_if_a_partition_comes_meanwhile(world: ReconcileFixture) -> None:
    """It has no probe; the looks begin anew when those that were put must be counted or given up."""
    world.put(PartitionCount(FIRST))
    world.reserve(4)
    world.run(2)
    world.partitions.open([SECOND])
    world.run(SETTLED - 1)
    assert world.limits.total(ACME).count == 4
    world.run(5)
    assert world.limits.total(ACME).count == 0


def test_an_excess_that_another_run_has_taken_off_is_not_taken_off_again(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The inquiry is over then."""
    world.put(PartitionCount(FIRST))
    world.join("a")
    world.catch_up()
    world.reserve(4)
    world.run(2)
    repair = world.limits.repair

    def after_another_run(tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        assert repair(tenant, difference, seen=seen)
        return repair(tenant, difference, seen=seen)

    monkeypatch.setattr(world.limits, "repair", after_another_run)
    world.run()
    assert world.limits.total(ACME).count == 1
    assert counted["TotalRepaired"] == 0


def test_an_excess_that_is_gone_when_the_probes_are_counted_is_none(
    world: ReconcileFixture, counted: Counter[str]
) -> None:
    """Some were released late."""
    world.put(PartitionCount(FIRST))
    world.reserve(4)
    world.run(2)
    world.limits.release(ACME, 4)
    world.run(3)
    assert world.limits.total(ACME) == TenantTotal(0, 4)
    assert counted["TotalRepaired"] == 0


def test_a_sample_is_not_believed_if_a_record_comes_meanwhile(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused by the store, and taken anew in the next run."""
    world.put(PartitionCount(FIRST, 3, recount=True))
    monkeypatch.setattr(world.partitions, "keep_sample", lambda *_, **__: False)
    world.run(SETTLED + 2)
    assert world.partitions.rows[FIRST] == PartitionCount(FIRST, 3, recount=True)


def test_a_total_is_not_lowered_below_the_rows(world: ReconcileFixture) -> None:
    """Even if the count moves all the time, and is too low."""
    world.put(PartitionCount(FIRST))
    for number in range(10):
        world.connect(f"c{number}")
    world.reserve(12)
    for _ in range(10):
        world.run()
        world.account(FIRST, 0)
    assert world.limits.total(ACME).count == 10


def test_runs_that_follow_at_once_do_not_hasten_the_repair(world: ReconcileFixture) -> None:
    """A repeated run sees the same connections on their way."""
    world.put(PartitionCount(FIRST, 0))
    world.reserve(5)
    for _ in range(10):
        world.now += 1
        world.reconcile(Deadline.after(50, lambda: world.now))
    assert world.limits.total(ACME).count == 5


def test_a_total_that_is_right_is_not_written(world: ReconcileFixture) -> None:
    """Once a minute for every tenant would be much for nothing."""
    world.put(PartitionCount(FIRST))
    for name in "ab":
        world.join(name)
    world.catch_up()
    world.run(5)
    assert world.limits.total(ACME).inquiry is None


def test_a_partition_that_stays_empty_is_retired_then_removed(world: ReconcileFixture, counted: Counter[str]) -> None:
    """After ten minutes nothing is assigned to it; it goes when no change of it can come again. The first one stays."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.run(10)
    assert world.partitions.rows[SECOND].retired_at is None
    world.run()
    assert world.partitions.rows[SECOND].retired_at == world.now
    world.run(SETTLED - 11)
    assert SECOND in world.partitions.rows
    world.run()
    assert world.partitions.everywhere() == [PartitionCount(FIRST)]
    assert (counted["PartitionRetired"], counted["PartitionRemoved"]) == (1, 1)


def test_a_retired_partition_whose_last_change_is_young_is_kept(world: ReconcileFixture) -> None:
    """The change may come again for an hour: without its checkpoint, the partition opened anew would count it twice."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.run(11)
    assert world.partitions.rows[SECOND].retired_at is not None
    world.account(SECOND, 0)
    world.run(SETTLED)
    assert SECOND in world.partitions.rows
    world.run(2)
    assert SECOND not in world.partitions.rows


def test_rows_of_a_retired_partition_are_counted_once_before_it_is_removed(world: ReconcileFixture) -> None:
    """Not every minute of the hour that it stands empty; the sweep has a read of its own."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.connections.size_and_expired = lambda *_: (0, [])  # type: ignore[method-assign]
    counted: Counter[Partition] = Counter()
    size = world.connections.size

    def count(partition: Partition) -> int:
        counted[partition] += 1
        return size(partition)

    world.connections.size = count  # type: ignore[method-assign]
    world.run(SETTLED + 2)
    assert SECOND not in world.partitions.rows
    assert counted == {SECOND: 1}


def test_a_retired_partition_with_an_uncounted_row_is_reinstated_before_it_is_removed(world: ReconcileFixture) -> None:
    """The row came behind the last sweep, and the stream has lost its record."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    world.run(SETTLED)
    assert world.partitions.rows[SECOND].retired_at is not None
    size_and_expired = world.connections.size_and_expired
    world.connect("a", SECOND)
    world.connections.size_and_expired = lambda *_: (0, [])  # type: ignore[method-assign]
    world.run()
    world.connections.size_and_expired = size_and_expired  # type: ignore[method-assign]
    assert world.partitions.rows[SECOND] == PartitionCount(SECOND, recount=True)


def test_a_partition_with_rows_that_are_not_counted_is_not_idle(world: ReconcileFixture, counted: Counter[str]) -> None:
    """Its count is wrong, or late."""
    world.put(PartitionCount(SECOND))
    world.join("a", SECOND)
    world.run(30)
    assert counted["PartitionRetired"] == 0


def test_a_partition_that_was_used_is_not_idle(world: ReconcileFixture) -> None:
    """Empty now and then is not empty all the time."""
    world.put(PartitionCount(SECOND))
    for _ in range(20):
        world.run()
        world.account(SECOND, 0)
    assert world.partitions.rows[SECOND].retired_at is None


def test_a_retired_partition_that_got_connections_is_reinstated(world: ReconcileFixture) -> None:
    """One that is not counted although it has some is counted again."""
    third = nth_partition(ACME, 2)
    retired = int(world.now)
    world.put(PartitionCount(SECOND, retired_at=retired), PartitionCount(third, 1, retired_at=retired))
    world.connect("a", SECOND)
    world.connect("b", third)
    world.run(SETTLED + 3)
    assert world.partitions.of_tenant(ACME) == [PartitionCount(SECOND, 1), PartitionCount(third, 1)]


def test_attempts_that_are_under_way_at_every_look_are_no_excess(world: ReconcileFixture) -> None:
    """Twenty at a time, each refused in the end: at each look others are reserved, and little else is counted."""
    world.put(PartitionCount(FIRST))
    for number in range(10):
        world.join(f"stays{number}")
    world.catch_up()
    world.reserve(20)
    for number in range(20):
        world.leave(world.join(f"goes{number}"))
        world.run()
        world.limits.release(ACME, 20)
        world.reserve(20)
        world.catch_up()
    assert world.limits.total(ACME).count == 30


def test_a_total_that_is_too_low_is_raised(world: ReconcileFixture, counted: Counter[str]) -> None:
    """To the number of rows, in the second minute."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    for number in range(7):
        world.join(f"c{number}", SECOND if number % 2 else FIRST)
    world.catch_up()
    world.limits.release(ACME, 5)
    world.run()
    assert world.limits.total(ACME).count == 2
    world.run()
    assert world.limits.total(ACME).count == 7
    assert counted["TotalRaised"] == 5
    world.run(10)
    assert (world.limits.total(ACME).count, world.limits.total(ACME).inquiry) == (7, None)
    assert counted["TotalRaised"] == 5


def test_a_total_is_raised_by_what_is_missing_while_others_come_and_go(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """Between two reads of the total, some connect, whose rows are found or not, and some leave."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    keys = [world.join(f"c{number}", SECOND if number % 2 else FIRST) for number in range(20)]
    world.catch_up()
    world.limits.release(ACME, 6)
    size, names = world.connections.size, iter(range(1000))

    def busy(partition: Partition) -> int:
        for _ in range(3):
            world.join(f"late{next(names)}", partition)
        found = size(partition)
        world.join(f"late{next(names)}", partition)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(world.connections, "size", busy)
        world.run(2)
    for key in keys[:5]:
        world.leave(key)
    world.catch_up()
    world.run(9)
    assert world.limits.total(ACME).count == len(world.connections.rows)
    assert counted["TotalRaised"] == 6


def test_connections_that_leave_while_the_rows_are_read_raise_no_total(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The total is lower than the rows that were found, and right."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    keys = [world.join(f"c{number}", SECOND if number % 2 else FIRST) for number in range(20)]
    world.catch_up()
    world.limits.release(ACME, 1)
    size = world.connections.size

    def leaving(partition: Partition) -> int:
        found = size(partition)
        for key in [key for key in keys[:8] if key in world.connections.rows]:
            world.leave(key)
        world.catch_up()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(world.connections, "size", leaving)
        world.run(2)
    world.run(9)
    assert world.limits.total(ACME).count == len(world.connections.rows) == 12


def test_a_total_below_counts_that_are_too_high_is_not_raised(world: ReconcileFixture) -> None:
    """The rows say how many there are."""
    world.put(PartitionCount(FIRST, 9))
    for number in range(4):
        world.connect(f"c{number}")
    world.reserve(4)
    world.run(9)
    assert world.limits.total(ACME).count == 4


def test_a_total_that_another_run_has_raised_is_not_raised_again(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The inquiry is over then."""
    world.put(PartitionCount(FIRST))
    for number in range(4):
        world.join(f"c{number}")
    world.catch_up()
    world.limits.release(ACME, 3)
    world.run()
    repair = world.limits.repair

    def after_another_run(tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        assert repair(tenant, difference, seen=seen)
        return repair(tenant, difference, seen=seen)

    monkeypatch.setattr(world.limits, "repair", after_another_run)
    world.run()
    assert world.limits.total(ACME).count == 4
    assert counted["TotalRaised"] == 0


def test_of_those_that_fail_in_a_step_the_first_one_is_logged(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], log: StringIO
) -> None:
    """A table that is down would fill the log; the metric counts them all."""
    world.put(PartitionCount(FIRST, -1), PartitionCount(SECOND, -1))

    def down(_: Partition) -> None:
        raise TransientError("throttled")

    monkeypatch.setattr(world.partitions, "mark_for_recount", down)
    with pytest.raises(TransientError, match="steps failed: recount"):
        world.run()
    assert counted["ReconcileItemFailed"] == 2
    assert log.getvalue().count("item failed") == 1


@pytest.mark.parametrize(
    ("store", "method"),
    [
        ("connections", "size_and_expired"),
        ("connections", "size"),
        ("partitions", "mark_for_recount"),
        ("limits", "total"),
        ("limits", "repair"),
    ],
)
def test_one_that_cannot_be_repaired_does_not_stop_the_others(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], store: str, method: str
) -> None:
    """A partition or a tenant of which a call fails, for whatever reason, every time."""
    other = TenantId("other")
    world.tenants.put(Tenant(other, 1000, 9, 9, 9, 9, 9))
    theirs = nth_partition(other, 0)
    world.put(PartitionCount(FIRST, -1), PartitionCount(theirs, -1))
    for partition, tenant in ((FIRST, ACME), (theirs, other)):
        world.connect("over", partition, lives=1)
        world.sessions.renew(tenant, S1, player=None, expires_at=1, now=0)
    call = getattr(getattr(world, store), method)

    def failing(first: object, *arguments: object, **named: object) -> object:
        if ACME in str(first):
            raise RuntimeError("a row that makes no sense")
        return call(first, *arguments, **named)

    monkeypatch.setattr(getattr(world, store), method, failing)
    for _ in range(SETTLED + 9):
        with contextlib.suppress(TransientError):
            world.run()
        if world.now == 600_000 + 60 * 3:
            for _ in range(5):
                world.limits.reserve(ACME, 1000)
                world.limits.reserve(other, 1000)
    assert counted["ReconcileItemFailed"] > 0
    assert (other, S1) not in world.sessions.rows
    assert ConnectionKey(theirs, ConnectionId("over")) not in world.connections.rows
    assert world.partitions.rows[theirs].count == 0
    assert world.limits.total(other).count == 0


def test_the_size_of_the_crowd_is_measured(world: ReconcileFixture, counted: Counter[str]) -> None:
    """As the partitions count it."""
    world.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 5, recount=True))
    for partition, rows in ((FIRST, 7), (SECOND, 5)):
        for number in range(rows):
            world.connect(f"c{number}", partition)
    world.run()
    assert (counted["Connections"], counted["Partitions"], counted["PartitionsInDoubt"]) == (12, 2, 1)


def test_a_step_that_fails_does_not_stop_the_others(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """And the run fails at its end, with the step's name."""

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    world.put(PartitionCount(FIRST))
    world.connect("over", lives=1)
    monkeypatch.setattr(world.sessions, "delete_expired", fail)
    with pytest.raises(TransientError, match="steps failed: delete_expired_sessions"):
        world.run()
    assert world.connections.rows == {}
    assert counted["Partitions"] == 1
    assert counted["ReconcileStepFailed"] == 1


def test_partitions_that_cannot_be_read_leave_the_sessions_swept(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step but that one needs them."""

    def fail() -> None:
        raise TransientError("throttled")

    world.sessions.renew(ACME, S1, player=None, expires_at=1, now=0)
    monkeypatch.setattr(world.partitions, "everywhere", fail)
    with pytest.raises(TransientError, match="recount, repair_totals"):
        world.run()
    assert world.sessions.rows == {}


def test_a_run_ends_in_time(world: ReconcileFixture, counted: Counter[str]) -> None:
    """The rest is found again in a minute."""
    world.put(*(PartitionCount(nth_partition(ACME, number)) for number in range(3)))
    over = world.connect("over", lives=1)
    world.now += MINUTE
    world.reconcile(Deadline.after(0, lambda: world.now))
    assert set(world.connections.rows) == {over}
    assert counted["ReconcileCutShort"] > 0
    world.run()
    assert world.connections.rows == {}


def slow(world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, store: object, method: str, seconds: float) -> None:
    """Have each call of a store's method take so long."""
    call = getattr(store, method)

    def slowed(*args: object, **named: object) -> object:
        world.now += seconds
        return call(*args, **named)

    monkeypatch.setattr(store, method, slowed)


def test_a_step_that_takes_all_its_time_leaves_some_to_the_others(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many sessions are over, and each takes a second."""
    world.put(PartitionCount(FIRST))
    for number in range(100):
        world.sessions.renew(ACME, SessionId(f"s{number}"), player=None, expires_at=1, now=0)
    world.connect("over", lives=1)
    delete_expired = world.sessions.delete_expired

    def slowly(now: int) -> Iterator[int]:
        for deleted in delete_expired(now):
            world.now += 1
            yield deleted

    monkeypatch.setattr(world.sessions, "delete_expired", slowly)
    world.run()
    assert 70 < len(world.sessions.rows) < 90
    assert world.connections.rows == {}


def test_a_long_search_ends_in_time(world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most pages have no session that is over: the clock is looked at all the same."""

    def delete_expired(_: int) -> Iterator[int]:
        for _ in range(1000):
            world.now += 1
            yield 0

    monkeypatch.setattr(world.sessions, "delete_expired", delete_expired)
    world.run()


def test_what_one_run_has_no_time_for_has_its_turn(world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of which a run gets through a tenth leaves none of the partitions out."""
    partitions = [nth_partition(ACME, place) for place in range(50)]
    world.put(*(PartitionCount(partition, 1) for partition in partitions))
    for partition in partitions:
        world.connect("over", partition, lives=1)
    slow(world, monkeypatch, world.connections, "size_and_expired", 5)
    world.run(30)
    assert world.connections.rows == {}


def test_marking_goes_on_where_the_run_before_had_no_more_time(
    world: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """Nothing is marked twice, and the message goes when all is marked."""
    partitions = [nth_partition(ACME, place) for place in range(50)]
    world.put(*(PartitionCount(partition, 1) for partition in partitions))
    world.put(PartitionCount(FIRST, 1, recount=True, sample=Sample(1, "", int(world.now))))
    world.failures.failures = [Failure("r", world.now)]
    slow(world, monkeypatch, world.partitions, "mark_for_recount", 2)
    marks = Counter[str]()
    mark = world.partitions.mark_for_recount
    monkeypatch.setattr(
        world.partitions, "mark_for_recount", lambda partition: (marks.update([partition]), mark(partition))
    )
    world.run()
    assert world.failures.failures
    world.run(4)
    assert marks == Counter(partitions)
    assert world.failures.failures == []
    world.run(SETTLED)
    assert {row.count for row in world.partitions.everywhere()} == {0}
    assert counted["PartitionRecounted"] == 50


def test_a_partition_that_is_marked_in_a_run_is_not_taken_for_empty_in_it(world: ReconcileFixture) -> None:
    """Its count of nothing is in doubt."""
    world.put(PartitionCount(FIRST), PartitionCount(SECOND))
    for number in range(3):
        world.connect(f"c{number}", SECOND)
    world.failures.failures = [Failure("r", world.now)]
    world.run()
    assert world.partitions.rows[SECOND] == PartitionCount(SECOND, recount=True, sample=Sample(3, "", int(world.now)))


def test_a_partition_in_doubt_is_not_retired(world: ReconcileFixture) -> None:
    """Its count of nothing may be wrong."""
    row = PartitionCount(SECOND, recount=True)
    world.put(row)
    for _ in range(15):
        world.put(replace(row, sample=None))
        world.run()
    assert world.partitions.rows[SECOND].retired_at is None

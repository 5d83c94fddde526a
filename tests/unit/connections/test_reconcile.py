"""Deletion of expired rows, repair of wrong counts; a failed step does not stop the others."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO

import pytest

from functions.connections.reconcile.port import Failure
from functions.connections.reconcile.reconcile import Reconcile, ReconcileCounts
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, Pattern, SessionId, TenantId, channel_key, nth_partition
from loudhailer.limits.model import Inquiry, TenantTotal
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.tenants.model import Tenant
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.recounts import MemoryFailureQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.limits import QUIET_SECONDS

ACME, S1 = TenantId("acme"), SessionId("s1")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)
MINUTE = 60
QUIET = QUIET_SECONDS // MINUTE


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
def tables() -> ReconcileFixture:
    """A fresh one."""
    return ReconcileFixture()


def test_expired_connections_are_deleted(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """Rows whose `$disconnect` was lost are deleted; the others stay."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    tables.connect("over", lives=MINUTE)
    tables.connect("over", SECOND, lives=MINUTE)
    live = tables.connect("live", lives=MINUTE + 1)
    tables.run()
    assert set(tables.connections.rows) == {live}
    assert counted["ExpiredConnectionDeleted"] == 2


def test_many_partitions_are_swept_within_an_hour(tables: ReconcileFixture) -> None:
    """A part of them each minute, none left out."""
    tables.now += 17
    partitions = [nth_partition(ACME, number) for number in range(300)]
    tables.put(*map(PartitionCount, partitions))
    for partition in partitions:
        tables.connect("over", partition, lives=1)
    tables.run()
    assert 200 < len(tables.connections.rows) < 300
    tables.run(59)
    assert tables.connections.rows == {}


def test_expired_sessions_are_deleted(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """Hours before TTL gets round to it."""
    for name, lives in (("over", MINUTE), ("live", MINUTE + 1)):
        tables.sessions.renew(ACME, SessionId(name), player=None, expires_at=int(tables.now) + lives, now=0)
    tables.run()
    assert [session for _, session in tables.sessions.rows] == ["live"]
    assert counted["ExpiredSessionDeleted"] == 1


def test_changes_given_up_by_the_stream_cause_a_recount_of_every_partition(
    tables: ReconcileFixture, counted: Counter[str]
) -> None:
    """The message does not name the partitions."""
    tables.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 3))
    tables.connect("a")
    for number in range(3):
        tables.connect(f"b{number}", SECOND)
    tables.failures.failures = [Failure(f"r{number}", tables.now) for number in range(25)]
    tables.run()
    assert tables.failures.failures == []
    assert all(row.recount for row in tables.partitions.everywhere())
    tables.run(QUIET)
    assert tables.partitions.of(ACME) == [PartitionCount(FIRST, 1), PartitionCount(SECOND, 3)]
    assert counted["PartitionRecounted"] == 2
    assert counted["AccountingGaveUp"] == 1


def test_a_count_below_zero_is_doubtful(tables: ReconcileFixture) -> None:
    """There is no such number of connections."""
    tables.put(PartitionCount(FIRST, -2))
    tables.connect("a")
    tables.run(QUIET + 2)
    assert tables.partitions.of(ACME) == [PartitionCount(FIRST, 1)]


def test_a_partition_is_not_recounted_while_records_arrive(tables: ReconcileFixture) -> None:
    """The rows may include some whose records are still to come: they would be counted twice."""
    tables.put(PartitionCount(FIRST, 7, recount=True))
    tables.connect("a")
    tables.run(QUIET)
    tables.connect("b")
    tables.account(FIRST, +1)
    tables.run(QUIET)
    assert tables.partitions.rows[FIRST].count == 8
    assert tables.partitions.rows[FIRST].recount
    tables.run()
    assert tables.partitions.of(ACME)[0].count == 2


def test_a_stopped_stream_is_not_mistaken_for_a_quiet_one(tables: ReconcileFixture) -> None:
    """Records may come for an hour: a recount in the meantime would have them counted twice."""
    tables.put(PartitionCount(FIRST, 0, recount=True))
    for number in range(5):
        tables.join(f"c{number}")
    tables.run(55)
    tables.catch_up()
    assert tables.partitions.rows[FIRST].count == 5
    tables.run(QUIET + 1)
    assert tables.partitions.rows[FIRST].count == 5
    assert not tables.partitions.rows[FIRST].recount


def test_a_wrong_count_is_found_by_the_sweep(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """It is not marked; it is assigned as before until its checkpoint has been unchanged for long."""
    tables.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 1))
    tables.connect("a")
    tables.connect("b", SECOND)
    tables.run(QUIET)
    assert tables.partitions.rows[FIRST].count == 7
    assert not tables.partitions.rows[FIRST].recount
    tables.run()
    assert tables.partitions.of(ACME) == [PartitionCount(FIRST, 1), PartitionCount(SECOND, 1)]
    assert counted["PartitionRecounted"] == 1


def test_a_count_that_lags_is_not_wrong(tables: ReconcileFixture) -> None:
    """It differs from the rows now and then, and is right as soon as the stream is read on."""
    tables.put(PartitionCount(FIRST))
    for number in range(2 * QUIET):
        tables.join(f"c{number}")
        tables.run()
        if number % 50 == 0:
            tables.catch_up()
    tables.catch_up()
    tables.run()
    assert tables.partitions.rows[FIRST].count == 2 * QUIET


def test_a_count_that_matches_again_is_not_changed(tables: ReconcileFixture) -> None:
    """Connections that came and went before they were counted are no difference any more."""
    tables.put(PartitionCount(FIRST))
    key = tables.join("a")
    tables.run()
    assert tables.partitions.rows[FIRST].sample == Sample(1, "", int(tables.now))
    tables.leave(key)
    tables.run(QUIET + 1)
    assert tables.partitions.rows[FIRST].count == 0


def test_an_excess_of_the_total_is_subtracted_at_the_third_look(
    tables: ReconcileFixture, counted: Counter[str]
) -> None:
    """Not before, and no more than that."""
    tables.put(PartitionCount(FIRST))
    for name in "ab":
        tables.join(name)
    tables.catch_up()
    tables.reserve(3)
    tables.run(2)
    assert tables.limits.total(ACME).count == 5
    tables.run()
    assert tables.limits.total(ACME).count == 2
    assert counted["TotalRepaired"] == 3
    tables.run(5)
    assert tables.limits.total(ACME).count == 2


def test_connections_not_counted_yet_are_no_excess(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """A busy tenant's total is always ahead of its counts, and never too high; its rows are not even read."""
    tables.put(PartitionCount(FIRST, 0))
    tables.reserve(40)
    for _ in range(20):
        tables.run()
        tables.account(FIRST, +40)
        tables.reserve(40)
    assert tables.limits.total(ACME).count == 40 * 21
    assert not counted["TotalRepaired"] + counted["TotalRaised"]


def test_connections_that_open_and_close_are_no_excess(tables: ReconcileFixture) -> None:
    """The counts do not change, although fifty are on their way at any time."""
    tables.put(PartitionCount(FIRST, 0))
    tables.reserve(50)
    for _ in range(20):
        tables.run()
        tables.limits.release(ACME, 50)
        tables.reserve(50)
    assert tables.limits.total(ACME).count == 50


def test_an_excess_is_subtracted_in_a_busy_tenant_too(tables: ReconcileFixture) -> None:
    """As far as it is certain: as many as were reserved meanwhile may be on their way."""
    tables.put(PartitionCount(FIRST, 0))
    tables.reserve(70)
    for _ in range(4):
        tables.run()
        tables.limits.release(ACME, 5)
        tables.reserve(5)
    assert tables.limits.total(ACME).count == 10


def test_connections_uncounted_for_long_are_no_excess(tables: ReconcileFixture) -> None:
    """While `accounting` is stopped nothing is subtracted, whatever happens; afterwards the total is right."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    early = [tables.join(f"early{number}", (FIRST, SECOND)[number % 2]) for number in range(20)]
    tables.catch_up()
    for key in early[:7]:
        tables.leave(key)
    for number in range(20):
        tables.join(f"late{number}")
        tables.run()
    tables.catch_up()
    assert tables.limits.total(ACME).count == len(tables.connections.rows) == 33


def test_connections_that_open_and_close_while_counting_is_stopped_are_no_excess(tables: ReconcileFixture) -> None:
    """The rows agree with the counts at every look, and yet nothing of it may be taken off: it will be released."""
    tables.put(PartitionCount(FIRST))
    for number in range(10):
        tables.join(f"stays{number}")
    tables.catch_up()
    for number in range(20):
        tables.leave(tables.join(f"goes{number}"))
        tables.run()
    tables.catch_up()
    assert tables.limits.total(ACME).count == 10


def test_a_storm_uncounted_for_long_is_no_excess(tables: ReconcileFixture) -> None:
    """Many go and come, then nobody does, and nothing is counted."""
    tables.put(PartitionCount(FIRST))
    early = [tables.join(f"early{number}") for number in range(20)]
    tables.catch_up()
    for key in early[:7]:
        tables.leave(key)
    for number in range(15):
        tables.join(f"late{number}")
    tables.run(20)
    tables.catch_up()
    assert tables.limits.total(ACME).count == 28


def test_a_backlog_that_is_counted_slowly_is_no_excess(tables: ReconcileFixture) -> None:
    """Partitions move, but are far behind: some left one of them and came to another."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    early = [tables.join(f"early{number}") for number in range(10)]
    tables.catch_up()
    for number, key in enumerate(early[:5]):
        tables.leave(key)
        tables.join(f"late{number}", SECOND)
    for _ in range(20):
        tables.run()
        for partition in (FIRST, SECOND):
            tables.account(partition, 0)
    tables.catch_up()
    assert tables.limits.total(ACME).count == 10


def test_equal_numbers_of_opens_and_closes_while_counting_is_stopped_are_no_excess(tables: ReconcileFixture) -> None:
    """The counts are the rows, nothing moves for an hour, and all that are gone are still to be released."""
    tables.put(PartitionCount(FIRST))
    early = [tables.join(f"early{number}") for number in range(10)]
    tables.catch_up()
    for number, key in enumerate(early):
        tables.leave(key)
        tables.join(f"late{number}")
    tables.run(60)
    assert tables.limits.total(ACME).count == 20
    tables.catch_up()
    tables.run(4)
    assert tables.limits.total(ACME).count == 10


def test_lost_probes_are_written_again(tables: ReconcileFixture) -> None:
    """The stream gave them up with all before them."""
    tables.put(PartitionCount(FIRST))
    tables.reserve(4)
    tables.run()
    tables.stream.append((FIRST, 0))
    tables.run()
    assert tables.connections.probes
    tables.connections.probes.clear()
    tables.run(QUIET - 1)
    assert not tables.connections.probes
    tables.stream.clear()
    tables.run(5)
    assert tables.limits.total(ACME).count == 0


def test_connections_that_only_open_while_counting_is_stopped_are_no_excess(tables: ReconcileFixture) -> None:
    """All at once, then nobody."""
    tables.put(PartitionCount(FIRST))
    for number in range(20):
        tables.join(f"c{number}")
    tables.run(20)
    assert tables.limits.total(ACME).count == 20


def test_connections_that_only_close_while_counting_is_stopped_are_released_once(tables: ReconcileFixture) -> None:
    """Their rows are gone and their reservations are not: that is no excess, since they will be released."""
    tables.put(PartitionCount(FIRST))
    keys = [tables.join(f"c{number}") for number in range(20)]
    tables.catch_up()
    tables.reserve(3)
    for key in keys[:12]:
        tables.leave(key)
    tables.run(20)
    assert tables.limits.total(ACME).count == 23
    tables.catch_up()
    tables.run(4)
    assert tables.limits.total(ACME).count == 8


def test_the_excess_of_a_tenant_with_a_count_in_doubt_waits(tables: ReconcileFixture) -> None:
    """A count that is too low looks like an excess."""
    tables.put(PartitionCount(FIRST, recount=True))
    for name in "abc":
        tables.connect(name)
    tables.reserve(4)
    tables.run(QUIET)
    assert tables.limits.total(ACME).count == 4
    tables.run(5)
    assert tables.limits.total(ACME).count == 3


def test_an_excess_waits_if_its_count_becomes_doubtful(tables: ReconcileFixture) -> None:
    """Between the looks: accounting gave a record up."""
    tables.put(PartitionCount(FIRST))
    tables.reserve(4)
    tables.run(2)
    tables.partitions.mark_for_recount(FIRST)
    tables.run(5)
    assert tables.limits.total(ACME).count == 4


def test_an_excess_waits_if_a_partition_is_opened(tables: ReconcileFixture) -> None:
    """It has no probe; the looks start again when all probes must be counted or given up."""
    tables.put(PartitionCount(FIRST))
    tables.reserve(4)
    tables.run(2)
    tables.partitions.open(SECOND)
    tables.run(QUIET - 1)
    assert tables.limits.total(ACME).count == 4
    tables.run(5)
    assert tables.limits.total(ACME).count == 0


def test_an_excess_subtracted_by_another_run_is_not_subtracted_again(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The inquiry is over then."""
    tables.put(PartitionCount(FIRST))
    tables.join("a")
    tables.catch_up()
    tables.reserve(4)
    tables.run(2)
    repair = tables.limits.repair

    def after_another_run(tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        assert repair(tenant, difference, seen=seen)
        return repair(tenant, difference, seen=seen)

    monkeypatch.setattr(tables.limits, "repair", after_another_run)
    tables.run()
    assert tables.limits.total(ACME).count == 1
    assert counted["TotalRepaired"] == 0


def test_an_excess_that_vanishes_once_the_probes_are_counted_is_ignored(
    tables: ReconcileFixture, counted: Counter[str]
) -> None:
    """Some were released late."""
    tables.put(PartitionCount(FIRST))
    tables.reserve(4)
    tables.run(2)
    tables.limits.release(ACME, 4)
    tables.run(3)
    assert tables.limits.total(ACME) == TenantTotal(0, 4)
    assert counted["TotalRepaired"] == 0


def test_a_sample_followed_by_a_record_is_discarded(tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store refuses it, and the next run takes another."""
    tables.put(PartitionCount(FIRST, 3, recount=True))
    monkeypatch.setattr(tables.partitions, "keep_sample", lambda *_, **__: False)
    tables.run(QUIET + 2)
    assert tables.partitions.rows[FIRST] == PartitionCount(FIRST, 3, recount=True)


def test_a_total_is_not_lowered_below_the_rows(tables: ReconcileFixture) -> None:
    """Even if the count moves all the time, and is too low."""
    tables.put(PartitionCount(FIRST))
    for number in range(10):
        tables.connect(f"c{number}")
    tables.reserve(12)
    for _ in range(10):
        tables.run()
        tables.account(FIRST, 0)
    assert tables.limits.total(ACME).count == 10


def test_immediately_repeated_runs_do_not_speed_up_the_repair(tables: ReconcileFixture) -> None:
    """A repeated run sees the same connections on their way."""
    tables.put(PartitionCount(FIRST, 0))
    tables.reserve(5)
    for _ in range(10):
        tables.now += 1
        tables.reconcile(Deadline.after(50, lambda: tables.now))
    assert tables.limits.total(ACME).count == 5


def test_a_correct_total_is_not_written(tables: ReconcileFixture) -> None:
    """Once a minute for every tenant would be much for nothing."""
    tables.put(PartitionCount(FIRST))
    for name in "ab":
        tables.join(name)
    tables.catch_up()
    tables.run(5)
    assert tables.limits.total(ACME).inquiry is None


def test_a_partition_that_stays_empty_is_retired_then_removed(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """After ten minutes nothing is assigned to it; it is removed when no change can be delivered. The first stays."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    tables.run(10)
    assert tables.partitions.rows[SECOND].retired_at is None
    tables.run()
    assert tables.partitions.rows[SECOND].retired_at == tables.now
    tables.run(QUIET - 11)
    assert SECOND in tables.partitions.rows
    tables.run()
    assert tables.partitions.everywhere() == [PartitionCount(FIRST)]
    assert (counted["PartitionRetired"], counted["PartitionRemoved"]) == (1, 1)


def test_a_retired_partition_with_a_recent_change_is_kept(tables: ReconcileFixture) -> None:
    """The change may be repeated for an hour: without its checkpoint, the reopened partition would count it twice."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    tables.run(11)
    assert tables.partitions.rows[SECOND].retired_at is not None
    tables.account(SECOND, 0)
    tables.run(QUIET)
    assert SECOND in tables.partitions.rows
    tables.run(2)
    assert SECOND not in tables.partitions.rows


def test_rows_of_a_retired_partition_are_counted_once_before_it_is_removed(tables: ReconcileFixture) -> None:
    """Not every minute of the hour in which it is empty; the sweep has a read of its own."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    tables.connections.size_and_expired = lambda *_: (0, [])  # type: ignore[method-assign]
    counted: Counter[Partition] = Counter()
    size = tables.connections.size

    def count(partition: Partition) -> int:
        counted[partition] += 1
        return size(partition)

    tables.connections.size = count  # type: ignore[method-assign]
    tables.run(QUIET + 2)
    assert SECOND not in tables.partitions.rows
    assert counted == {SECOND: 1}


def test_a_retired_partition_with_an_uncounted_row_is_reinstated_before_it_is_removed(tables: ReconcileFixture) -> None:
    """The row came behind the last sweep, and the stream has lost its record."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    tables.run(QUIET)
    assert tables.partitions.rows[SECOND].retired_at is not None
    size_and_expired = tables.connections.size_and_expired
    tables.connect("a", SECOND)
    tables.connections.size_and_expired = lambda *_: (0, [])  # type: ignore[method-assign]
    tables.run()
    tables.connections.size_and_expired = size_and_expired  # type: ignore[method-assign]
    assert tables.partitions.rows[SECOND] == PartitionCount(SECOND, recount=True)


def test_a_partition_with_uncounted_rows_is_not_idle(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """Its count is wrong, or late."""
    tables.put(PartitionCount(SECOND))
    tables.join("a", SECOND)
    tables.run(30)
    assert counted["PartitionRetired"] == 0


def test_members_and_their_partitions_are_measured(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """Beside the number of partitions whose count is in doubt."""
    tables.put(PartitionCount(FIRST, 3), PartitionCount(SECOND, 4, recount=True))
    reconcile = ReconcileCounts(
        connections=tables.connections,
        partitions=tables.partitions,
        failures=tables.failures,
        clock=lambda: tables.now,
    )
    reconcile(Deadline(tables.now + 50, lambda: tables.now))
    measured = {name: value for name, value in counted.items() if name.startswith("Member")}
    assert measured == {"Members": 7, "MemberPartitions": 2, "MemberPartitionsInDoubt": 1}


def test_a_partition_that_was_used_is_not_idle(tables: ReconcileFixture) -> None:
    """Empty now and then is not empty all the time."""
    tables.put(PartitionCount(SECOND))
    for _ in range(20):
        tables.run()
        tables.account(SECOND, 0)
    assert tables.partitions.rows[SECOND].retired_at is None


def test_a_retired_partition_with_new_connections_is_reinstated(tables: ReconcileFixture) -> None:
    """A row that is not counted causes a recount."""
    third = nth_partition(ACME, 2)
    retired = int(tables.now)
    tables.put(PartitionCount(SECOND, retired_at=retired), PartitionCount(third, 1, retired_at=retired))
    tables.connect("a", SECOND)
    tables.connect("b", third)
    tables.run(QUIET + 3)
    assert tables.partitions.of(ACME) == [PartitionCount(SECOND, 1), PartitionCount(third, 1)]


def test_attempts_in_progress_at_every_look_are_no_excess(tables: ReconcileFixture) -> None:
    """Twenty at a time, each refused in the end: at each look others are reserved, and little else is counted."""
    tables.put(PartitionCount(FIRST))
    for number in range(10):
        tables.join(f"stays{number}")
    tables.catch_up()
    tables.reserve(20)
    for number in range(20):
        tables.leave(tables.join(f"goes{number}"))
        tables.run()
        tables.limits.release(ACME, 20)
        tables.reserve(20)
        tables.catch_up()
    assert tables.limits.total(ACME).count == 30


def test_a_total_that_is_too_low_is_raised(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """To the number of rows, in the second minute."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    for number in range(7):
        tables.join(f"c{number}", SECOND if number % 2 else FIRST)
    tables.catch_up()
    tables.limits.release(ACME, 5)
    tables.run()
    assert tables.limits.total(ACME).count == 2
    tables.run()
    assert tables.limits.total(ACME).count == 7
    assert counted["TotalRaised"] == 5
    tables.run(10)
    assert (tables.limits.total(ACME).count, tables.limits.total(ACME).inquiry) == (7, None)
    assert counted["TotalRaised"] == 5


def test_a_total_is_raised_by_the_missing_amount_while_connections_open_and_close(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """Between two reads of the total, some connect, whose rows are found or not, and some leave."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    keys = [tables.join(f"c{number}", SECOND if number % 2 else FIRST) for number in range(20)]
    tables.catch_up()
    tables.limits.release(ACME, 6)
    size, names = tables.connections.size, iter(range(1000))

    def busy(partition: Partition) -> int:
        for _ in range(3):
            tables.join(f"late{next(names)}", partition)
        found = size(partition)
        tables.join(f"late{next(names)}", partition)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(tables.connections, "size", busy)
        tables.run(2)
    for key in keys[:5]:
        tables.leave(key)
    tables.catch_up()
    tables.run(9)
    assert tables.limits.total(ACME).count == len(tables.connections.rows)
    assert counted["TotalRaised"] == 6


def test_connections_closed_during_the_read_raise_no_total(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The total is lower than the rows that were found, and right."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    keys = [tables.join(f"c{number}", SECOND if number % 2 else FIRST) for number in range(20)]
    tables.catch_up()
    tables.limits.release(ACME, 1)
    size = tables.connections.size

    def leaving(partition: Partition) -> int:
        found = size(partition)
        for key in [key for key in keys[:8] if key in tables.connections.rows]:
            tables.leave(key)
        tables.catch_up()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(tables.connections, "size", leaving)
        tables.run(2)
    tables.run(9)
    assert tables.limits.total(ACME).count == len(tables.connections.rows) == 12


def test_a_total_below_counts_that_are_too_high_is_not_raised(tables: ReconcileFixture) -> None:
    """The rows say how many there are."""
    tables.put(PartitionCount(FIRST, 9))
    for number in range(4):
        tables.connect(f"c{number}")
    tables.reserve(4)
    tables.run(9)
    assert tables.limits.total(ACME).count == 4


def test_a_total_raised_by_another_run_is_not_raised_again(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The inquiry is over then."""
    tables.put(PartitionCount(FIRST))
    for number in range(4):
        tables.join(f"c{number}")
    tables.catch_up()
    tables.limits.release(ACME, 3)
    tables.run()
    repair = tables.limits.repair

    def after_another_run(tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        assert repair(tenant, difference, seen=seen)
        return repair(tenant, difference, seen=seen)

    monkeypatch.setattr(tables.limits, "repair", after_another_run)
    tables.run()
    assert tables.limits.total(ACME).count == 4
    assert counted["TotalRaised"] == 0


def test_only_the_first_failure_of_a_step_is_logged(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], log: StringIO
) -> None:
    """A table that is down would fill the log; the metric counts them all."""
    tables.put(PartitionCount(FIRST, -1), PartitionCount(SECOND, -1))

    def down(_: Partition) -> None:
        raise TransientError("throttled")

    monkeypatch.setattr(tables.partitions, "mark_for_recount", down)
    with pytest.raises(TransientError, match="steps failed: recount"):
        tables.run()
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
def test_an_item_that_cannot_be_repaired_does_not_block_the_others(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], store: str, method: str
) -> None:
    """A partition or a tenant of which a call fails, for whatever reason, every time."""
    other = TenantId("other")
    tables.tenants.put(Tenant(other, 1000, 9, 9, 9, 9, 9))
    theirs = nth_partition(other, 0)
    tables.put(PartitionCount(FIRST, -1), PartitionCount(theirs, -1))
    for partition, tenant in ((FIRST, ACME), (theirs, other)):
        tables.connect("over", partition, lives=1)
        tables.sessions.renew(tenant, S1, player=None, expires_at=1, now=0)
    call = getattr(getattr(tables, store), method)

    def failing(first: object, *arguments: object, **named: object) -> object:
        if ACME in str(first):
            raise RuntimeError("a row that is malformed")
        return call(first, *arguments, **named)

    monkeypatch.setattr(getattr(tables, store), method, failing)
    for _ in range(QUIET + 9):
        with contextlib.suppress(TransientError):
            tables.run()
        if tables.now == 600_000 + 60 * 3:
            for _ in range(5):
                tables.limits.reserve(ACME, 1000)
                tables.limits.reserve(other, 1000)
    assert counted["ReconcileItemFailed"] > 0
    assert (other, S1) not in tables.sessions.rows
    assert ConnectionKey(theirs, ConnectionId("over")) not in tables.connections.rows
    assert tables.partitions.rows[theirs].count == 0
    assert tables.limits.total(other).count == 0


def test_the_number_of_connections_is_measured(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """As the partitions count it."""
    tables.put(PartitionCount(FIRST, 7), PartitionCount(SECOND, 5, recount=True))
    for partition, rows in ((FIRST, 7), (SECOND, 5)):
        for number in range(rows):
            tables.connect(f"c{number}", partition)
    tables.run()
    assert (counted["Connections"], counted["Partitions"], counted["PartitionsInDoubt"]) == (12, 2, 1)


def test_a_step_that_fails_does_not_stop_the_others(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """And the run fails at its end, with the step's name."""

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    tables.put(PartitionCount(FIRST))
    tables.connect("over", lives=1)
    monkeypatch.setattr(tables.sessions, "delete_expired", fail)
    with pytest.raises(TransientError, match="steps failed: delete_expired_sessions"):
        tables.run()
    assert tables.connections.rows == {}
    assert counted["Partitions"] == 1
    assert counted["ReconcileStepFailed"] == 1


def test_unreadable_partitions_do_not_block_the_sweep_of_sessions(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step but that one needs them."""

    def fail() -> None:
        raise TransientError("throttled")

    tables.sessions.renew(ACME, S1, player=None, expires_at=1, now=0)
    monkeypatch.setattr(tables.partitions, "everywhere", fail)
    with pytest.raises(TransientError, match="recount, repair_totals"):
        tables.run()
    assert tables.sessions.rows == {}


def test_a_run_ends_in_time(tables: ReconcileFixture, counted: Counter[str]) -> None:
    """The rest is found again in a minute."""
    tables.put(*(PartitionCount(nth_partition(ACME, number)) for number in range(3)))
    over = tables.connect("over", lives=1)
    tables.now += MINUTE
    tables.reconcile(Deadline.after(0, lambda: tables.now))
    assert set(tables.connections.rows) == {over}
    assert counted["ReconcileCutShort"] > 0
    tables.run()
    assert tables.connections.rows == {}


def slow(tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, store: object, method: str, seconds: float) -> None:
    """Have each call of a store's method take so long."""
    call = getattr(store, method)

    def slowed(*args: object, **named: object) -> object:
        tables.now += seconds
        return call(*args, **named)

    monkeypatch.setattr(store, method, slowed)


def test_a_slow_step_leaves_time_for_the_others(tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many sessions are over, and each takes a second."""
    tables.put(PartitionCount(FIRST))
    for number in range(100):
        tables.sessions.renew(ACME, SessionId(f"s{number}"), player=None, expires_at=1, now=0)
    tables.connect("over", lives=1)
    delete_expired = tables.sessions.delete_expired

    def slowly(now: int) -> Iterator[int]:
        for deleted in delete_expired(now):
            tables.now += 1
            yield deleted

    monkeypatch.setattr(tables.sessions, "delete_expired", slowly)
    tables.run()
    assert 70 < len(tables.sessions.rows) < 90
    assert tables.connections.rows == {}


def test_a_long_search_ends_in_time(tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most pages have no session that is over: the clock is looked at nevertheless."""

    def delete_expired(_: int) -> Iterator[int]:
        for _ in range(1000):
            tables.now += 1
            yield 0

    monkeypatch.setattr(tables.sessions, "delete_expired", delete_expired)
    tables.run()


def test_work_left_by_one_run_is_done_by_a_later_one(tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of which a run gets through a tenth leaves none of the partitions out."""
    partitions = [nth_partition(ACME, place) for place in range(50)]
    tables.put(*(PartitionCount(partition, 1) for partition in partitions))
    for partition in partitions:
        tables.connect("over", partition, lives=1)
    slow(tables, monkeypatch, tables.connections, "size_and_expired", 5)
    tables.run(30)
    assert tables.connections.rows == {}


def test_marking_continues_after_the_last_partition_of_the_previous_run(
    tables: ReconcileFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """Nothing is marked twice, and the message goes when all is marked."""
    partitions = [nth_partition(ACME, place) for place in range(50)]
    tables.put(*(PartitionCount(partition, 1) for partition in partitions))
    tables.put(PartitionCount(FIRST, 1, recount=True, sample=Sample(1, "", int(tables.now))))
    tables.failures.failures = [Failure("r", tables.now)]
    slow(tables, monkeypatch, tables.partitions, "mark_for_recount", 2)
    marks = Counter[str]()
    mark = tables.partitions.mark_for_recount
    monkeypatch.setattr(
        tables.partitions, "mark_for_recount", lambda partition: (marks.update([partition]), mark(partition))
    )
    tables.run()
    assert tables.failures.failures
    tables.run(4)
    assert marks == Counter(partitions)
    assert tables.failures.failures == []
    tables.run(QUIET)
    assert {row.count for row in tables.partitions.everywhere()} == {0}
    assert counted["PartitionRecounted"] == 50


def test_a_partition_marked_in_a_run_does_not_count_as_empty_in_it(tables: ReconcileFixture) -> None:
    """Its count of nothing is in doubt."""
    tables.put(PartitionCount(FIRST), PartitionCount(SECOND))
    for number in range(3):
        tables.connect(f"c{number}", SECOND)
    tables.failures.failures = [Failure("r", tables.now)]
    tables.run()
    assert tables.partitions.rows[SECOND] == PartitionCount(SECOND, recount=True, sample=Sample(3, "", int(tables.now)))


def test_a_partition_in_doubt_is_not_retired(tables: ReconcileFixture) -> None:
    """Its count of nothing may be wrong."""
    row = PartitionCount(SECOND, recount=True)
    tables.put(row)
    for _ in range(15):
        tables.put(replace(row, sample=None))
        tables.run()
    assert tables.partitions.rows[SECOND].retired_at is None


NEWS = nth_partition(channel_key(ACME, Pattern("news/*")), 0)


def test_the_members_of_channels_are_swept_and_counted_without_their_tenants(
    tables: ReconcileFixture, counted: Counter[str]
) -> None:
    """They are in no total and in no session; the first partition of a pattern is removed as any other is."""
    tables.put(PartitionCount(NEWS, 2, recount=True))
    live, over = tables.connect("live", NEWS, lives=10_000), tables.connect("over", NEWS, lives=MINUTE)
    run_members(tables, 1)
    assert set(tables.connections.rows) == {live} != {over}
    assert (counted["Members"], counted["MemberPartitions"], counted["MemberPartitionsInDoubt"]) == (2, 1, 1)
    run_members(tables, QUIET + 1)
    assert tables.partitions.rows[NEWS] == PartitionCount(NEWS, 1)
    tables.connections.delete(live)
    tables.account(NEWS, -1)
    run_members(tables, 2 * QUIET)
    assert tables.partitions.rows == {}


class Bounded(MemoryPartitionStore):
    """Refuses to return all partitions in one go."""

    def everywhere(self) -> list[PartitionCount]:
        """Fail."""
        raise AssertionError("clients decide how many partitions there are")

    def first_everywhere(self, most: int) -> list[PartitionCount]:
        """As above, in any order."""
        return list(self.rows.values())[:most]

    def segment(self, number: int, *, of: int, most: int) -> list[PartitionCount]:
        """The partitions in turn."""
        return list(self.rows.values())[number::of][:most]


@pytest.fixture
def many(tables: ReconcileFixture) -> ReconcileFixture:
    """More partitions of channels than a run reads."""
    tables.partitions = Bounded()
    for number in range(1_200):
        partition = nth_partition(channel_key(ACME, Pattern(f"a/{number}")), 0)
        tables.put(PartitionCount(partition))
    return tables


def members_of(tables: ReconcileFixture) -> ReconcileCounts:
    """The instance for members of channels."""
    return ReconcileCounts(
        connections=tables.connections,
        partitions=tables.partitions,
        failures=tables.failures,
        clock=lambda: tables.now,
    )


def run_members(tables: ReconcileFixture, minutes: int) -> None:
    """So many runs for members, a minute after each other."""
    members = members_of(tables)
    for _ in range(minutes):
        tables.now += MINUTE
        members(Deadline(tables.now + 50, lambda: tables.now))


def test_many_partitions_of_channels_are_read_by_segments(many: ReconcileFixture, counted: Counter[str]) -> None:
    """Each is swept once an hour, and removed after three if it is empty: names that clients make up do not pile up."""
    keys = [many.connect(f"c{number}", row, lives=0) for number, row in enumerate(many.partitions.rows)]
    run_members(many, 60)
    assert (len(keys), many.connections.rows) == (1_200, {})
    assert counted["Members"] == 0
    run_members(many, 3 * 60)
    assert many.partitions.rows == {}


def test_a_notice_is_kept_until_every_segment_was_marked(many: ReconcileFixture) -> None:
    """Once: no recount is begun again by the same notice."""
    many.failures.failures = [Failure("r1", many.now)]
    run_members(many, 60)
    assert all(row.recount for row in many.partitions.rows.values())
    assert many.failures.failures
    samples = {row.partition: row.sample for row in many.partitions.rows.values()}
    run_members(many, 58)
    assert samples == {row.partition: row.sample for row in many.partitions.rows.values()}
    run_members(many, 3)
    assert not many.failures.failures

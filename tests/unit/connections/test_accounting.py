"""The counts are exact, whatever comes twice, split, overlapping, or is cut off by a crash."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.connections.accounting.accounting import Accounting
from functions.connections.reconcile.reconcile import Reconcile
from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, ProbeId, SessionId, TenantId, nth_partition, tenant_of
from loudhailer.partitions.model import PartitionCount
from loudhailer.tenants.model import Tenant
from tests.support.executors import AtOnce
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.recounts import MemoryFailureQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.properties import examples
from tests.unit.connections.streams import Record, record

ACME, OTHER = TenantId("acme"), TenantId("other")
S1 = SessionId("s1")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)
START = 7 * 10**24
"""Sequence numbers have more digits than a number in DynamoDB."""


class CrashError(Exception):
    """The function died."""


class Crashing:
    """A store whose calls are carried out, and after a number of them, over all stores, the function dies."""

    def __init__(self, store: Any, fuse: list[int]) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            self._fuse[0] -= 1
            if self._fuse[0] == 0:
                raise CrashError
            return result

        return call


class AccountingFixture:
    """The tables, and the stream of what happened to the connections."""

    def __init__(self) -> None:
        self.partitions = MemoryPartitionStore()
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.stream: list[Record] = []
        self.partitions.open([FIRST, SECOND, nth_partition(OTHER, 0)])
        for tenant in (ACME, OTHER):
            for session in ("s1", "s2"):
                self.sessions.renew(tenant, SessionId(session), player=None, expires_at=10**9, now=0)

    def connect(self, partition: Partition, name: str, session: SessionId = S1) -> ConnectionKey:
        """Do what `connect` does: a reservation, a row, a session that knows it."""
        tenant, key = tenant_of(partition), ConnectionKey(partition, ConnectionId(name))
        self.limits.reserve(tenant, 10**6)
        self.connections.rows[key] = Connection(key, session, 0, 10**9)
        row = self.sessions.rows[tenant, session]
        self.sessions.rows[tenant, session] = replace(row, connections=row.connections | {key})
        self.stream.append(record("INSERT", START + len(self.stream), key, session))
        return key

    def disconnect(self, key: ConnectionKey) -> None:
        """The row goes, for whatever reason."""
        row = self.connections.rows.pop(key)
        self.stream.append(record("REMOVE", START + len(self.stream), key, row.session_id))

    def modify(self, key: ConnectionKey) -> None:
        """The row changes, as when its client joins a room."""
        row = self.connections.rows[key]
        self.stream.append(record("MODIFY", START + len(self.stream), key, row.session_id))

    def deliver(self, records: list[Record], *, crash_after: int = 0) -> list[str]:
        """The sequence numbers that are reported as failed; CrashError after so many calls of stores, if any."""
        fuse = [crash_after]
        accounting = Accounting(
            Crashing(self.partitions, fuse),
            Crashing(self.sessions, fuse),
            Crashing(self.limits, fuse),
            executor=AtOnce(),
        )
        failures = accounting({"Records": records})["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in failures]

    @property
    def counts(self) -> dict[Partition, int]:
        """Counts of the partitions."""
        return {row.partition: row.count for row in self.partitions.everywhere()}

    @property
    def truth(self) -> dict[Partition, int]:
        """Counts of the rows."""
        return {row.partition: self.connections.size(row.partition) for row in self.partitions.everywhere()}

    def excess(self, tenant: TenantId) -> int:
        """Connections by which the tenant's total is too high."""
        return self.limits.total(tenant).count - sum(
            tenant_of(key.partition) == tenant for key in self.connections.rows
        )

    def reconcile(self, minutes: int) -> None:
        """So many runs, a minute apart."""
        now = 0.0
        reconcile = Reconcile(
            tenants=MemoryTenantStore(*(Tenant(tenant, 10**6, 9, 9, 9, 9, 9) for tenant in (ACME, OTHER))),
            sessions=self.sessions,
            connections=self.connections,
            partitions=self.partitions,
            limits=self.limits,
            failures=MemoryFailureQueue(),
            clock=lambda: now,
        )
        for _ in range(minutes):
            now += 60
            reconcile(Deadline.after(50))
            for partition, probe in self.connections.probes.items():
                self.probe(partition, probe)
            self.connections.probes.clear()
            self.deliver(self.stream)

    def probe(self, partition: Partition, probe: ProbeId) -> None:
        """Tell of a probe by the stream."""
        key = ConnectionKey(partition, PROBE)
        self.stream.append(record("INSERT", START + len(self.stream), key, None, probe))
        self.stream.append(record("REMOVE", START + len(self.stream), key, None, probe))


@pytest.fixture
def world() -> AccountingFixture:
    """A fresh one."""
    return AccountingFixture()


def test_connections_are_counted_in_and_out(world: AccountingFixture, counted: Counter[str]) -> None:
    """One update a partition; a change of a row counts nothing, but moves the checkpoint."""
    first = world.connect(FIRST, "a")
    world.connect(FIRST, "b")
    world.connect(SECOND, "c")
    world.disconnect(first)
    assert world.deliver(world.stream) == []
    assert world.counts == {FIRST: 1, SECOND: 1, nth_partition(OTHER, 0): 0}
    world.modify(ConnectionKey(SECOND, ConnectionId("c")))
    assert world.deliver(world.stream[-1:]) == []
    assert world.partitions.rows[SECOND] == PartitionCount(SECOND, 1, str(START + 4).zfill(40))
    assert counted["ConnectionOpened"] == 3
    assert counted["ConnectionClosed"] == 1


def test_a_closed_connection_is_released_everywhere(world: AccountingFixture) -> None:
    """Its session forgets it, its tenant's total goes down; a neighbour's does not."""
    gone, stays = world.connect(FIRST, "a"), world.connect(FIRST, "b")
    world.connect(nth_partition(OTHER, 0), "c")
    world.disconnect(gone)
    world.deliver(world.stream)
    assert world.sessions.rows[ACME, S1].connections == {stays}
    assert world.limits.total(ACME).count == 1
    assert world.limits.total(OTHER).count == 1


def test_a_probe_is_noted_and_neither_counted_nor_released(world: AccountingFixture, counted: Counter[str]) -> None:
    """The last one of a batch; one that comes again is noted again, since the first time may have been cut off."""
    world.connect(FIRST, "a")
    for name in "pq":
        world.probe(FIRST, ProbeId(name))
    for _ in range(2):
        world.deliver(world.stream)
        assert world.partitions.rows[FIRST].probe == "q"
        world.partitions.note_probe(FIRST, ProbeId("none"))
    assert (world.counts, world.excess(ACME)) == (world.truth, 0)
    assert (counted["ConnectionOpened"], counted["ConnectionClosed"]) == (1, 0)


def test_a_probe_is_noted_once_all_before_it_is_released() -> None:
    """Wherever the function dies before: a probe that is noted says that nothing before it is still to be released."""
    for calls in range(1, 9):
        fresh = AccountingFixture()
        fresh.disconnect(fresh.connect(FIRST, "a"))
        fresh.probe(FIRST, ProbeId("p"))
        with contextlib.suppress(CrashError):
            fresh.deliver(fresh.stream, crash_after=calls)
        assert fresh.partitions.rows[FIRST].probe is None or fresh.excess(ACME) == 0
    assert fresh.partitions.rows[FIRST].probe == "p"


def test_a_probe_in_a_partition_that_was_removed_is_no_error(world: AccountingFixture, counted: Counter[str]) -> None:
    """It was put in the minute in which the partition was removed; nobody waits for it."""
    world.probe(nth_partition(ACME, 9), ProbeId("p"))
    assert world.deliver(world.stream) == []
    assert counted["PartitionMissing"] == 0
    assert nth_partition(ACME, 9) not in world.counts


def test_a_probe_that_cannot_be_noted_holds_nothing_up(
    world: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reconcile` puts another one."""

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    monkeypatch.setattr(world.partitions, "note_probe", fail)
    world.probe(FIRST, ProbeId("p"))
    assert world.deliver(world.stream) == []
    assert world.partitions.rows[FIRST].probe is None


def test_a_batch_that_comes_again_changes_nothing(world: AccountingFixture) -> None:
    """Neither whole, nor in parts, nor with more after it."""
    for name in "abc":
        world.connect(FIRST, name)
    world.disconnect(ConnectionKey(FIRST, ConnectionId("a")))
    for batch in (world.stream, world.stream, world.stream[1:3], world.stream[-1:]):
        world.deliver(batch)
        assert world.counts[FIRST] == 2
        assert world.limits.total(ACME).count == 2
    world.connect(FIRST, "d")
    world.deliver(world.stream)
    assert world.counts[FIRST] == 3


def test_sequence_numbers_compare_as_numbers(world: AccountingFixture) -> None:
    """99 comes before 100, although not as text."""
    for sequence, name in ((99, "a"), (100, "b")):
        key = ConnectionKey(FIRST, ConnectionId(name))
        world.deliver([record("INSERT", sequence, key, S1)])
    assert world.counts[FIRST] == 2


def test_a_session_that_ended_is_not_brought_back(world: AccountingFixture) -> None:
    """Its connections close after it."""
    key = world.connect(FIRST, "a")
    world.sessions.delete(ACME, S1)
    world.disconnect(key)
    assert world.deliver(world.stream) == []
    assert (ACME, S1) not in world.sessions.rows


def test_a_session_that_others_write_all_the_time_delays_its_own_partitions_alone(
    world: AccountingFixture, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its changes come again; a neighbour's are counted, and are not counted twice then."""
    busy, other = world.connect(FIRST, "a"), world.connect(SECOND, "b", SessionId("s2"))
    for key in (busy, other):
        world.disconnect(key)
    forget_all = world.sessions.forget_all
    monkeypatch.setattr(
        world.sessions,
        "forget_all",
        lambda gone: {(ACME, S1)} | forget_all({one: keys for one, keys in gone.items() if one != (ACME, S1)}),
    )
    assert world.deliver(world.stream) == [str(START)]
    assert counted["SessionNotForgotten"] == 1
    assert world.excess(ACME) == 1
    monkeypatch.undo()
    assert world.deliver(world.stream) == []
    assert world.counts == world.truth
    assert world.excess(ACME) == 0
    assert all(not row.connections for row in world.sessions.rows.values())


def test_a_partition_without_a_row_is_reported_and_not_made(world: AccountingFixture, counted: Counter[str]) -> None:
    """Its neighbours are counted, and its sessions still forget what is gone."""
    absent = nth_partition(ACME, 9)
    world.disconnect(world.connect(absent, "a"))
    world.connect(FIRST, "b")
    assert world.deliver(world.stream) == []
    assert absent not in world.counts
    assert world.counts[FIRST] == 1
    assert counted["PartitionMissing"] == 1
    assert world.sessions.rows[ACME, S1].connections == {ConnectionKey(FIRST, ConnectionId("b"))}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"eventName": "INSERT"},
        {"eventName": "INSERT", "dynamodb": {"Keys": {"partition": {"S": "nonsense"}}, "SequenceNumber": "5"}},
        {"eventName": "SPLIT", "dynamodb": {"Keys": {"partition": {"S": "acme#00000"}}, "SequenceNumber": "5"}},
        {"eventName": "INSERT", "dynamodb": {"Keys": {"partition": {"S": "acme#00000"}}}},
        {"eventName": "INSERT", "dynamodb": {"Keys": {"partition": {"N": "1"}}, "SequenceNumber": "5"}},
    ],
    ids=str,
)
def test_a_malformed_record_is_skipped(world: AccountingFixture, counted: Counter[str], bad: Record) -> None:
    """It would be malformed the next time as well; its neighbours count."""
    world.connect(FIRST, "a")
    assert world.deliver([bad, *world.stream, bad]) == []
    assert world.counts[FIRST] == 1
    assert counted["RecordSkipped"] == 2


def test_a_row_that_names_no_session_counts_all_the_same(world: AccountingFixture) -> None:
    """A counted connection must be taken off again."""
    world.disconnect(world.connect(FIRST, "a"))
    for change in world.stream:
        for image in ("OldImage", "NewImage"):
            change["dynamodb"].get(image, {}).pop("sessionId", None)
    assert world.deliver(world.stream) == []
    assert world.counts[FIRST] == 0


def test_a_partition_that_fails_is_reported_from_its_first_record(
    world: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted, and what comes again because of it is not counted twice."""
    for partition, name in ((SECOND, "a"), (FIRST, "b"), (SECOND, "c"), (FIRST, "d")):
        world.connect(partition, name)
    advance = world.partitions.advance

    def fail(partition: Partition, **how: Any) -> bool:
        if partition == FIRST:
            raise TransientError("throttled")
        return advance(partition, **how)

    monkeypatch.setattr(world.partitions, "advance", fail)
    assert world.deliver(world.stream) == [str(START + 1)]
    assert (world.counts[FIRST], world.counts[SECOND]) == (0, 2)
    monkeypatch.undo()
    assert world.deliver(world.stream[1:]) == []
    assert (world.counts[FIRST], world.counts[SECOND]) == (2, 2)


def test_a_batch_whose_checkpoints_cannot_be_read_comes_again(
    world: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first record."""

    def fail(_: object) -> None:
        raise TransientError("throttled")

    world.connect(FIRST, "a")
    monkeypatch.setattr(world.partitions, "checkpoints", fail)
    assert world.deliver(world.stream) == [str(START)]


def test_another_writer_is_taken_into_account(world: AccountingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batch, counted by another environment a moment before, is not counted again."""
    world.connect(FIRST, "a")
    world.connect(FIRST, "b")
    advance = world.partitions.advance

    def come_second(partition: Partition, **how: Any) -> bool:
        monkeypatch.undo()
        world.deliver(world.stream[:1])
        return advance(partition, **how)

    monkeypatch.setattr(world.partitions, "advance", come_second)
    assert world.deliver(world.stream) == []
    assert world.counts[FIRST] == 2


def test_a_partition_that_others_keep_moving_comes_again(
    world: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is an end to trying."""
    world.connect(FIRST, "a")
    monkeypatch.setattr(world.partitions, "advance", lambda *_, **__: False)
    assert world.deliver(world.stream) == [str(START)]


def test_a_total_that_cannot_be_released_does_not_hold_the_stream_up(
    world: AccountingFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The count has moved: coming again would not release it either. `reconcile` does."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    world.disconnect(world.connect(FIRST, "a"))
    monkeypatch.setattr(world.limits, "release", fail)
    assert world.deliver(world.stream) == []
    assert counted["TotalNotReleased"] == 1
    assert world.excess(ACME) == 1
    monkeypatch.undo()
    world.reconcile(minutes=5)
    assert world.excess(ACME) == 0


@examples(200)
@given(seed=st.integers(0, 2**32), events=st.integers(1, 40), crashes=st.lists(st.integers(1, 12), max_size=8))
def test_any_history_ends_with_the_exact_count(seed: int, events: int, crashes: list[int]) -> None:
    """Batches twice, split, overlapping, cut off after any call: the counts are the rows, no total is ever too low."""
    world, random = AccountingFixture(), Random(seed)  # noqa: S311  # a test repeats itself
    for number in range(events):
        live = list(world.connections.rows)
        if live and random.random() < 0.45:
            world.disconnect(random.choice(live))
        elif live and random.random() < 0.1:
            world.modify(random.choice(live))
        else:
            partition = random.choice([FIRST, SECOND, nth_partition(OTHER, 0)])
            world.connect(partition, f"c{number}", SessionId(random.choice(["s1", "s2"])))
    done, pending = 0, list(crashes)
    while done < len(world.stream):
        begin = max(0, done - random.randrange(4))
        end = min(len(world.stream), done + random.randrange(1, 8))
        try:
            assert world.deliver(world.stream[begin:end], crash_after=pending.pop() if pending else 0) == []
        except CrashError:
            continue
        finally:
            assert world.excess(ACME) >= 0
            assert world.excess(OTHER) >= 0
        done = end
    assert world.counts == world.truth
    for (tenant, session), row in world.sessions.rows.items():
        live_ones = {key for key, found in world.connections.rows.items() if found.session_id == session}
        assert row.connections == {key for key in live_ones if tenant_of(key.partition) == tenant}
    world.reconcile(minutes=5)
    assert world.counts == world.truth
    assert (world.excess(ACME), world.excess(OTHER)) == (0, 0)


def test_a_batch_without_changes_reads_nothing(world: AccountingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream tells of every change of a row; those of rooms count nothing."""
    monkeypatch.setattr(world.partitions, "checkpoints", None)
    accounting = Accounting(world.partitions, world.sessions, world.limits, executor=AtOnce())
    assert accounting({"Records": []}) == {"batchItemFailures": []}

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
from loudhailer.ids import (
    ConnectionId,
    Partition,
    Pattern,
    ProbeId,
    SessionId,
    TenantId,
    channel_key,
    nth_partition,
    tenant_of,
)
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
from tests.unit.connections.streams import CountingRecord, record

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
        self.stream: list[CountingRecord] = []
        for partition in (FIRST, SECOND, nth_partition(OTHER, 0)):
            self.partitions.open(partition)
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

    def deliver(self, records: list[CountingRecord], *, crash_after: int = 0) -> list[str]:
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
def tables() -> AccountingFixture:
    """A fresh one."""
    return AccountingFixture()


def test_opened_and_closed_connections_are_counted(tables: AccountingFixture, counted: Counter[str]) -> None:
    """One update a partition; a change of a row counts nothing, but moves the checkpoint."""
    first = tables.connect(FIRST, "a")
    tables.connect(FIRST, "b")
    tables.connect(SECOND, "c")
    tables.disconnect(first)
    assert tables.deliver(tables.stream) == []
    assert tables.counts == {FIRST: 1, SECOND: 1, nth_partition(OTHER, 0): 0}
    tables.modify(ConnectionKey(SECOND, ConnectionId("c")))
    assert tables.deliver(tables.stream[-1:]) == []
    assert tables.partitions.rows[SECOND] == PartitionCount(SECOND, 1, str(START + 4).zfill(40))
    assert counted["ConnectionOpened"] == 3
    assert counted["ConnectionClosed"] == 1


def test_members_of_channels_are_counted_without_sessions_and_totals(
    tables: AccountingFixture, counted: Counter[str]
) -> None:
    """They have metrics of their own: a connection may be a member many times."""
    one, _ = tables.connect(FIRST, "one"), tables.connect(FIRST, "two")
    tables.disconnect(one)
    event = {"Records": tables.stream}
    assert Accounting(tables.partitions, None, None, executor=AtOnce())(event) == {"batchItemFailures": []}
    assert tables.counts == tables.truth
    assert (counted["MemberJoined"], counted["MemberLeft"]) == (2, 1)
    assert (counted["ConnectionOpened"], counted["ConnectionClosed"]) == (0, 0)


def test_a_closed_connection_is_released_everywhere(tables: AccountingFixture) -> None:
    """Its session forgets it, its tenant's total goes down; a neighbour's does not."""
    gone, stays = tables.connect(FIRST, "a"), tables.connect(FIRST, "b")
    tables.connect(nth_partition(OTHER, 0), "c")
    tables.disconnect(gone)
    tables.deliver(tables.stream)
    assert tables.sessions.rows[ACME, S1].connections == {stays}
    assert tables.limits.total(ACME).count == 1
    assert tables.limits.total(OTHER).count == 1


def test_a_probe_is_recorded_and_neither_counted_nor_released(tables: AccountingFixture, counted: Counter[str]) -> None:
    """The last one of a batch; a repeated one is noted again, since the first note may have been interrupted."""
    tables.connect(FIRST, "a")
    for name in "pq":
        tables.probe(FIRST, ProbeId(name))
    for _ in range(2):
        tables.deliver(tables.stream)
        assert tables.partitions.rows[FIRST].probe == "q"
        tables.partitions.note_probe(FIRST, ProbeId("none"))
    assert (tables.counts, tables.excess(ACME)) == (tables.truth, 0)
    assert (counted["ConnectionOpened"], counted["ConnectionClosed"]) == (1, 0)


def test_a_probe_is_recorded_after_all_earlier_changes_are_released() -> None:
    """Wherever the function dies before: a probe that is noted says that nothing before it is still to be released."""
    for calls in range(1, 9):
        fresh = AccountingFixture()
        fresh.disconnect(fresh.connect(FIRST, "a"))
        fresh.probe(FIRST, ProbeId("p"))
        with contextlib.suppress(CrashError):
            fresh.deliver(fresh.stream, crash_after=calls)
        assert fresh.partitions.rows[FIRST].probe is None or fresh.excess(ACME) == 0
    assert fresh.partitions.rows[FIRST].probe == "p"


def test_a_probe_in_a_removed_partition_is_no_error(tables: AccountingFixture, counted: Counter[str]) -> None:
    """It was put in the minute in which the partition was removed; nobody waits for it."""
    tables.probe(nth_partition(ACME, 9), ProbeId("p"))
    assert tables.deliver(tables.stream) == []
    assert counted["PartitionMissing"] == 0
    assert nth_partition(ACME, 9) not in tables.counts


def test_a_probe_that_cannot_be_recorded_delays_nothing(
    tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reconcile` puts another one."""

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    monkeypatch.setattr(tables.partitions, "note_probe", fail)
    tables.probe(FIRST, ProbeId("p"))
    assert tables.deliver(tables.stream) == []
    assert tables.partitions.rows[FIRST].probe is None


def test_a_redelivered_batch_changes_nothing(tables: AccountingFixture) -> None:
    """The batch may come whole, in parts, or with more after it."""
    for name in "abc":
        tables.connect(FIRST, name)
    tables.disconnect(ConnectionKey(FIRST, ConnectionId("a")))
    for batch in (tables.stream, tables.stream, tables.stream[1:3], tables.stream[-1:]):
        tables.deliver(batch)
        assert tables.counts[FIRST] == 2
        assert tables.limits.total(ACME).count == 2
    tables.connect(FIRST, "d")
    tables.deliver(tables.stream)
    assert tables.counts[FIRST] == 3


def test_sequence_numbers_compare_as_numbers(tables: AccountingFixture) -> None:
    """99 comes before 100, although not as text."""
    for sequence, name in ((99, "a"), (100, "b")):
        key = ConnectionKey(FIRST, ConnectionId(name))
        tables.deliver([record("INSERT", sequence, key, S1)])
    assert tables.counts[FIRST] == 2


def test_an_ended_session_is_not_restored(tables: AccountingFixture) -> None:
    """Its connections close after it."""
    key = tables.connect(FIRST, "a")
    tables.sessions.delete(ACME, S1)
    tables.disconnect(key)
    assert tables.deliver(tables.stream) == []
    assert (ACME, S1) not in tables.sessions.rows


def test_a_contended_session_delays_only_its_own_partitions(
    tables: AccountingFixture, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its changes are delivered again; a neighbour's are counted, and are not counted twice then."""
    busy, other = tables.connect(FIRST, "a"), tables.connect(SECOND, "b", SessionId("s2"))
    for key in (busy, other):
        tables.disconnect(key)
    forget_all = tables.sessions.forget_all
    monkeypatch.setattr(
        tables.sessions,
        "forget_all",
        lambda gone: {(ACME, S1)} | forget_all({one: keys for one, keys in gone.items() if one != (ACME, S1)}),
    )
    assert tables.deliver(tables.stream) == [str(START)]
    assert counted["SessionNotForgotten"] == 1
    assert tables.excess(ACME) == 1
    monkeypatch.undo()
    assert tables.deliver(tables.stream) == []
    assert tables.counts == tables.truth
    assert tables.excess(ACME) == 0
    assert all(not row.connections for row in tables.sessions.rows.values())


def test_a_partition_without_a_row_is_reported_and_not_made(tables: AccountingFixture, counted: Counter[str]) -> None:
    """Its neighbours are counted, and its sessions still forget connections that are gone."""
    absent = nth_partition(ACME, 9)
    tables.disconnect(tables.connect(absent, "a"))
    tables.connect(FIRST, "b")
    assert tables.deliver(tables.stream) == []
    assert absent not in tables.counts
    assert tables.counts[FIRST] == 1
    assert counted["PartitionMissing"] == 1
    assert tables.sessions.rows[ACME, S1].connections == {ConnectionKey(FIRST, ConnectionId("b"))}


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
def test_a_malformed_record_is_skipped(tables: AccountingFixture, counted: Counter[str], bad: CountingRecord) -> None:
    """It would be malformed the next time as well; its neighbours count."""
    tables.connect(FIRST, "a")
    assert tables.deliver([bad, *tables.stream, bad]) == []
    assert tables.counts[FIRST] == 1
    assert counted["RecordSkipped"] == 2


def test_a_row_without_a_session_is_counted(tables: AccountingFixture) -> None:
    """A counted connection must be taken off again."""
    tables.disconnect(tables.connect(FIRST, "a"))
    for change in tables.stream:
        for image in ("OldImage", "NewImage"):
            change["dynamodb"].get(image, {}).pop("sessionId", None)
    assert tables.deliver(tables.stream) == []
    assert tables.counts[FIRST] == 0


def test_a_partition_that_fails_is_reported_from_its_first_record(
    tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted, and what is delivered again because of it is not counted twice."""
    for partition, name in ((SECOND, "a"), (FIRST, "b"), (SECOND, "c"), (FIRST, "d")):
        tables.connect(partition, name)
    advance = tables.partitions.advance

    def fail(partition: Partition, **how: Any) -> bool:
        if partition == FIRST:
            raise TransientError("throttled")
        return advance(partition, **how)

    monkeypatch.setattr(tables.partitions, "advance", fail)
    assert tables.deliver(tables.stream) == [str(START + 1)]
    assert (tables.counts[FIRST], tables.counts[SECOND]) == (0, 2)
    monkeypatch.undo()
    assert tables.deliver(tables.stream[1:]) == []
    assert (tables.counts[FIRST], tables.counts[SECOND]) == (2, 2)


def test_a_batch_without_readable_checkpoints_is_redelivered(
    tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first record."""

    def fail(_: object) -> None:
        raise TransientError("throttled")

    tables.connect(FIRST, "a")
    monkeypatch.setattr(tables.partitions, "checkpoints", fail)
    assert tables.deliver(tables.stream) == [str(START)]


def test_the_update_of_a_concurrent_writer_is_kept(tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batch, counted by another environment a moment before, is not counted again."""
    tables.connect(FIRST, "a")
    tables.connect(FIRST, "b")
    advance = tables.partitions.advance

    def come_second(partition: Partition, **how: Any) -> bool:
        monkeypatch.undo()
        tables.deliver(tables.stream[:1])
        return advance(partition, **how)

    monkeypatch.setattr(tables.partitions, "advance", come_second)
    assert tables.deliver(tables.stream) == []
    assert tables.counts[FIRST] == 2


def test_a_batch_of_a_contended_partition_is_redelivered(
    tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is an end to trying."""
    tables.connect(FIRST, "a")
    monkeypatch.setattr(tables.partitions, "advance", lambda *_, **__: False)
    assert tables.deliver(tables.stream) == [str(START)]


def test_a_total_that_cannot_be_released_does_not_block_the_stream(
    tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The count has moved: another delivery would not release it either. `reconcile` does."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    tables.disconnect(tables.connect(FIRST, "a"))
    monkeypatch.setattr(tables.limits, "release", fail)
    assert tables.deliver(tables.stream) == []
    assert counted["TotalNotReleased"] == 1
    assert tables.excess(ACME) == 1
    monkeypatch.undo()
    tables.reconcile(minutes=5)
    assert tables.excess(ACME) == 0


@examples(200)
@given(seed=st.integers(0, 2**32), events=st.integers(1, 40), crashes=st.lists(st.integers(1, 12), max_size=8))
def test_any_history_ends_with_the_exact_count(seed: int, events: int, crashes: list[int]) -> None:
    """Batches twice, split, overlapping, cut off after any call: the counts are the rows, no total is ever too low."""
    tables, random = AccountingFixture(), Random(seed)  # noqa: S311  # a test repeats itself
    for number in range(events):
        live = list(tables.connections.rows)
        if live and random.random() < 0.45:
            tables.disconnect(random.choice(live))
        elif live and random.random() < 0.1:
            tables.modify(random.choice(live))
        else:
            partition = random.choice([FIRST, SECOND, nth_partition(OTHER, 0)])
            tables.connect(partition, f"c{number}", SessionId(random.choice(["s1", "s2"])))
    done, pending = 0, list(crashes)
    while done < len(tables.stream):
        begin = max(0, done - random.randrange(4))
        end = min(len(tables.stream), done + random.randrange(1, 8))
        try:
            assert tables.deliver(tables.stream[begin:end], crash_after=pending.pop() if pending else 0) == []
        except CrashError:
            continue
        finally:
            assert tables.excess(ACME) >= 0
            assert tables.excess(OTHER) >= 0
        done = end
    assert tables.counts == tables.truth
    for (tenant, session), row in tables.sessions.rows.items():
        live_ones = {key for key, found in tables.connections.rows.items() if found.session_id == session}
        assert row.connections == {key for key in live_ones if tenant_of(key.partition) == tenant}
    tables.reconcile(minutes=5)
    assert tables.counts == tables.truth
    assert (tables.excess(ACME), tables.excess(OTHER)) == (0, 0)


def test_a_batch_without_changes_reads_nothing(tables: AccountingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream tells of every change of a row; those of rooms count nothing."""
    monkeypatch.setattr(tables.partitions, "checkpoints", None)
    accounting = Accounting(tables.partitions, tables.sessions, tables.limits, executor=AtOnce())
    assert accounting({"Records": []}) == {"batchItemFailures": []}


def test_members_of_channels_are_counted_alone(counted: Counter[str]) -> None:
    """They are in no session and in no total."""
    partitions = MemoryPartitionStore()
    news = nth_partition(channel_key(ACME, Pattern("news/uk")), 3)
    partitions.open(news)
    changes = [
        record("INSERT", START, ConnectionKey(news, ConnectionId("a")), None),
        record("INSERT", START + 1, ConnectionKey(news, ConnectionId("b")), None),
        record("MODIFY", START + 2, ConnectionKey(news, ConnectionId("a")), None),
        record("REMOVE", START + 3, ConnectionKey(news, ConnectionId("a")), None),
    ]
    accounting = Accounting(partitions, None, None, executor=AtOnce())
    for _ in range(2):
        assert accounting({"Records": changes}) == {"batchItemFailures": []}
    assert partitions.rows[news].count == 1
    assert (counted["MemberJoined"], counted["MemberLeft"], counted["ConnectionOpened"]) == (2, 1, 0)

"""Outcomes are added to tallies, and connections that are gone are deleted."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.settle.settle import Settle
from loudhailer.broadcast.messages import OutcomeMessage
from loudhailer.broadcast.model import Tally, TallyKey
from loudhailer.channels.leaving import Gone, from_wire
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.errors import MalformedMessageError, PermanentError, TransientError
from loudhailer.ids import ChunkId, Pattern, SessionId, channel_key, nth_partition, tenant_of
from loudhailer.queues.consumer import Failures
from tests.support.broadcasts import (
    ACCOUNT,
    BROADCAST,
    NOW,
    chunk,
    connection,
    outcome,
    outcomes,
    partition,
    report_of,
    source,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import CONNECTION_SECONDS, YOUNG_SECONDS
from tests.unit.broadcast.faults import FaultTurns, Fuse, killed, watched

KEY = TallyKey(BROADCAST, ChunkId("0.0"))


class SettleFixture:
    """A broadcast with two chunks of three connections each, all of them connected ten minutes ago."""

    def __init__(self) -> None:
        self.broadcasts = MemoryBroadcastStore()
        self.connections = MemoryConnectionStore()
        self.now, self.ends = float(NOW), NOW + 3_600.0
        self.queue, self.leave = MemoryQueue(), MemoryQueue()
        self.broadcasts.record(summary())
        self.broadcasts.fix_sources(BROADCAST, [source()])
        self.broadcasts.fix_chunk(BROADCAST, chunk("0.0", 3))
        self.broadcasts.fix_chunk(BROADCAST, chunk("0.1", 3, first=3))
        for number in range(6):
            self.connect(number)

    def connect(self, number: int, *, seconds_ago: int = 600) -> None:
        """A client that connected a while ago."""
        key = ConnectionKey(partition(0), connection(number))
        at = NOW - seconds_ago
        self.connections.rows[key] = Connection(key, SessionId("s1"), at, at + CONNECTION_SECONDS)

    def settle(
        self, call: Callable[..., Any] = lambda method, *arguments, **named: method(*arguments, **named)
    ) -> Callable[[Mapping[str, str]], Failures]:
        """A settle whose calls go through `call`."""
        settle = Settle(
            watched(self.broadcasts, call),
            watched(self.connections, call),
            self.queue,
            self.leave,
            clock=lambda: self.now,
        )
        return partial(settle, deadline=Deadline(self.ends, lambda: self.now))

    def run(self, *found: OutcomeMessage | str) -> Failures:
        """Handle a batch; messages are named `0`, `1`, ..."""
        return self.settle()(bodies(*found))

    def tally(self, chunk_id: str = "0.0") -> Tally | None:
        """A chunk's tally."""
        key = TallyKey(BROADCAST, ChunkId(chunk_id))
        return self.broadcasts.tallies_of([key]).get(key)

    def connected(self) -> list[int]:
        """Return which connections have a row."""
        return [
            number for number in range(6) if ConnectionKey(partition(0), connection(number)) in self.connections.rows
        ]


def bodies(*found: OutcomeMessage | str) -> dict[str, str]:
    """A batch as the consumer hands it over."""
    return {str(place): one if isinstance(one, str) else one.to_wire() for place, one in enumerate(found)}


def sets_of(tally: Tally | None) -> tuple[int, int, int]:
    """The three bitmaps."""
    return (tally.delivered, tally.gone, tally.failed) if tally else (0, 0, 0)


def test_outcomes_are_added_to_their_chunks_tallies() -> None:
    """Outcomes of one chunk are added together, those of another apart."""
    broadcast = SettleFixture()
    failures = broadcast.run(
        outcome(delivered=0b001), outcome(delivered=0b010, failed=0b100), outcome(delivered=0b111, chunk_id="0.1")
    )
    assert failures == {}
    assert sets_of(broadcast.tally()) == (0b011, 0, 0b100)
    assert sets_of(broadcast.tally("0.1")) == (0b111, 0, 0)


def test_a_repeated_outcome_writes_nothing() -> None:
    """A redelivered message finds its tally as it left it."""
    broadcast = SettleFixture()
    broadcast.run(outcome(delivered=0b011, gone=0b100))
    before = broadcast.tally()
    broadcast.now += 60
    assert broadcast.run(outcome(delivered=0b011, gone=0b100), outcome(delivered=0b001)) == {}
    assert broadcast.tally() == before


def test_only_the_row_of_a_gone_connection_is_deleted(counted: Counter[str]) -> None:
    """Bit i is the chunk's i-th connection."""
    broadcast = SettleFixture()
    broadcast.run(outcome(delivered=0b101, gone=0b010))
    assert broadcast.connected() == [0, 2, 3, 4, 5]
    assert counted == {"StaleConnectionDeleted": 1}


def test_a_young_connection_keeps_its_row_after_any_outcome() -> None:
    """The chunk's row has the young connections, and the end of that time."""
    broadcast = SettleFixture()
    broadcast.broadcasts.fix_chunk(BROADCAST, chunk("0.2", 3, young=0b101))
    broadcast.now += YOUNG_SECONDS - 1
    broadcast.run(outcome(gone=0b011, chunk_id="0.2"))
    assert broadcast.connected() == [0, 2, 3, 4, 5]
    broadcast.now += 1
    broadcast.run(outcome(gone=0b111, chunk_id="0.2"))
    assert broadcast.connected() == [0, 3, 4, 5]


def test_a_connection_without_a_row_is_no_error() -> None:
    """The client has disconnected by itself."""
    broadcast = SettleFixture()
    broadcast.connections.rows.clear()
    assert broadcast.run(outcome(gone=0b111)) == {}
    assert sets_of(broadcast.tally()) == (0, 0b111, 0)


def test_settled_connections_are_not_deleted_again() -> None:
    """A repeated batch continues where it stopped, or a long batch would never end."""
    broadcast = SettleFixture()
    deletions: list[int] = []

    def call(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if method.__name__ == "delete_all":
            deletions.append(len(arguments[0]))
            if len(deletions) == 2:
                raise TransientError("the time is over")
        return method(*arguments, **named)

    batch = [outcome(gone=0b111), outcome(gone=0b11, chunk_id="0.1")]
    settle = broadcast.settle(call)
    assert settle(bodies(*batch)).keys() == {"1"}
    assert settle(bodies(*batch)) == {}
    assert settle(bodies(*batch, outcome(gone=0b111, chunk_id="0.1"))) == {}
    assert deletions == [3, 2, 2, 1]
    assert broadcast.connected() == []


def test_messages_without_time_left_return_to_the_queue(counted: Counter[str]) -> None:
    """One chunk is settled whatever the time; a message that failed for good is not sent again."""
    broadcast = SettleFixture()
    broadcast.ends = broadcast.now
    first, second = outcome(gone=0b1), outcome(gone=0b11, chunk_id="0.1")
    assert broadcast.run(first, second, "not JSON").keys() == {"2"}
    assert broadcast.queue.bodies == [second.to_wire()]
    assert (broadcast.connected(), broadcast.tally("0.1")) == ([1, 2, 3, 4, 5], None)
    assert counted["OutcomeHandedBack"] == 1
    assert broadcast.run(*broadcast.queue.bodies) == {}
    assert broadcast.connected() == [1, 2, 5]


def test_a_message_that_cannot_be_requeued_is_redelivered() -> None:
    """The queue delivers it after its visibility timeout."""
    broadcast = SettleFixture()
    broadcast.ends = broadcast.now
    broadcast.queue.down = True
    assert broadcast.run(outcome(gone=0b1), outcome(gone=0b11, chunk_id="0.1")).keys() == {"1"}
    assert broadcast.connected() == [1, 2, 3, 4, 5]


def test_delivered_and_failed_connections_keep_their_rows() -> None:
    """Only a 410 says that a connection is closed."""
    broadcast = SettleFixture()
    broadcast.run(outcome(delivered=0b001, failed=0b110))
    assert broadcast.connected() == list(range(6))


def test_a_malformed_outcome_fails_alone() -> None:
    """Its neighbours are settled; it is named with its error."""
    broadcast = SettleFixture()
    failures = broadcast.run(outcome(delivered=0b001), "{}", "not JSON", outcome(delivered=0b010))
    assert failures.keys() == {"1", "2"}
    assert all(isinstance(error, MalformedMessageError) for error in failures.values())
    assert sets_of(broadcast.tally()) == (0b011, 0, 0)


def test_connections_of_an_unknown_chunk_are_not_deleted() -> None:
    """Their connections are unknown: a permanent error, and the others are settled."""
    broadcast = SettleFixture()
    failures = broadcast.run(outcome(gone=0b1, chunk_id="7.7"), outcome(gone=0b1))
    assert failures.keys() == {"0"}
    assert isinstance(failures["0"], PermanentError)
    assert broadcast.connected() == [1, 2, 3, 4, 5]


def test_a_tally_changed_concurrently_is_read_again() -> None:
    """Neither outcome is lost."""
    broadcast = SettleFixture()
    replace_tally = broadcast.broadcasts.replace_tally
    rivals = [outcome(delivered=0b010), outcome(failed=0b100)]

    def after_a_rival(key: TallyKey, old: Tally | None, new: Tally) -> bool:
        if rivals:
            tally = broadcast.tally()
            assert replace_tally(key, tally, (tally or Tally(size=3)).after(rivals.pop(), NOW * 1000))
        return replace_tally(key, old, new)

    broadcast.broadcasts.replace_tally = after_a_rival  # type: ignore[method-assign]  # others come in between
    assert broadcast.run(outcome(delivered=0b001)) == {}
    assert sets_of(broadcast.tally()) == (0b011, 0, 0b100)


def test_a_concurrent_tally_of_another_size_is_kept() -> None:
    """Either that worker or this outcome is wrong: it is kept where an operator finds it."""
    broadcast = SettleFixture()
    replace_tally = broadcast.broadcasts.replace_tally

    def after_a_rival(key: TallyKey, old: Tally | None, new: Tally) -> bool:
        replace_tally(key, None, Tally(size=5, delivered=0b10000))
        return replace_tally(key, old, new)

    broadcast.broadcasts.replace_tally = after_a_rival  # type: ignore[method-assign]  # another comes in between
    (error,) = broadcast.run(outcome(delivered=0b001)).values()
    assert isinstance(error, PermanentError)
    assert broadcast.tally() == Tally(size=5, delivered=0b10000)


def test_a_tally_that_keeps_changing_is_retried_later() -> None:
    """Its messages are reported, and those of other chunks are settled."""
    broadcast = SettleFixture()
    replace_tally = broadcast.broadcasts.replace_tally
    broadcast.broadcasts.replace_tally = (  # type: ignore[method-assign]  # others always come in between
        lambda key, old, new: key.chunk_id != "0.0" and replace_tally(key, old, new)
    )
    failures = broadcast.run(outcome(delivered=1), outcome(delivered=2), outcome(delivered=1, chunk_id="0.1"))
    assert failures.keys() == {"0", "1"}
    assert all(isinstance(error, TransientError) for error in failures.values())
    assert sets_of(broadcast.tally("0.1")) == (1, 0, 0)


def test_a_failed_table_fails_only_the_messages_that_need_it() -> None:
    """A connection that cannot be deleted has its outcome delivered again; nothing of it is settled before."""
    broadcast = SettleFixture()

    def down(*_: object) -> None:
        raise TransientError("the table is down")

    broadcast.connections.delete_all = down  # type: ignore[assignment, method-assign]  # a fault
    failures = broadcast.run(outcome(gone=1), outcome(delivered=1, chunk_id="0.1"))
    assert failures.keys() == {"0"}
    assert broadcast.tally() is None
    assert sets_of(broadcast.tally("0.1")) == (1, 0, 0)


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_run_after_a_kill_at_any_call_settles_the_same(*, carried_out: bool) -> None:
    """The batch is delivered again as a whole."""
    batch = [
        outcome(delivered=0b001, gone=0b110),
        outcome(failed=0b111, chunk_id="0.1"),
        outcome(gone=0b1, chunk_id="0.1"),
    ]
    for at in range(1, 30):
        broadcast = SettleFixture()
        settle = broadcast.settle(Fuse(at, carried_out=carried_out).call)
        finished = not killed(settle, bodies(*batch))
        if not finished:
            assert broadcast.run(*batch) == {}
        assert sets_of(broadcast.tally()) == (0b001, 0b110, 0)
        assert sets_of(broadcast.tally("0.1")) == (0, 0b001, 0b110)
        assert broadcast.connected() == [0, 4, 5]
        if finished:
            return
    pytest.fail("it never came to its end")


@given(
    st.lists(st.lists(outcomes(3), min_size=1, max_size=3), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), max_size=40),
)
def test_concurrent_settlements_add_up_to_the_union(batches: list[list[OutcomeMessage]], schedule: list[int]) -> None:
    """Call by call in any order: outcomes that rivals prevent are reported, and are settled at the next delivery."""
    broadcast = SettleFixture()
    turns = FaultTurns(schedule)
    failed: list[OutcomeMessage] = []

    def run(number: int, batch: list[OutcomeMessage]) -> None:
        failures = broadcast.settle(turns.actor(number).call)(bodies(*batch))
        failed.extend(batch[int(place)] for place in failures)

    errors = turns.run(*(partial(run, number, batch) for number, batch in enumerate(batches)))
    assert errors == []
    if failed:
        assert broadcast.run(*failed) == {}
    delivered = gone = lost = 0
    for one in (one for batch in batches for one in batch):
        delivered, gone, lost = delivered | one.delivered, gone | one.gone, lost | one.failed
    assert sets_of(broadcast.tally()) == (delivered, gone & ~delivered, lost & ~delivered & ~gone)


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3)], ids=["larger", "smaller"])
def test_an_outcome_of_another_size_is_refused(sizes: tuple[int, int]) -> None:
    """Its bits would stand for other connections; earlier outcomes stay."""
    broadcast = SettleFixture()
    first, second = sizes
    assert broadcast.run(outcome(first, delivered=0b1)) == {}
    (error,) = broadcast.run(outcome(second, gone=0b10)).values()
    assert isinstance(error, PermanentError)
    assert broadcast.tally() == Tally(size=first, delivered=0b1, by_account={ACCOUNT: 1}, settled_at=NOW * 1000)


@pytest.mark.parametrize("wrong", [2, 5])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_outcome_of_another_size_fails_alone(wrong: int, place: int) -> None:
    """Nothing is settled of the chunk yet: its row says which outcomes of a batch are its own."""
    broadcast = SettleFixture()
    batch = [outcome(3, delivered=0b1), outcome(3, failed=0b10)]
    batch.insert(place, outcome(wrong, delivered=0b10))
    failures = broadcast.run(*batch)
    assert list(failures) == [str(place)]
    assert isinstance(failures[str(place)], PermanentError)
    assert sets_of(broadcast.tally()) == (0b1, 0, 0b10)


def test_outcomes_of_two_sizes_and_no_chunk_fail() -> None:
    """Nobody can say which of them is right."""
    broadcast = SettleFixture()
    failures = broadcast.run(outcome(3, failed=0b1, chunk_id="9.9"), outcome(2, failed=0b1, chunk_id="9.9"))
    assert [type(error) for error in failures.values()] == [PermanentError, PermanentError]


def test_a_broadcast_with_an_expired_chunk_is_marked() -> None:
    """The report says why those connections failed."""
    broadcast = SettleFixture()
    assert broadcast.run(outcome(3, failed=0b1)) == {}
    assert (before := report_of(broadcast.broadcasts, BROADCAST)) is not None
    assert broadcast.run(outcome(3, failed=0b110, expired=True)) == {}
    assert (after := report_of(broadcast.broadcasts, BROADCAST)) is not None
    assert (before.expired, after.expired) == (False, True)


def test_a_deletion_is_logged_with_its_chunk(logged: Callable[..., list[Any]]) -> None:
    """And the number of its rows."""
    SettleFixture().run(outcome(gone=0b011))
    assert logged("message", "broadcast_id", "chunk_id", "deleted") == [
        ("stale connections deleted", BROADCAST, "0.0", 2)
    ]


def test_a_gone_member_of_a_channel_is_left_to_the_queue_of_ends(counted: Counter[str]) -> None:
    """Deleting it alone would leave its connection's row, which has the other subscriptions."""
    broadcast = SettleFixture()
    of_channel = nth_partition(channel_key(tenant_of(partition(0)), Pattern("news/*")), 0)
    recipients = {partition(0): [connection(0)], of_channel: [connection(1), connection(2)]}
    broadcast.broadcasts.fix_chunk(BROADCAST, replace(chunk("0.2", 3), recipients=recipients))
    assert broadcast.run(outcome(gone=0b101, delivered=0b010, chunk_id="0.2")) == {}
    assert broadcast.connected() == [1, 2, 3, 4, 5]
    (body,) = broadcast.leave.bodies
    assert from_wire(body) == Gone([ConnectionKey(of_channel, connection(2))])
    assert counted["StaleConnectionDeleted"] == 2

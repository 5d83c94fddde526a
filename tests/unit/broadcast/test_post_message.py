"""A chunk is posted, and its connections' outcomes are reported."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.post_message.post_message import PostMessage
from loudhailer import codec
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.messages import ChunkMessage, OutcomeMessage
from loudhailer.broadcast.model import Priority, Tally
from loudhailer.broadcast.shards import shard_of
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import ChunkId
from tests.support.broadcasts import (
    ACCOUNT,
    BROADCAST,
    ENDPOINT,
    FRAME,
    LIFETIME,
    NOW,
    TENANT,
    chunk_message,
    connection,
    outcome,
)
from tests.support.fakes.delivery import MemoryOrderedSender, MemorySender
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import MAX_ATTEMPTS, MAX_DELAY_SECONDS
from tests.unit.broadcast.faults import Fuse, killed, watched

RETRIED = {
    Outcome.THROTTLED: (1, 1, 0),
    Outcome.SLOW: (1, 1, 0b101),
    Outcome.FAILED: (2, 0, 0),
    Outcome.UNSENT: (1, 0, 0),
}
"""The attempt of the part that goes back, how often it was refused, and whose client does not read."""
CLOSED_AT_REFUSAL = 5


class PostMessageFixture:
    """A sender whose posts end as the test says, and the queues."""

    def __init__(self, ends: Mapping[int, list[Outcome]] | None = None) -> None:
        self.sender = MemorySender({connection(place): found for place, found in (ends or {}).items()})
        self.closer = MemoryOrderedSender()
        self.outcomes = MemoryQueue()
        self.dead_letters = MemoryQueue()
        self.shard = MemoryQueue()
        self.now = float(NOW)

    def run(
        self,
        chunk: ChunkMessage,
        call: Callable[..., Any] = lambda method, *arguments, **named: method(*arguments, **named),
    ) -> None:
        """Handle one chunk; calls go through `call`."""
        post_message = PostMessage(
            watched(self.sender, call),
            watched(self.closer, call),
            watched(self.outcomes, call),
            watched(self.dead_letters, call),
            endpoint=ENDPOINT,
            clock=lambda: self.now,
        )
        post_message(
            chunk.to_wire(), queues_for_rest=[watched(self.shard, call)], account=ACCOUNT, deadline=Deadline.after(5)
        )

    def requeued(self) -> ChunkMessage:
        """The one chunk that went back to its shard."""
        (body,) = self.shard.bodies
        return ChunkMessage.from_wire(body)

    def tally(self) -> Tally:
        """Return what `settle` makes of all reported outcomes."""
        tally = Tally(size=0)
        for body in self.outcomes.bodies:
            found = OutcomeMessage.from_wire(body)
            tally = (tally if tally.size else Tally(size=found.size)).after(found, NOW)
        return tally


def test_a_delivered_chunk_is_reported_in_one_outcome() -> None:
    """Every connection gets the frame, once."""
    worker = PostMessageFixture()
    worker.run(chunk_message(3))
    assert worker.sender.delivered == [(connection(place), FRAME.encode()) for place in range(3)]
    ((endpoint, seconds),) = worker.sender.calls
    assert endpoint == ENDPOINT
    assert 0 < seconds <= 5
    assert worker.outcomes.bodies == [outcome(3, delivered=0b111).to_wire()]
    assert worker.shard.bodies == []


def test_a_connection_that_is_closed_is_gone(counted: Counter[str]) -> None:
    """The others have been delivered to."""
    worker = PostMessageFixture({1: [Outcome.GONE]})
    worker.run(chunk_message(3))
    assert worker.outcomes.bodies == [outcome(3, delivered=0b101, gone=0b010).to_wire()]
    assert counted == {"PostDelivered": 2, "PostGone": 1, "PostFailed": 0}


def test_a_410_of_a_young_connection_is_retried() -> None:
    """Its handshake may not be complete: it is not reported, and goes back with a delay."""
    worker = PostMessageFixture({0: [Outcome.GONE], 1: [Outcome.GONE]})
    worker.run(chunk_message(3, young=0b010))
    assert worker.outcomes.bodies == [outcome(3, delivered=0b100, gone=0b001).to_wire()]
    assert worker.requeued() == chunk_message(3, young=0b010, remaining=0b010, attempt=2)
    assert worker.shard.delays == [1]


def test_a_410_is_final_once_no_connection_is_young() -> None:
    """From `youngUntil` on, gone is gone."""
    worker = PostMessageFixture({1: [Outcome.GONE]})
    worker.now = NOW + 30
    worker.run(chunk_message(3, young=0b111, young_until=NOW + 30))
    assert worker.tally().gone == 0b010
    assert worker.shard.bodies == []


@pytest.mark.parametrize("ended", RETRIED)
def test_retryable_connections_return_to_the_shard_under_the_same_id(ended: Outcome, counted: Counter[str]) -> None:
    """Only the remaining connections are posted to then; delivered ones are reported now."""
    worker = PostMessageFixture({0: [ended], 2: [ended]})
    worker.run(chunk_message(3))
    back = worker.requeued()
    attempt, refusals, slow = RETRIED[ended]
    assert back == chunk_message(3, remaining=0b101, attempt=attempt, refusals=refusals, slow=slow)
    assert worker.outcomes.bodies == [outcome(3, delivered=0b010).to_wire()]
    worker.sender = MemorySender()
    worker.run(back)
    assert [found for found, _ in worker.sender.delivered] == [connection(0), connection(2)]
    assert worker.tally().delivered == 0b111
    assert counted["PostRequeued"] == 2


@pytest.mark.parametrize(("refusals", "tries"), [(0, 3), (1, 1), (9, 1)])
def test_a_chunk_refused_before_is_tried_once(refusals: int, tries: int) -> None:
    """The worker has waited for it already, and it is delivered again later: waiting longer delays others' chunks."""
    worker = PostMessageFixture({0: [Outcome.THROTTLED]})
    worker.run(chunk_message(1, refusals=refusals))
    assert worker.sender.tries == [tries]


def test_connections_not_reached_in_time_are_requeued_at_once() -> None:
    """The chunk has not failed, so it does not wait."""
    worker = PostMessageFixture({0: [Outcome.UNSENT], 2: [Outcome.UNSENT]})
    worker.run(chunk_message(3, attempt=5))
    assert worker.shard.delays == [0]


def test_the_delay_grows_with_each_failure() -> None:
    """The delay grows, up to a bound that SQS accepts."""
    delays = []
    for attempt in range(1, MAX_ATTEMPTS):
        worker = PostMessageFixture({0: [Outcome.FAILED]})
        worker.run(chunk_message(3, attempt=attempt))
        delays += worker.shard.delays
    assert delays == sorted(delays)
    assert delays[0] == 1
    assert delays[-1] <= MAX_DELAY_SECONDS
    assert sum(delays) > 30


@pytest.mark.parametrize(("ended", "slow"), [(Outcome.THROTTLED, 0), (Outcome.SLOW, 0b001)])
def test_the_delay_grows_with_each_refusal(ended: Outcome, slow: int) -> None:
    """Up to a quarter of a minute: the account has others' posts to let in, and each return has its cost."""
    worker, delays = PostMessageFixture({0: [ended]}), list[int]()
    worker.closer = MemoryOrderedSender({connection(0): [Outcome.FAILED]})
    back = chunk_message(3, attempt=2)
    for _ in range(7):
        worker.run(back)
        back, delays = worker.requeued(), worker.shard.delays
        worker.shard.bodies.clear()
    assert delays == [1, 4, 10, 16, 16, 16, 16]
    assert back == chunk_message(3, attempt=2, remaining=0b001, refusals=7, slow=slow)


def test_the_delay_of_a_chunk_refused_for_ages_is_bounded() -> None:
    """The number comes from a queue's message."""
    worker = PostMessageFixture({0: [Outcome.THROTTLED]})
    worker.run(chunk_message(3, refusals=10**15))
    assert worker.shard.delays == [16]


@pytest.mark.parametrize("ended", [Outcome.SLOW, Outcome.THROTTLED, Outcome.UNSENT])
def test_a_chunk_without_failed_connections_is_not_given_up_before_it_expires(ended: Outcome) -> None:
    """A slow lane or a throttled account used up the attempts in a minute of five; the lifetime ends it."""
    worker = PostMessageFixture({0: [ended]})
    worker.closer = MemoryOrderedSender({connection(0): [Outcome.FAILED]})
    back = chunk_message(3, attempt=MAX_ATTEMPTS)
    for _ in range(2 * MAX_ATTEMPTS):
        worker.run(back)
        back = worker.requeued()
        worker.shard.bodies.clear()
    assert (back.attempt, back.remaining, worker.dead_letters.bodies) == (MAX_ATTEMPTS, 0b001, [])
    worker.now = float(NOW + LIFETIME)
    worker.run(back)
    assert worker.dead_letters.attributes == [{"reason": "the broadcast expired"}]


def test_a_client_is_not_closed_for_attempts_without_a_post() -> None:
    """Deliveries in which nothing was sent to it say nothing of it: its fifth refusal closes it, not its first."""
    worker = PostMessageFixture({0: [Outcome.UNSENT] * 8 + [Outcome.SLOW]})
    back = chunk_message(1)
    for _ in range(8 + CLOSED_AT_REFUSAL - 1):
        worker.run(back)
        back = worker.requeued()
        worker.shard.bodies.clear()
    assert (back.attempt, back.refusals, worker.closer.closed) == (1, CLOSED_AT_REFUSAL - 1, [])
    worker.run(back)
    assert worker.closer.closed == [connection(0)]


@pytest.mark.parametrize(
    ("ends", "refusals"),
    [
        ([Outcome.THROTTLED] * 9 + [Outcome.SLOW], 11),
        ([Outcome.SLOW] + [Outcome.THROTTLED] * 9 + [Outcome.SLOW], 11),
        ([Outcome.SLOW, Outcome.SLOW], CLOSED_AT_REFUSAL),
    ],
)
def test_a_client_is_closed_after_two_slow_findings_and_half_a_minute(ends: list[Outcome], refusals: int) -> None:
    """One worker's judgement is not enough; what an earlier one found is kept, whatever others cannot tell."""
    worker = PostMessageFixture({0: ends})
    back = chunk_message(1)
    for _ in range(refusals - 1):
        worker.run(back)
        assert worker.closer.closed == []
        back = worker.requeued()
        worker.shard.bodies.clear()
    worker.run(back)
    assert worker.closer.closed == [connection(0)]


def test_connections_left_after_the_last_attempt_are_failed_and_kept(counted: Counter[str]) -> None:
    """The dead letter has the ids and the reason; if it is redriven, it is posted to the remaining connections."""
    worker = PostMessageFixture({1: [Outcome.FAILED]})
    worker.run(chunk_message(3, attempt=MAX_ATTEMPTS))
    assert worker.shard.bodies == []
    tally = worker.tally()
    assert (tally.delivered, tally.failed) == (0b101, 0b010)
    assert worker.dead_letters.bodies == [chunk_message(3, remaining=0b010, attempt=MAX_ATTEMPTS).to_wire()]
    assert worker.dead_letters.attributes == [{"reason": "the attempts are used up"}]
    assert counted["PostFailed"] == 1


def test_refused_connections_are_requeued_in_one_separate_part() -> None:
    """Under the same id; the rest does not wait for it, and each connection is in one part."""
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.UNSENT], 2: [Outcome.SLOW], 3: [Outcome.THROTTLED]})
    worker.run(chunk_message(5))
    back = [ChunkMessage.from_wire(body) for body in worker.shard.bodies]
    assert back == [
        chunk_message(5, remaining=0b01101, refusals=1, slow=0b00101),
        chunk_message(5, remaining=0b00010),
    ]
    assert worker.shard.delays == [1, 0]
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.FAILED]})
    worker.run(chunk_message(5, attempt=3, refusals=2, slow=0b11111))
    assert [ChunkMessage.from_wire(body) for body in worker.shard.bodies] == [
        chunk_message(5, remaining=0b00010, attempt=4),
        chunk_message(5, remaining=0b00001, attempt=3, refusals=3, slow=0b00001),
    ]
    assert worker.shard.delays == [4, 10]


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 0, 1, 1], [1, 0, 1, 0]], ids=str)
def test_parts_that_return_in_any_order_and_twice_add_up(order: list[int]) -> None:
    """Also when one of them is reported after the broadcast expired: delivered stays delivered."""
    for late in (None, 0, 1):
        worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.UNSENT], 2: [Outcome.SLOW]})
        worker.run(chunk_message(4))
        parts = [ChunkMessage.from_wire(body) for body in worker.shard.bodies]
        assert len(parts) == 2
        worker.sender = MemorySender()
        for place in order:
            worker.now = float(NOW + LIFETIME if place == late else NOW)
            worker.run(parts[place])
        expected = {None: 0, 0: 0b0101, 1: 0b0010}[late]
        assert (worker.tally().delivered, worker.tally().failed) == (0b1111 & ~expected, expected)


def test_a_client_that_does_not_read_for_half_a_minute_is_closed(counted: Counter[str]) -> None:
    """It is failed, without a dead letter: its client knows that it missed something. The others continue."""
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.THROTTLED]})
    worker.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 2, slow=0b111))
    assert worker.closer.closed == []
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.THROTTLED]})
    worker.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 1, slow=0b111))
    assert worker.closer.closed == [connection(0)]
    assert (worker.tally().delivered, worker.tally().failed) == (0b100, 0b001)
    assert (worker.requeued().remaining, worker.dead_letters.bodies) == (0b010, [])
    assert counted["ConnectionClosed"] == 1


@pytest.mark.parametrize("answer", [Outcome.THROTTLED, Outcome.FAILED, Outcome.UNSENT])
def test_the_close_of_a_client_is_retried(answer: Outcome, counted: Counter[str]) -> None:
    """The client is not reported meanwhile; one that was gone before is reported as gone, and its row goes."""
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.SLOW]})
    worker.closer = MemoryOrderedSender({connection(0): [answer], connection(1): [Outcome.GONE]})
    worker.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 1, slow=0b111))
    assert worker.requeued().remaining == 0b001
    assert (worker.tally().gone, worker.tally().failed) == (0b010, 0)
    assert counted["ConnectionClosed"] == 1


def test_a_young_client_that_is_gone_when_it_is_closed_keeps_its_row() -> None:
    """Its handshake may not be over: it is reported as failed."""
    worker = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.SLOW]})
    worker.closer = MemoryOrderedSender({connection(0): [Outcome.GONE], connection(1): [Outcome.GONE]})
    worker.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 1, slow=0b111, young=0b001, young_until=NOW + 1))
    assert (worker.tally().gone, worker.tally().failed) == (0b010, 0b001)


def test_a_chunk_that_has_expired_is_failed_without_a_post(counted: Counter[str]) -> None:
    """A delivery of an earlier attempt is not reported as failed later."""
    worker = PostMessageFixture()
    worker.now = float(NOW + LIFETIME)
    worker.run(chunk_message(3, remaining=0b110, attempt=2))
    assert worker.sender.delivered == []
    assert worker.outcomes.bodies == [outcome(3, failed=0b110, expired=True).to_wire()]
    assert worker.dead_letters.attributes == [{"reason": "the broadcast expired"}]
    assert counted["ChunkExpired"] == 1


def test_a_chunk_of_a_cancelled_broadcast_is_failed_without_a_post_and_without_a_dead_letter() -> None:
    """An operator wanted it so: there is nothing to redrive."""
    worker = PostMessageFixture()
    worker.run(replace(chunk_message(3), cancelled=True))
    assert worker.sender.delivered == []
    assert worker.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]
    assert worker.dead_letters.bodies == []


def test_a_permanently_refused_connection_is_failed_at_once() -> None:
    """The other connections are handled as always."""
    worker = PostMessageFixture({0: [Outcome.REJECTED], 1: [Outcome.THROTTLED]})
    worker.run(chunk_message(3))
    tally = worker.tally()
    assert (tally.delivered, tally.failed) == (0b100, 0b001)
    assert worker.requeued().remaining == 0b010
    assert ChunkMessage.from_wire(worker.dead_letters.bodies[0]).remaining == 0b001


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"v":2}', '{"connections":{"a":1}}', '{"connections":{}}'])
def test_a_malformed_chunk_is_a_permanent_error(body: str) -> None:
    """Nothing is posted and nothing is reported."""
    worker = PostMessageFixture()
    post_message = PostMessage(
        worker.sender, worker.closer, worker.outcomes, worker.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    with pytest.raises(MalformedMessageError):
        post_message(body, queues_for_rest=[worker.shard], account=ACCOUNT, deadline=Deadline.after(0))
    assert worker.sender.delivered == []
    assert worker.outcomes.bodies == []


@pytest.mark.parametrize(
    "fields",
    [
        {"v": 2},
        {"endpoint": 1},
        {"attempt": 0},
        {"young": "?"},
        {"encoding": "base64", "data": "?"},
        {"encoding": "base64", "data": "/w=="},
    ],
    ids=str,
)
def test_a_chunk_of_another_release_is_reported_as_failed(fields: dict[str, Any]) -> None:
    """It goes to the dead-letter queue, but its report comes to an end."""
    worker = PostMessageFixture()
    post_message = PostMessage(
        worker.sender, worker.closer, worker.outcomes, worker.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    body = codec.encode_text(codec.decode(chunk_message(3).to_wire()) | fields)
    with pytest.raises(MalformedMessageError):
        post_message(body, queues_for_rest=[worker.shard], account=ACCOUNT, deadline=Deadline.after(0))
    assert worker.sender.delivered == []
    assert worker.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://attacker.example/live",
        ENDPOINT.replace("https://", "http://"),
        ENDPOINT.replace("https://", "https://attacker.example@"),
        ENDPOINT.replace(".amazonaws.com", ".amazonaws.com.attacker.example"),
        ENDPOINT.replace("/live", "/other"),
        f"{ENDPOINT}/",
        f"{ENDPOINT}?",
        f"{ENDPOINT}/../../x",
        ENDPOINT.upper(),
    ],
)
def test_a_chunk_for_another_api_is_refused_before_anything_is_signed(endpoint: str) -> None:
    """A forged chunk could have the worker's signed requests sent elsewhere; its report comes to an end."""
    worker = PostMessageFixture()
    post_message = PostMessage(
        worker.sender, worker.closer, worker.outcomes, worker.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    body = codec.encode_text(codec.decode(chunk_message(3).to_wire()) | {"endpoint": endpoint})
    with pytest.raises(MalformedMessageError, match="endpoint"):
        post_message(body, queues_for_rest=[worker.shard], account=ACCOUNT, deadline=Deadline.after(5))
    assert worker.sender.calls == []
    assert worker.shard.bodies == []
    assert worker.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]


def test_a_chunk_that_misses_its_deadline_fails_without_a_dead_letter() -> None:
    """The publisher asked for this end, so no operator needs to look at it."""
    worker = PostMessageFixture()
    worker.now = NOW + LIFETIME
    worker.run(replace(chunk_message(2), has_deadline=True))
    assert worker.sender.calls == []
    assert worker.outcomes.bodies == [outcome(2, failed=0b11, expired=True).to_wire()]
    assert worker.dead_letters.bodies == []


def test_no_post_is_started_after_the_end_of_a_broadcast() -> None:
    """A lane that is slow has more time than the broadcast."""
    worker = PostMessageFixture()
    worker.now = NOW + LIFETIME - 0.5
    worker.run(chunk_message(2))
    assert worker.sender.starts_within == [0.5]


@pytest.mark.parametrize(("priority", "group"), [(Priority.NORMAL, "!refused"), (Priority.LOW, TENANT)])
@pytest.mark.parametrize("outcome", [Outcome.SLOW, Outcome.THROTTLED])
def test_refused_connections_wait_behind_new_chunks(outcome: Outcome, priority: Priority, group: str) -> None:
    """Their message has its own group, which the queue puts behind others once it takes much of the workers' time."""
    worker = PostMessageFixture({0: [outcome], 1: [Outcome.FAILED]})
    worker.run(replace(chunk_message(3), priority=priority, group=TENANT))
    groups = dict(
        zip([ChunkMessage.from_wire(body).remaining for body in worker.shard.bodies], worker.shard.groups, strict=True)
    )
    assert groups == {0b001: group, 0b010: TENANT}


@pytest.mark.parametrize("queue", ["outcomes", "shard", "dead_letters"])
def test_a_chunk_is_redelivered_when_its_queue_is_down(queue: str) -> None:
    """The message is not acknowledged."""
    worker = PostMessageFixture({0: [Outcome.FAILED], 1: [Outcome.REJECTED]})
    getattr(worker, queue).down = True
    with pytest.raises(TransientError):
        worker.run(chunk_message(3))


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_worker_killed_at_any_call_loses_no_connection(*, carried_out: bool) -> None:
    """SQS delivers the chunk again: in the end everything is reported, or is back in the shard."""
    for at in range(1, 20):
        worker = PostMessageFixture(
            {0: [Outcome.FAILED], 1: [Outcome.GONE], 2: [Outcome.REJECTED], 3: [Outcome.UNSENT]}
        )
        finished = not killed(worker.run, chunk_message(6), Fuse(at, carried_out=carried_out).call)
        if not finished:
            worker.run(chunk_message(6))
        tally = worker.tally()
        assert (tally.delivered, tally.gone, tally.failed) == (0b110000, 0b000010, 0b000100)
        assert {ChunkMessage.from_wire(body).remaining for body in worker.shard.bodies} == {0b000001, 0b001000}
        if finished:
            return
    pytest.fail("it never came to its end")


@given(st.integers(0, 40), st.data())
def test_every_connection_is_either_reported_or_requeued(size: int, data: st.DataObject) -> None:
    """Whatever the sender says, in whatever attempt: nobody is lost."""
    ends = {place: [data.draw(st.sampled_from(Outcome))] for place in range(size)}
    bits = st.integers(0, bitmaps.full(size))
    chunk = chunk_message(
        size,
        young=data.draw(bits),
        remaining=data.draw(bits),
        attempt=data.draw(st.integers(1, MAX_ATTEMPTS)),
        refusals=data.draw(st.integers(0, CLOSED_AT_REFUSAL)),
        slow=data.draw(bits),
    )
    worker = PostMessageFixture(ends)
    worker.run(chunk)
    tally = worker.tally()
    back = [ChunkMessage.from_wire(body).remaining for body in worker.shard.bodies]
    parts = [tally.delivered, tally.gone, tally.failed, *back]
    assert sum(part.bit_count() for part in parts) == chunk.remaining.bit_count()
    together = 0
    for part in parts:
        together |= part
    assert together == chunk.remaining
    assert tally.gone & chunk.young == 0


def test_every_line_of_a_chunk_names_the_broadcast_the_chunk_and_the_attempt(
    logged: Callable[..., list[Any]],
) -> None:
    """Both hold, for a chunk that is given up and for one that goes back."""
    worker = PostMessageFixture({0: [Outcome.REJECTED], 1: [Outcome.FAILED]})
    worker.run(chunk_message(3, attempt=2))
    keys = ("message", "broadcast_id", "chunk_id", "attempt", "remaining", "reason", "delay_seconds")
    assert logged(*keys) == [
        ("part of the chunk is given up", "broadcast-1", "0.0", 2, 1, "the gateway refuses the frame", None),
        ("part of the chunk goes back", "broadcast-1", "0.0", 2, 1, None, 2),
    ]


@pytest.mark.parametrize(
    ("priority", "group"), [(Priority.NORMAL, None), (Priority.NORMAL, "*"), (Priority.LOW, TENANT)]
)
def test_the_rest_of_a_chunk_keeps_its_priority_and_its_group(priority: Priority, group: str | None) -> None:
    """Tenants share the lanes; a former release says nothing of groups."""
    worker = PostMessageFixture(ends={1: [Outcome.FAILED]})
    worker.run(replace(chunk_message(), priority=priority, group=group))
    assert (worker.requeued().priority, worker.requeued().group) == (priority, group)
    assert worker.shard.groups == [group]


@pytest.mark.parametrize("outcome", [Outcome.UNSENT, Outcome.FAILED, Outcome.SLOW])
def test_the_rest_of_an_express_chunk_goes_to_a_shard(outcome: Outcome) -> None:
    """It is the shard in which the chunk would have been as any other."""
    worker, shards = PostMessageFixture({1: [outcome]}), [MemoryQueue() for _ in range(4)]
    post_message = PostMessage(
        worker.sender, worker.closer, worker.outcomes, worker.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    post_message(chunk_message(3).to_wire(), queues_for_rest=shards, account=ACCOUNT, deadline=Deadline.after(5))
    place = shard_of(BROADCAST, ChunkId("0.0"), 4)
    assert [len(shard.bodies) for shard in shards] == [int(number == place) for number in range(4)]
    assert ChunkMessage.from_wire(shards[place].bodies[0]).remaining == 0b010

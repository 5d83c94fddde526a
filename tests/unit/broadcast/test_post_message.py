"""A chunk is posted, and what became of its connections is told."""

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
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import MalformedMessageError, TransientError
from tests.support.broadcasts import (
    ACCOUNT,
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
        post_message(chunk.to_wire(), shard=watched(self.shard, call), account=ACCOUNT, deadline=Deadline.after(5))

    def requeued(self) -> ChunkMessage:
        """The one chunk that went back to its shard."""
        (body,) = self.shard.bodies
        return ChunkMessage.from_wire(body)

    def told(self) -> Tally:
        """Return what `settle` makes of everything that was told."""
        tally = Tally(size=0)
        for body in self.outcomes.bodies:
            found = OutcomeMessage.from_wire(body)
            tally = (tally if tally.size else Tally(size=found.size)).after(found, NOW)
        return tally


def test_a_chunk_that_is_delivered_is_told_in_one_outcome() -> None:
    """Every connection gets the frame, once."""
    world = PostMessageFixture()
    world.run(chunk_message(3))
    assert world.sender.delivered == [(connection(place), FRAME.encode()) for place in range(3)]
    ((endpoint, seconds),) = world.sender.calls
    assert endpoint == ENDPOINT
    assert 0 < seconds <= 5
    assert world.outcomes.bodies == [outcome(3, delivered=0b111).to_wire()]
    assert world.shard.bodies == []


def test_a_connection_that_is_closed_is_gone(counted: Counter[str]) -> None:
    """The others have been delivered to."""
    world = PostMessageFixture({1: [Outcome.GONE]})
    world.run(chunk_message(3))
    assert world.outcomes.bodies == [outcome(3, delivered=0b101, gone=0b010).to_wire()]
    assert counted == {"PostDelivered": 2, "PostGone": 1, "PostFailed": 0}


def test_a_410_of_a_young_connection_is_tried_again() -> None:
    """Its handshake may not be over: nothing is told about it, and it goes back with a delay."""
    world = PostMessageFixture({0: [Outcome.GONE], 1: [Outcome.GONE]})
    world.run(chunk_message(3, young=0b010))
    assert world.outcomes.bodies == [outcome(3, delivered=0b100, gone=0b001).to_wire()]
    assert world.requeued() == chunk_message(3, young=0b010, remaining=0b010, attempt=2)
    assert world.shard.delays == [1]


def test_a_410_is_believed_once_nobody_is_young_any_more() -> None:
    """From `youngUntil` on, gone is gone."""
    world = PostMessageFixture({1: [Outcome.GONE]})
    world.now = NOW + 30
    world.run(chunk_message(3, young=0b111, young_until=NOW + 30))
    assert world.told().gone == 0b010
    assert world.shard.bodies == []


@pytest.mark.parametrize("ended", RETRIED)
def test_what_may_work_later_goes_back_under_the_same_id(ended: Outcome, counted: Counter[str]) -> None:
    """Only what remains is posted then; what was delivered is told now."""
    world = PostMessageFixture({0: [ended], 2: [ended]})
    world.run(chunk_message(3))
    back = world.requeued()
    attempt, refusals, slow = RETRIED[ended]
    assert back == chunk_message(3, remaining=0b101, attempt=attempt, refusals=refusals, slow=slow)
    assert world.outcomes.bodies == [outcome(3, delivered=0b010).to_wire()]
    world.sender = MemorySender()
    world.run(back)
    assert [found for found, _ in world.sender.delivered] == [connection(0), connection(2)]
    assert world.told().delivered == 0b111
    assert counted["PostRequeued"] == 2


@pytest.mark.parametrize(("refusals", "tries"), [(0, 3), (1, 1), (9, 1)])
def test_what_was_refused_before_is_tried_once(refusals: int, tries: int) -> None:
    """It was waited for already, and comes again later: a worker that waits for it is kept from others' chunks."""
    world = PostMessageFixture({0: [Outcome.THROTTLED]})
    world.run(chunk_message(1, refusals=refusals))
    assert world.sender.tries == [tries]


def test_what_could_not_be_sent_in_time_goes_back_at_once() -> None:
    """It has done nothing wrong, so it does not wait."""
    world = PostMessageFixture({0: [Outcome.UNSENT], 2: [Outcome.UNSENT]})
    world.run(chunk_message(3, attempt=5))
    assert world.shard.delays == [0]


def test_what_failed_waits_longer_each_time() -> None:
    """The delay grows, up to a bound that SQS accepts."""
    delays = []
    for attempt in range(1, MAX_ATTEMPTS):
        world = PostMessageFixture({0: [Outcome.FAILED]})
        world.run(chunk_message(3, attempt=attempt))
        delays += world.shard.delays
    assert delays == sorted(delays)
    assert delays[0] == 1
    assert delays[-1] <= MAX_DELAY_SECONDS
    assert sum(delays) > 30


@pytest.mark.parametrize(("ended", "slow"), [(Outcome.THROTTLED, 0), (Outcome.SLOW, 0b001)])
def test_what_is_refused_waits_longer_each_time(ended: Outcome, slow: int) -> None:
    """Up to a quarter of a minute: the account has others' posts to let in, and each return has its cost."""
    world, delays = PostMessageFixture({0: [ended]}), list[int]()
    world.closer = MemoryOrderedSender({connection(0): [Outcome.FAILED]})
    back = chunk_message(3, attempt=2)
    for _ in range(7):
        world.run(back)
        back, delays = world.requeued(), world.shard.delays
        world.shard.bodies.clear()
    assert delays == [1, 4, 10, 16, 16, 16, 16]
    assert back == chunk_message(3, attempt=2, remaining=0b001, refusals=7, slow=slow)


def test_a_chunk_that_claims_to_have_been_refused_for_ages_waits_no_longer() -> None:
    """The number comes from a queue's message."""
    world = PostMessageFixture({0: [Outcome.THROTTLED]})
    world.run(chunk_message(3, refusals=10**15))
    assert world.shard.delays == [16]


@pytest.mark.parametrize("ended", [Outcome.SLOW, Outcome.THROTTLED, Outcome.UNSENT])
def test_what_no_connection_has_failed_is_not_given_up_before_its_time(ended: Outcome) -> None:
    """A slow lane or a throttled account used up the attempts in a minute of five; the lifetime ends it."""
    world = PostMessageFixture({0: [ended]})
    world.closer = MemoryOrderedSender({connection(0): [Outcome.FAILED]})
    back = chunk_message(3, attempt=MAX_ATTEMPTS)
    for _ in range(2 * MAX_ATTEMPTS):
        world.run(back)
        back = world.requeued()
        world.shard.bodies.clear()
    assert (back.attempt, back.remaining, world.dead_letters.bodies) == (MAX_ATTEMPTS, 0b001, [])
    world.now = float(NOW + LIFETIME)
    world.run(back)
    assert world.dead_letters.attributes == [{"reason": "the broadcast expired"}]


def test_a_client_that_was_not_tried_is_not_closed_for_it() -> None:
    """Deliveries in which nothing was sent to it say nothing of it: its fifth refusal closes it, not its first."""
    world = PostMessageFixture({0: [Outcome.UNSENT] * 8 + [Outcome.SLOW]})
    back = chunk_message(1)
    for _ in range(8 + CLOSED_AT_REFUSAL - 1):
        world.run(back)
        back = world.requeued()
        world.shard.bodies.clear()
    assert (back.attempt, back.refusals, world.closer.closed) == (1, CLOSED_AT_REFUSAL - 1, [])
    world.run(back)
    assert world.closer.closed == [connection(0)]


@pytest.mark.parametrize(
    ("ends", "refusals"),
    [
        ([Outcome.THROTTLED] * 9 + [Outcome.SLOW], 11),
        ([Outcome.SLOW] + [Outcome.THROTTLED] * 9 + [Outcome.SLOW], 11),
        ([Outcome.SLOW, Outcome.SLOW], CLOSED_AT_REFUSAL),
    ],
)
def test_a_client_is_closed_once_it_was_found_slow_twice_and_for_half_a_minute(
    ends: list[Outcome], refusals: int
) -> None:
    """One worker's judgement is not enough; what an earlier one found is kept, whatever others cannot tell."""
    world = PostMessageFixture({0: ends})
    back = chunk_message(1)
    for _ in range(refusals - 1):
        world.run(back)
        assert world.closer.closed == []
        back = world.requeued()
        world.shard.bodies.clear()
    world.run(back)
    assert world.closer.closed == [connection(0)]


def test_what_remains_after_the_last_attempt_is_failed_and_kept(counted: Counter[str]) -> None:
    """The dead letter has the ids and the reason; it is posted to those that remain, should it be redriven."""
    world = PostMessageFixture({1: [Outcome.FAILED]})
    world.run(chunk_message(3, attempt=MAX_ATTEMPTS))
    assert world.shard.bodies == []
    told = world.told()
    assert (told.delivered, told.failed) == (0b101, 0b010)
    assert world.dead_letters.bodies == [chunk_message(3, remaining=0b010, attempt=MAX_ATTEMPTS).to_wire()]
    assert world.dead_letters.attributes == [{"reason": "the attempts are used up"}]
    assert counted["PostFailed"] == 1


def test_what_was_refused_goes_back_in_one_part_apart_from_the_rest() -> None:
    """Under the same id; the rest does not wait for it, and each connection is in one part."""
    world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.UNSENT], 2: [Outcome.SLOW], 3: [Outcome.THROTTLED]})
    world.run(chunk_message(5))
    back = [ChunkMessage.from_wire(body) for body in world.shard.bodies]
    assert back == [
        chunk_message(5, remaining=0b01101, refusals=1, slow=0b00101),
        chunk_message(5, remaining=0b00010),
    ]
    assert world.shard.delays == [1, 0]
    world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.FAILED]})
    world.run(chunk_message(5, attempt=3, refusals=2, slow=0b11111))
    assert [ChunkMessage.from_wire(body) for body in world.shard.bodies] == [
        chunk_message(5, remaining=0b00010, attempt=4),
        chunk_message(5, remaining=0b00001, attempt=3, refusals=3, slow=0b00001),
    ]
    assert world.shard.delays == [4, 10]


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 0, 1, 1], [1, 0, 1, 0]], ids=str)
def test_parts_that_come_back_in_any_order_and_twice_add_up(order: list[int]) -> None:
    """Also when one of them is told after the broadcast expired: what was delivered stays delivered."""
    for late in (None, 0, 1):
        world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.UNSENT], 2: [Outcome.SLOW]})
        world.run(chunk_message(4))
        parts = [ChunkMessage.from_wire(body) for body in world.shard.bodies]
        assert len(parts) == 2
        world.sender = MemorySender()
        for place in order:
            world.now = float(NOW + LIFETIME if place == late else NOW)
            world.run(parts[place])
        expected = {None: 0, 0: 0b0101, 1: 0b0010}[late]
        assert (world.told().delivered, world.told().failed) == (0b1111 & ~expected, expected)


def test_a_client_that_does_not_read_for_half_a_minute_is_closed(counted: Counter[str]) -> None:
    """It is failed, without a dead letter: its client knows that it missed something. The others go on."""
    world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.THROTTLED]})
    world.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 2, slow=0b111))
    assert world.closer.closed == []
    world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.THROTTLED]})
    world.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 1, slow=0b111))
    assert world.closer.closed == [connection(0)]
    assert (world.told().delivered, world.told().failed) == (0b100, 0b001)
    assert (world.requeued().remaining, world.dead_letters.bodies) == (0b010, [])
    assert counted["ConnectionClosed"] == 1


@pytest.mark.parametrize("answer", [Outcome.THROTTLED, Outcome.FAILED, Outcome.UNSENT])
def test_a_client_that_cannot_be_closed_is_tried_again(answer: Outcome, counted: Counter[str]) -> None:
    """Nothing is told of it; one that was gone before is like one that is closed."""
    world = PostMessageFixture({0: [Outcome.SLOW], 1: [Outcome.SLOW]})
    world.closer = MemoryOrderedSender({connection(0): [answer], connection(1): [Outcome.GONE]})
    world.run(chunk_message(3, refusals=CLOSED_AT_REFUSAL - 1, slow=0b111))
    assert world.requeued().remaining == 0b001
    assert world.told().failed == 0b010
    assert counted["ConnectionClosed"] == 1


def test_a_chunk_that_has_expired_is_failed_without_a_post(counted: Counter[str]) -> None:
    """A delivery of an earlier attempt is not told again as failed."""
    world = PostMessageFixture()
    world.now = float(NOW + LIFETIME)
    world.run(chunk_message(3, remaining=0b110, attempt=2))
    assert world.sender.delivered == []
    assert world.outcomes.bodies == [outcome(3, failed=0b110, expired=True).to_wire()]
    assert world.dead_letters.attributes == [{"reason": "the broadcast expired"}]
    assert counted["ChunkExpired"] == 1


def test_a_chunk_of_a_cancelled_broadcast_is_failed_without_a_post_and_without_a_dead_letter() -> None:
    """An operator wanted it so: there is nothing to redrive."""
    world = PostMessageFixture()
    world.run(replace(chunk_message(3), cancelled=True))
    assert world.sender.delivered == []
    assert world.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]
    assert world.dead_letters.bodies == []


def test_a_connection_whose_post_is_refused_for_good_is_failed_at_once() -> None:
    """The others go their way."""
    world = PostMessageFixture({0: [Outcome.REJECTED], 1: [Outcome.THROTTLED]})
    world.run(chunk_message(3))
    told = world.told()
    assert (told.delivered, told.failed) == (0b100, 0b001)
    assert world.requeued().remaining == 0b010
    assert ChunkMessage.from_wire(world.dead_letters.bodies[0]).remaining == 0b001


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"v":2}', '{"connections":{"a":1}}', '{"connections":{}}'])
def test_a_malformed_chunk_is_a_permanent_error(body: str) -> None:
    """Nothing is posted and nothing is told."""
    world = PostMessageFixture()
    post_message = PostMessage(
        world.sender, world.closer, world.outcomes, world.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    with pytest.raises(MalformedMessageError):
        post_message(body, shard=world.shard, account=ACCOUNT, deadline=Deadline.after(0))
    assert world.sender.delivered == []
    assert world.outcomes.bodies == []


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
def test_a_chunk_of_another_release_is_told_as_failed(fields: dict[str, Any]) -> None:
    """It goes to the dead-letter queue, but its report comes to an end."""
    world = PostMessageFixture()
    post_message = PostMessage(
        world.sender, world.closer, world.outcomes, world.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    body = codec.encode_text(codec.decode(chunk_message(3).to_wire()) | fields)
    with pytest.raises(MalformedMessageError):
        post_message(body, shard=world.shard, account=ACCOUNT, deadline=Deadline.after(0))
    assert world.sender.delivered == []
    assert world.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]


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
    world = PostMessageFixture()
    post_message = PostMessage(
        world.sender, world.closer, world.outcomes, world.dead_letters, endpoint=ENDPOINT, clock=lambda: NOW
    )
    body = codec.encode_text(codec.decode(chunk_message(3).to_wire()) | {"endpoint": endpoint})
    with pytest.raises(MalformedMessageError, match="endpoint"):
        post_message(body, shard=world.shard, account=ACCOUNT, deadline=Deadline.after(5))
    assert world.sender.calls == []
    assert world.shard.bodies == []
    assert world.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]


@pytest.mark.parametrize(("priority", "group"), [(Priority.NORMAL, "refused"), (Priority.LOW, TENANT)])
@pytest.mark.parametrize("outcome", [Outcome.SLOW, Outcome.THROTTLED])
def test_what_was_refused_stands_behind_what_is_new(outcome: Outcome, priority: Priority, group: str) -> None:
    """It has a group of its own, which the queue puts behind others once it takes much of the workers' time."""
    world = PostMessageFixture({0: [outcome], 1: [Outcome.FAILED]})
    world.run(replace(chunk_message(3), priority=priority))
    groups = dict(
        zip([ChunkMessage.from_wire(body).remaining for body in world.shard.bodies], world.shard.groups, strict=True)
    )
    assert groups == {0b001: group, 0b010: TENANT if priority is Priority.LOW else None}


@pytest.mark.parametrize("queue", ["outcomes", "shard", "dead_letters"])
def test_a_queue_that_is_down_has_the_chunk_delivered_again(queue: str) -> None:
    """The message is not acknowledged."""
    world = PostMessageFixture({0: [Outcome.FAILED], 1: [Outcome.REJECTED]})
    getattr(world, queue).down = True
    with pytest.raises(TransientError):
        world.run(chunk_message(3))


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_killed_at_any_call_nothing_is_lost(*, carried_out: bool) -> None:
    """SQS delivers the chunk again: everything is told in the end, or is back in the shard."""
    for at in range(1, 20):
        world = PostMessageFixture({0: [Outcome.FAILED], 1: [Outcome.GONE], 2: [Outcome.REJECTED], 3: [Outcome.UNSENT]})
        finished = not killed(world.run, chunk_message(6), Fuse(at, carried_out=carried_out).call)
        if not finished:
            world.run(chunk_message(6))
        told = world.told()
        assert (told.delivered, told.gone, told.failed) == (0b110000, 0b000010, 0b000100)
        assert {ChunkMessage.from_wire(body).remaining for body in world.shard.bodies} == {0b000001, 0b001000}
        if finished:
            return
    pytest.fail("it never came to its end")


@given(st.integers(0, 40), st.data())
def test_every_connection_is_told_or_goes_back_and_never_both(size: int, data: st.DataObject) -> None:
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
    world = PostMessageFixture(ends)
    world.run(chunk)
    told = world.told()
    back = [ChunkMessage.from_wire(body).remaining for body in world.shard.bodies]
    parts = [told.delivered, told.gone, told.failed, *back]
    assert sum(part.bit_count() for part in parts) == chunk.remaining.bit_count()
    together = 0
    for part in parts:
        together |= part
    assert together == chunk.remaining
    assert told.gone & chunk.young == 0


def test_every_line_of_a_chunk_names_the_broadcast_the_chunk_and_the_attempt(
    logged: Callable[..., list[Any]],
) -> None:
    """Both hold, for a chunk that is given up and for one that goes back."""
    world = PostMessageFixture({0: [Outcome.REJECTED], 1: [Outcome.FAILED]})
    world.run(chunk_message(3, attempt=2))
    keys = ("message", "broadcast_id", "chunk_id", "attempt", "remaining", "reason", "delay_seconds")
    assert logged(*keys) == [
        ("part of the chunk is given up", "broadcast-1", "0.0", 2, 1, "the gateway refuses the frame", None),
        ("part of the chunk goes back", "broadcast-1", "0.0", 2, 1, None, 2),
    ]


@pytest.mark.parametrize(("priority", "group"), [(Priority.NORMAL, None), (Priority.LOW, TENANT)])
def test_what_is_left_of_a_chunk_keeps_its_priority(priority: Priority, group: str | None) -> None:
    """And of a large room, its tenant's group: tenants share the lanes of large rooms."""
    world = PostMessageFixture(ends={1: [Outcome.FAILED]})
    world.run(replace(chunk_message(), priority=priority))
    assert world.requeued().priority is priority
    assert world.shard.groups == [group]

"""Messages in the dead-letter queue are sent again, each to the queue of its kind."""

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from loudhailer.broadcast.messages import (
    Announcement,
    BroadcastMessage,
    ChunkMessage,
    SourceMessage,
    message_from_wire,
)
from loudhailer.broadcast.model import Priority
from loudhailer.ids import BroadcastId, ChunkId
from tests.support.broadcasts import (
    BROADCAST,
    NOW,
    announcement,
    chunk,
    chunk_message,
    outcome,
    partition,
    source,
    source_message,
    summary,
)
from tests.unit.tools.queues import DeploymentStandIn
from tools.operations.redriving import LIFETIME_SECONDS, Redrive, Redriven

LATER = NOW + 86_400
LETTERS = "dead-letter"
FRAMES = "dead-letter-fifo"


@pytest.fixture
def deployment() -> DeploymentStandIn:
    """A broadcast of two sources, the second of which was ended before anyone was found."""
    made = DeploymentStandIn()
    made.broadcasts.record(summary())
    made.broadcasts.fix_sources(BROADCAST, [source(0), source(1)])
    made.broadcasts.complete_sources(BROADCAST, 2, 6, NOW * 1000)
    made.broadcasts.fix_chunk(BROADCAST, chunk())
    made.broadcasts.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW * 1000)
    made.broadcasts.complete_source(BROADCAST, 1, chunks=0, dispatched=0, now=NOW * 1000)
    return made


def redrive(deployment: DeploymentStandIn, only: BroadcastId | None = None) -> Redriven:
    """Go through the letters a day later."""
    stand_in: Any = deployment
    return Redrive(stand_in, only, clock=lambda: LATER)()


@pytest.mark.parametrize(
    ("letter", "queue"),
    [
        (announcement(), "broadcast"),
        (source_message((partition(1),), source=1), "partition"),
        (replace(chunk_message(attempt=8), remaining=0b100, group="acme"), "shard-0"),
        (replace(chunk_message(), chunk_id=ChunkId("1.2")), "shard-1"),
        (replace(chunk_message(), chunk_id=ChunkId("1.2"), priority=Priority.LOW), "rooms"),
        (outcome(delivered=0b111), "outcome"),
    ],
    ids=["announcement", "source", "chunk", "chunk-of-the-other-shard", "chunk-of-a-large-room", "outcome"],
)
def test_a_dead_letter_returns_to_the_queue_of_its_kind(
    deployment: DeploymentStandIn, letter: BroadcastMessage, queue: str
) -> None:
    """With a new time to live, and a chunk with all its attempts; what remains of it is what it was."""
    deployment.sqs.send(LETTERS, letter.to_wire())
    result = redrive(deployment)
    (sent,) = [message_from_wire(body) for body in deployment.sqs.bodies(queue)]
    fresh: dict[str, Any] = {} if queue == "outcome" else {"expires_at": LATER + LIFETIME_SECONDS}
    if isinstance(letter, ChunkMessage):
        fresh |= {"attempt": 1}
    assert sent == replace(letter, **fresh)
    assert deployment.sqs.groups(queue) == [getattr(letter, "group", None)]
    assert deployment.sqs.bodies(LETTERS) == []
    assert (dict(result.sent), dict(result.refused)) == ({type(letter).__name__: 1}, {})


@pytest.mark.parametrize(
    ("letter", "queue"),
    [
        (announcement(), "broadcast"),
        (source_message((partition(1),), source=1), "partition"),
        (chunk_message(), "shard-0"),
    ],
    ids=["announcement", "source", "chunk"],
)
def test_a_deadline_of_the_publisher_stays_when_a_dead_letter_is_sent_again(
    deployment: DeploymentStandIn, letter: Announcement | SourceMessage | ChunkMessage, queue: str
) -> None:
    """Its publisher set a deadline, after which no client may get the broadcast."""
    deployment.sqs.send(LETTERS, replace(letter, has_deadline=True, expires_at=LATER + 20).to_wire())
    redrive(deployment)
    (sent,) = map(message_from_wire, deployment.sqs.bodies(queue))
    assert isinstance(sent, type(letter))
    assert (sent.expires_at, sent.has_deadline) == (LATER + 20, True)


def test_a_source_is_opened_before_it_is_sent_again(deployment: DeploymentStandIn) -> None:
    """Or `query` would take it for complete."""
    deployment.sqs.send(LETTERS, source_message((partition(1),), source=1).to_wire())
    redrive(deployment)
    opened = deployment.broadcasts.source(BROADCAST, 1)
    assert opened is not None
    assert opened.dispatched is None
    assert deployment.broadcasts.fix_chunk(BROADCAST, chunk("1.0")).size == 3


def test_a_broadcast_is_opened_before_it_is_sent_again(deployment: DeploymentStandIn) -> None:
    """Its sources exist; sources with recipients are left alone, the others are searched again."""
    deployment.sqs.send(LETTERS, announcement().to_wire())
    redrive(deployment)
    recorded = deployment.broadcasts.summary(BROADCAST)
    assert recorded is not None
    assert recorded.sources is None
    assert [each.dispatched for each in deployment.broadcasts.sources(BROADCAST)] == [3, None]


@pytest.mark.parametrize(
    ("letter", "is_expired"),
    [
        (announcement().to_wire(), False),
        (source_message((partition(0),)).to_wire(), False),
        (chunk_message().to_wire(), False),
        (outcome(failed=1).to_wire(), True),
    ],
    ids=["announcement", "source", "chunk", "outcome"],
)
def test_a_broadcast_sent_again_with_a_new_lifetime_is_no_longer_expired(
    deployment: DeploymentStandIn, letter: str, *, is_expired: bool
) -> None:
    """An outcome is no new attempt, so it says nothing of that."""
    deployment.broadcasts.mark_expired(BROADCAST)
    deployment.sqs.send(LETTERS, letter)
    redrive(deployment)
    recorded = deployment.broadcasts.summary(BROADCAST)
    assert recorded is not None
    assert recorded.expired == is_expired


def test_a_dead_letter_that_cannot_be_redriven_stays_with_a_reason(deployment: DeploymentStandIn) -> None:
    """Garbage, another release's, and those of broadcasts that are forgotten, were cancelled, or had a deadline."""
    deployment.broadcasts.record(summary(broadcast_id="ended"))
    deployment.broadcasts.cancel(BroadcastId("ended"))
    unreadable = [
        "garbage",
        chunk_message().to_wire().replace('"v":1', '"v":2'),
        replace(chunk_message(), broadcast_id=BroadcastId("forgotten")).to_wire(),
        replace(chunk_message(), broadcast_id=BroadcastId("ended")).to_wire(),
        replace(chunk_message(), has_deadline=True).to_wire(),
    ]
    deployment.sqs.send(LETTERS, *unreadable, chunk_message().to_wire())
    result = redrive(deployment)
    assert deployment.sqs.bodies(LETTERS) == unreadable
    assert result.refused == {
        "malformed, or of another release": 2,
        "of a broadcast that is forgotten": 1,
        "of a broadcast that was cancelled": 1,
        "of a broadcast whose deadline is over": 1,
    }
    assert result.sent == {"ChunkMessage": 1}


def test_dead_letters_of_one_named_broadcast_are_redriven_alone(deployment: DeploymentStandIn) -> None:
    """The other dead letters stay."""
    other = replace(chunk_message(), broadcast_id=BroadcastId("another")).to_wire()
    deployment.broadcasts.record(summary(broadcast_id="another"))
    deployment.sqs.send(LETTERS, other, chunk_message().to_wire())
    result = redrive(deployment, BROADCAST)
    assert deployment.sqs.bodies(LETTERS) == [other]
    assert (result.sent, result.refused) == ({"ChunkMessage": 1}, {"of another broadcast": 1})


def test_every_dead_letter_of_a_long_queue_is_read(deployment: DeploymentStandIn) -> None:
    """More than one call brings, with some between them that stay."""
    chunks = [replace(chunk_message(), chunk_id=ChunkId(f"0.{number}")).to_wire() for number in range(25)]
    for body in chunks:
        deployment.sqs.send(LETTERS, "garbage", body)
    result = redrive(deployment)
    assert result.sent == {"ChunkMessage": 25}
    assert deployment.sqs.bodies(LETTERS) == ["garbage"] * 25
    assert len(deployment.sqs.bodies("shard-0")) == 13


def test_a_letter_that_was_held_for_too_long_is_sent_once(deployment: DeploymentStandIn) -> None:
    """It could not be deleted: it is received again, and deleted then."""
    deployment.sqs.send(LETTERS, chunk_message().to_wire())
    deployment.sqs.too_late = 1
    assert redrive(deployment) == Redriven(sent=Counter({"ChunkMessage": 1}))
    assert deployment.sqs.bodies(LETTERS) == []
    assert len(deployment.sqs.bodies("shard-0")) == 1


def test_a_letter_that_was_kept_for_too_long_is_no_error(deployment: DeploymentStandIn) -> None:
    """Others have it already."""
    deployment.sqs.send(LETTERS, "garbage")
    deployment.sqs.too_late = 1
    assert redrive(deployment).refused == {"malformed, or of another release": 1}
    assert deployment.sqs.bodies(LETTERS) == ["garbage"]


def test_letters_that_are_kept_are_counted_once_and_put_back_however_long_it_takes(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two answers of the queue, the time of all letters is over: it has them ready again."""
    receive = deployment.sqs.receive_message

    def receive_late(**request: Any) -> dict[str, Any]:
        for letter in deployment.sqs.queues[LETTERS]:
            letter.held = False
        return receive(**request)

    monkeypatch.setattr(deployment.sqs, "receive_message", receive_late)
    deployment.sqs.send(LETTERS, "garbage", chunk_message().to_wire(), "rubbish")
    result = redrive(deployment)
    assert (result.sent, result.refused) == ({"ChunkMessage": 1}, {"malformed, or of another release": 2})
    assert deployment.sqs.bodies(LETTERS) == ["garbage", "rubbish"]


def test_letters_behind_many_that_are_kept_for_too_long_are_sent(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of the first forty is over after three answers: they are received again before the others."""
    receive, answers = deployment.sqs.receive_message, itertools.count()

    def receive_late(**request: Any) -> dict[str, Any]:
        if next(answers) == 3:
            for letter in deployment.sqs.queues[LETTERS]:
                letter.held = False
        return receive(**request)

    monkeypatch.setattr(deployment.sqs, "receive_message", receive_late)
    chunks = [replace(chunk_message(), chunk_id=ChunkId(f"0.{number}")).to_wire() for number in range(5)]
    deployment.sqs.send(LETTERS, *(f"garbage {number}" for number in range(40)), *chunks)
    result = redrive(deployment)
    assert (result.sent, result.refused) == ({"ChunkMessage": 5}, {"malformed, or of another release": 40})
    assert len(deployment.sqs.bodies(LETTERS)) == 40


def test_an_empty_queue_is_no_error(deployment: DeploymentStandIn) -> None:
    """Nothing is sent."""
    assert redrive(deployment) == Redriven()


def test_frames_return_to_their_original_queue(deployment: DeploymentStandIn) -> None:
    """In their order and group, with all that the route wrote into them; those of a queue that is gone stay."""
    for body in ("1", "2"):
        deployment.sqs.give_up(FRAMES, "pooled", body, "gold:s", requestId={"StringValue": body})
    deployment.sqs.give_up(FRAMES, "silo-former", "3", "former:s")
    stand_in: Any = deployment
    result = Redrive(stand_in, None).frames()
    assert (result.sent, result.refused) == ({"frame of pooled": 2}, {"of a queue that is no more": 1})
    sent = deployment.sqs.queues["pooled"]
    assert [(each.body, each.system["MessageGroupId"], each.attributes) for each in sent] == [
        (body, "gold:s", {"requestId": {"StringValue": body}}) for body in ("1", "2")
    ]
    assert deployment.sqs.bodies(FRAMES) == ["3"]

"""One suite for queues: the in-memory twin and SQS."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import pytest

from loudhailer.errors import PermanentError, TransientError
from loudhailer.queues.memory import MemoryQueue
from loudhailer.queues.port import MAX_BATCH_BYTES, Queue
from loudhailer.queues.sqs import SqsQueue


class Subject(Protocol):
    """A queue, and what a consumer sees of it."""

    @property
    def queue(self) -> Queue:
        """The queue."""

    def break_down(self) -> None:
        """From now on the queue does not answer."""

    def received(self) -> list[tuple[str, Mapping[str, str]]]:
        """Bodies and attributes of everything that can be received now."""


@dataclass
class InMemory:
    """The twin."""

    queue: MemoryQueue

    def break_down(self) -> None:
        """See `Subject.break_down`."""
        self.queue.down = True

    def received(self) -> list[tuple[str, Mapping[str, str]]]:
        """See `Subject.received`."""
        ready = [place for place, delay in enumerate(self.queue.delays) if delay == 0]
        return [(self.queue.bodies[place], self.queue.attributes[place]) for place in ready]


@dataclass
class OnSqs:
    """The queue of the local AWS."""

    queue: SqsQueue
    client: Any
    url: str

    def break_down(self) -> None:
        """See `Subject.break_down`."""
        self.queue = SqsQueue(self.client, f"{self.url}-that-is-not-there", pause=lambda _: None)

    def received(self) -> list[tuple[str, Mapping[str, str]]]:
        """See `Subject.received`."""
        found: list[tuple[str, Mapping[str, str]]] = []
        while messages := self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += [
                (
                    message["Body"],
                    {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()},
                )
                for message in messages
            ]
        return found


@pytest.fixture(params=["memory", "sqs"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each of the queues, empty."""
    if request.param == "memory":
        yield InMemory(MemoryQueue())
        return
    aws: Callable[[str], Any] = request.getfixturevalue("aws")
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid4().hex[:12]}", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    yield OnSqs(SqsQueue(sqs, url, pause=lambda _: None), sqs, url)
    sqs.delete_queue(QueueUrl=url)


def test_every_body_arrives_as_it_was_sent(subject: Subject) -> None:
    """More than one batch takes, with every kind of character."""
    bodies = [f"body {number}" for number in range(23)] + ["\t\n\r ~\x7f", "é€😀\ufffd", '{"a":"\\u0001"}']
    subject.queue.send_all(bodies)
    assert sorted(body for body, _ in subject.received()) == sorted(bodies)


def test_no_bodies_are_no_messages(subject: Subject) -> None:
    """There is nothing to send and no error."""
    subject.queue.send_all([])
    assert subject.received() == []


def test_large_bodies_arrive(subject: Subject) -> None:
    """Each of the greatest size, and several that only together are too large for a batch."""
    bodies = ["x" * MAX_BATCH_BYTES, "é" * (MAX_BATCH_BYTES // 2), *(str(number) * 100_000 for number in range(4))]
    subject.queue.send_all(bodies)
    assert sorted(body for body, _ in subject.received()) == sorted(bodies)


@pytest.mark.parametrize(
    "body",
    ["", "\x01", "\uffff", "\ud800", "x" * (MAX_BATCH_BYTES + 1)],
    ids=["empty", "control", "noncharacter", "surrogate", "long"],
)
def test_a_body_that_can_never_be_accepted_is_a_permanent_error(subject: Subject, body: str) -> None:
    """It is not retried, and it is not sent."""
    with pytest.raises(PermanentError):
        subject.queue.send_all([body])
    assert subject.received() == []


def test_attributes_are_on_every_message(subject: Subject) -> None:
    """As strings."""
    attributes = {"reason": "data is missing: é", "source": "arn:aws:sqs:us-east-1:111111111111:queue"}
    subject.queue.send_all(["a", "b"], attributes=attributes)
    assert sorted(subject.received(), key=str) == [("a", attributes), ("b", attributes)]


def test_a_delayed_message_is_not_received_yet(subject: Subject) -> None:
    """The others are."""
    subject.queue.send_all(["later"], delay_seconds=30)
    subject.queue.send_all(["now"])
    assert [body for body, _ in subject.received()] == ["now"]


def test_a_queue_that_does_not_answer_is_a_transient_error(subject: Subject) -> None:
    """Whatever it is that is wrong with it."""
    subject.break_down()
    with pytest.raises(TransientError):
        subject.queue.send_all(["a"])

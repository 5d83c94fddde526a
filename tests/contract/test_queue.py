"""One suite for queues, and one for FIFO queues: the in-memory twins and SQS."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import pytest

from loudhailer.errors import PermanentError, TransientError
from loudhailer.queues.port import FifoMessage, FifoQueue, Queue
from loudhailer.queues.sqs import SqsFifoQueue, SqsQueue
from tests.contract.conftest import QUEUES, sqs_of
from tests.support.fakes.queues import MemoryFifoQueue, MemoryQueue
from tests.support.limits import MAX_BATCH_BYTES


class Subject(Protocol):
    """A queue, and a consumer's view of it."""

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


@pytest.fixture(params=QUEUES)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each of the queues, empty."""
    if request.param == "memory":
        yield InMemory(MemoryQueue())
        return
    sqs = sqs_of(request)
    url = sqs.create_queue(QueueName=f"queue-{uuid4().hex[:12]}", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    yield OnSqs(SqsQueue(sqs, url, pause=lambda _: None), sqs, url)
    sqs.delete_queue(QueueUrl=url)


def test_every_body_arrives_as_it_was_sent(subject: Subject) -> None:
    """More than one batch takes, with every kind of character."""
    bodies = [f"body {number}" for number in range(23)] + ["\t\n\r ~\x7f", "é€😀\ufffd", '{"a":"\\u0001"}']
    subject.queue.send_all(bodies)
    assert sorted(body for body, _ in subject.received()) == sorted(bodies)


def test_a_call_without_bodies_sends_no_message(subject: Subject) -> None:
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


type Fifo = tuple[FifoQueue, Callable[[], list[FifoMessage]]]
"""A FIFO queue, and the messages that can be received from it."""


@pytest.fixture(params=QUEUES)
def fifo(request: pytest.FixtureRequest) -> Iterator[Fifo]:
    """Each of the FIFO queues, empty."""
    if request.param == "memory":
        twin = MemoryFifoQueue()
        yield twin, lambda: twin.messages
        return
    sqs = sqs_of(request)
    high_throughput = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = sqs.create_queue(
        QueueName=f"queue-{uuid4().hex[:12]}.fifo", Attributes={"FifoQueue": "true", **high_throughput}
    )["QueueUrl"]

    def received() -> list[FifoMessage]:
        found: list[FifoMessage] = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                attributes = message["Attributes"]
                found.append(
                    FifoMessage(message["Body"], attributes["MessageGroupId"], attributes["MessageDeduplicationId"])
                )
        return found

    yield SqsFifoQueue(sqs, url, pause=lambda _: None), received
    sqs.delete_queue(QueueUrl=url)


def test_a_groups_messages_arrive_in_their_order(fifo: Fifo) -> None:
    """More than one batch takes."""
    queue, received = fifo
    messages = [FifoMessage(f"body {number}", f"group-{number % 2}", f"d{number}") for number in range(23)]
    queue.send_all(messages)
    found = received()
    for group in ("group-0", "group-1"):
        assert [one for one in found if one.group == group] == [one for one in messages if one.group == group]


@pytest.mark.parametrize("fifo", ["memory", "sqs"], indirect=True)  # moto deduplicates over the whole queue
def test_a_duplicate_message_is_dropped(fifo: Fifo) -> None:
    """Known by its deduplication id, within its group."""
    queue, received = fifo
    queue.send_all([FifoMessage("a", "g", "d1"), FifoMessage("b", "h", "d1")])
    queue.send_all(iter([FifoMessage("a", "g", "d1"), FifoMessage("c", "g", "d2")]))
    assert sorted(received()) == [("a", "g", "d1"), ("b", "h", "d1"), ("c", "g", "d2")]


def test_a_fifo_message_that_can_never_be_accepted_is_a_permanent_error(fifo: Fifo) -> None:
    """It is not sent."""
    queue, received = fifo
    with pytest.raises(PermanentError):
        queue.send_all([FifoMessage("\x01", "g", "d")])
    assert received() == []


def test_a_fifo_queue_that_does_not_answer_is_a_transient_error(aws: Callable[[str], Any]) -> None:
    """The twin does the same when it is switched off."""
    twin = MemoryFifoQueue()
    twin.down = True
    missing = SqsFifoQueue(aws("sqs"), "http://127.0.0.1/111111111111/missing.fifo", pause=lambda _: None)
    for queue in (twin, missing):
        with pytest.raises(TransientError):
            queue.send_all([FifoMessage("a", "g", "d")])

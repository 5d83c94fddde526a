"""The queues of SQS, and the mappings by which Lambda reads them.

A message is invisible while it is handled, and delivered again unless it is deleted. After too many receives it goes to
the next queue. A standard queue keeps no order and may deliver twice; a FIFO queue delivers nothing of a group while a
message of it is invisible, and takes the same deduplication id once in five minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation import faults

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

_DEDUPLICATED_SECONDS = 300


@dataclass
class SimulatedMessage:
    """A message that is not deleted yet; `source` is the queue that it was received from in vain, if there is one."""

    number: int
    body: str
    sent_at: float
    visible_at: float
    group: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    receives: int = 0
    receipt: int = 0
    key: str = ""
    source: str = ""

    @property
    def message_id(self) -> str:
        """SQS's id of it."""
        return f"m{self.number}"


class SimulatedQueue:
    """A queue, and the function that reads it, if any does."""

    def __init__(
        self,
        system: "SimulatedSystem",
        name: str,
        *,
        reader: str | None = None,
        visibility: float = 30.0,
        most_receives: int = 10_000,
        next_queue: str | None = None,
        retention: float = 691_200.0,
        is_fifo: bool = False,
        batch_size: int = 1,
        window: float = 0.0,
        concurrency: int = 4,
    ) -> None:
        self.name = name
        self.reader = reader
        self.is_fifo = is_fifo
        self.messages: dict[int, SimulatedMessage] = {}
        self._system = system
        self._visibility = visibility
        self._most_receives = most_receives
        self._next_queue = next_queue
        self._retention = retention
        self._batch_size = batch_size
        self._window = window
        self._concurrency = concurrency
        self._numbers = system.numbers
        self._seen: dict[tuple[str, str], float] = {}
        self._working = 0
        self._due = float("inf")

    def put(
        self,
        body: str,
        *,
        delay: float = 0.0,
        group: str = "",
        deduplication: str | None = None,
        attributes: Mapping[str, str] | None = None,
        source: str = "",
    ) -> None:
        """Take a message."""
        now = self._system.scheduler.now
        if deduplication is not None:
            if now - self._seen.get((group, deduplication), -_DEDUPLICATED_SECONDS) < _DEDUPLICATED_SECONDS:
                return
            self._seen[group, deduplication] = now
        if not self.is_fifo and self._system.dice.strikes(faults.LATE_MESSAGE):
            delay += self._system.scheduler.random.choice((1.0, 5.0, 40.0))
        message = SimulatedMessage(next(self._numbers), body, now, now + delay, group, attributes or {}, source=source)
        message.key = self._system.scheduler.chance.child_key(self.name)
        self.messages[message.number] = message
        self._system.watch.message_sent(self, message)
        self._look(message.visible_at + self._window)

    def postpone(self, receipt: str, seconds: float) -> None:
        """Have a message that is worked on are delivered again after so many seconds."""
        number, _, receipt_number = receipt.partition(".")
        message = self.messages.get(int(number))
        if message is not None and message.receipt == int(receipt_number):
            message.visible_at = self._system.scheduler.now + seconds
            self._look(message.visible_at)

    def receive(self, most: int) -> list[SimulatedMessage]:
        """Some messages, invisible from now on."""
        now = self._system.scheduler.now
        found = self._visible(now)[:most]
        for message in found:
            message.receives += 1
            message.receipt += 1
            message.visible_at = now + self._visibility
        return found

    def delete(self, number: int) -> None:
        """Delete a message, as its handler does."""
        message = self.messages.pop(number, None)
        if message is not None:
            self._system.watch.message_deleted(self, message)

    def is_empty(self) -> bool:
        """Tell whether no message is left that a function would read."""
        return self.reader is None or not self.messages

    def _look(self, when: float) -> None:
        """Look for messages at a time, unless that is done before anyway."""
        if self.reader is None or when >= self._due:
            return
        self._due = when
        self._system.scheduler.at(max(when, self._system.lost_until) + self._system.latency(), self._poll)

    def _poll(self) -> None:
        now = self._system.scheduler.now
        if now < self._due:
            return
        self._due = float("inf")
        if not self.messages:
            return
        if now < self._system.lost_until:
            self._look(now)
            return
        first = next(iter(self.messages.values()))
        self._system.scheduler.on_behalf_of(f"{first.key} {first.receives}", self._hand_out_all)

    def _hand_out_all(self) -> None:
        now = self._system.scheduler.now
        self._expire(now)
        while self._working < self._concurrency and (batch := self._batch(now)):
            self._hand_out(batch)
        later = [message.visible_at for message in self.messages.values() if message.visible_at > now]
        if later:
            self._look(min(later))

    def _expire(self, now: float) -> None:
        for message in [one for one in self.messages.values() if now - one.sent_at >= self._retention]:
            del self.messages[message.number]
            self._system.watch.message_expired(self, message)

    def _batch(self, now: float) -> list[SimulatedMessage]:
        """The messages of one invocation; a message that was received too often goes to the next queue."""
        batch: list[SimulatedMessage] = []
        for message in self._visible(now):
            if message.receives >= self._most_receives and self._next_queue is not None:
                del self.messages[message.number]
                letters = self._system.queues[self._next_queue]
                letters.put(message.body, group=message.group, attributes=message.attributes, source=self.name)
                self._system.watch.message_moved(self, message)
                continue
            batch.append(message)
            if len(batch) == self._batch_size:
                break
        for message in batch:
            message.receives += 1
            message.receipt += 1
            message.visible_at = now + self._visibility
        return batch

    def _visible(self, now: float) -> list[SimulatedMessage]:
        if not self.is_fifo:
            found = [message for message in self.messages.values() if message.visible_at <= now]
            if len(found) > 1:
                self._system.scheduler.random.shuffle(found)
            return found
        blocked = {message.group for message in self.messages.values() if message.visible_at > now}
        return [message for message in self.messages.values() if message.group not in blocked]

    def _hand_out(self, batch: Sequence[SimulatedMessage]) -> None:
        system = self._system
        now = system.scheduler.now
        if not self.is_fifo and system.dice.strikes(faults.DUPLICATE):
            for message in batch:
                message.visible_at = now + system.scheduler.random.choice((0.0, 0.2, 3.0))
        event = {"Records": [self._record(message) for message in batch]}
        receipts = {message.message_id: (message, message.receipt) for message in batch}
        self._working += 1

        def done(answer: Any) -> None:
            self._working -= 1
            if answer is not None:
                failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                for message_id, (message, _) in receipts.items():
                    if message_id not in failed:
                        self.delete(message.number)
            self._look(system.scheduler.now)

        system.invoke(self.reader or "", event, done, key=f"{batch[0].key} {batch[0].receives}")

    def _record(self, message: SimulatedMessage) -> dict[str, Any]:
        return {
            "messageId": message.message_id,
            "receiptHandle": f"{message.number}.{message.receipt}",
            "body": message.body,
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:{self._system.account}:{self.name}",
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(int(message.sent_at * 1000)),
                "MessageGroupId": message.group,
                "SequenceNumber": f"{message.number:020d}",
            },
            "messageAttributes": {name: {"stringValue": value} for name, value in message.attributes.items()},
        }


class SqsClient:
    """boto3's client of SQS and of SNS, as the adapters use them; URLs and ARNs end with the queues' names.

    A function of `system` calls it; the queues are those of `target`, another cell, if there is one.
    """

    def __init__(self, system: "SimulatedSystem", attempts: int, target: "SimulatedSystem | None" = None) -> None:
        self._system = system
        self._attempts = attempts
        self._target = target or system

    def _queue(self, url: str) -> SimulatedQueue:
        self._system.must_reach(self._target, url)
        return self._target.queues[url.rpartition("/")[2]]

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        """Take up to ten messages."""
        queue = self._queue(QueueUrl)

        def send(entry: Mapping[str, Any]) -> None:
            queue.put(
                entry["MessageBody"],
                delay=float(entry.get("DelaySeconds", 0)),
                group=entry.get("MessageGroupId", ""),
                deduplication=entry.get("MessageDeduplicationId"),
                attributes={name: value["StringValue"] for name, value in entry.get("MessageAttributes", {}).items()},
            )

        return self._in_batch(f"SendMessageBatch {QueueUrl}", send, Entries)

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        """Have messages are delivered again at another time."""
        queue = self._queue(QueueUrl)

        def postpone(entry: Mapping[str, Any]) -> None:
            queue.postpone(entry["ReceiptHandle"], float(entry["VisibilityTimeout"]))

        return self._in_batch(f"ChangeMessageVisibilityBatch {QueueUrl}", postpone, Entries)

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> Any:  # noqa: N803
        """Some messages of the queue."""
        queue = self._queue(QueueUrl)

        def effect(_: slice) -> Any:
            return {
                "Messages": [
                    {
                        "ReceiptHandle": f"{message.number}.{message.receipt}",
                        "Body": message.body,
                        "Attributes": {"SentTimestamp": str(int(message.sent_at * 1000))},
                    }
                    for message in queue.receive(MaxNumberOfMessages)
                ]
            }

        return self._system.call(f"ReceiveMessage {QueueUrl}", effect, 1, attempts=self._attempts)

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        """Delete messages."""
        queue = self._queue(QueueUrl)

        def delete(entry: Mapping[str, Any]) -> None:
            queue.delete(int(entry["ReceiptHandle"].partition(".")[0]))

        return self._in_batch(f"DeleteMessageBatch {QueueUrl}", delete, Entries)

    def _in_batch(
        self, name: str, do: Callable[[Mapping[str, Any]], None], entries: Sequence[Mapping[str, Any]]
    ) -> Any:
        """Do something with each entry; SQS may answer that some have failed, any of them."""
        system = self._system

        def effect(part: slice) -> Any:
            failed: list[Mapping[str, Any]] = []
            is_partly = system.dice.strikes(faults.PART_LEFT)
            for entry in entries[part]:
                if is_partly and system.scheduler.random.random() < 0.5:
                    failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
                else:
                    do(entry)
            return {"Successful": [], "Failed": failed}

        return system.call(name, effect, len(entries), attempts=self._attempts)

    def publish(self, *, TopicArn: str, Message: str, MessageGroupId: str = "") -> Any:  # noqa: N803
        """Hand a message to the queue of the topic; the hub's topic has the queues of further cells, too."""

        def effect(_: slice) -> Any:
            subscribed = [self._system] if self._system.is_further else self._system.cells.values()
            for cell in subscribed:
                for delay in self._system.delays_to(cell):
                    cell.queues[TopicArn.rpartition(":")[2]].put(Message, group=MessageGroupId, delay=delay)
            return {}

        return self._system.call(f"Publish {TopicArn}", effect, 1, attempts=self._attempts)

"""A stand-in for SQS and for a deployment that has its queues in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, override

from botocore.exceptions import ClientError

from loudhailer.ids import CellName
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.cells import MemoryCellDirectory
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.snapshots import MemorySnapshotStore

MAX_RECEIVES = 5


@dataclass
class _Message:
    body: str
    times: int = 0
    held: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, str] = field(default_factory=dict)

    @property
    def receipt(self) -> str:
        """Another one each time that the message is received."""
        return f"{id(self)}.{self.times}"


@dataclass
class Sqs:
    """Queues of messages that are held until they are put back or deleted; received too often, they are given up.

    Attributes:
        queues: the messages, by the queue's URL.
        given_up: bodies of the messages that were received too often.
        too_late: number of coming calls for a held message before which its time is over: anyone may receive it then.
    """

    queues: dict[str, list[_Message]] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    too_late: int = 0

    def send(self, url: str, *bodies: str, group: str | None = None) -> None:
        """Put messages into a queue."""
        system = {} if group is None else {"MessageGroupId": group}
        self.queues.setdefault(url, []).extend(_Message(body, system=system) for body in bodies)

    def groups(self, url: str) -> list[str | None]:
        """Return the groups of a queue's messages."""
        return [message.system.get("MessageGroupId") for message in self.queues.get(url, [])]

    def send_message(self, **request: Any) -> None:
        """Put one message into a FIFO queue; of those with the same id the first alone."""
        url = request["QueueUrl"]
        system = {name: request[name] for name in ("MessageGroupId", "MessageDeduplicationId")}
        queue = self.queues.setdefault(url, [])
        if all(each.system.get("MessageDeduplicationId") != system["MessageDeduplicationId"] for each in queue):
            queue.append(_Message(request["MessageBody"], attributes=request["MessageAttributes"], system=system))

    def give_up(self, url: str, source: str, body: str, group: str, **attributes: Any) -> None:
        """Let a message come to rest in a FIFO dead-letter queue."""
        system = {"MessageGroupId": group, "DeadLetterQueueSourceArn": f"arn:aws:sqs:us-east-1:111111111111:{source}"}
        self.queues.setdefault(url, []).append(_Message(body, attributes=attributes, system=system))

    def bodies(self, url: str) -> list[str]:
        """Return what a worker would get of a queue now."""
        return [message.body for message in self.queues.get(url, []) if not message.held]

    def receive_message(self, **request: Any) -> dict[str, Any]:
        """Up to ten messages that nobody holds."""
        url: str = request["QueueUrl"]
        answer: list[dict[str, Any]] = []
        for message in list(self.queues.get(url, [])):
            if message.held or len(answer) == request["MaxNumberOfMessages"]:
                continue
            message.times += 1
            if message.times > MAX_RECEIVES:
                self.queues[url].remove(message)
                self.given_up.append(message.body)
                continue
            message.held = True
            times = str(message.times)
            answer.append(
                {
                    "MessageId": str(id(message)),
                    "ReceiptHandle": message.receipt,
                    "Body": message.body,
                    "Attributes": {**message.system, "ApproximateReceiveCount": times},
                    "MessageAttributes": message.attributes,
                }
            )
        return {"Messages": answer} if answer else {}

    def delete_message(self, **request: str) -> None:
        """Forget a message."""
        self.queues[request["QueueUrl"]].remove(self._held("DeleteMessage", request))

    def change_message_visibility(self, **request: Any) -> None:
        """Put a message back."""
        assert request["VisibilityTimeout"] == 0
        self._held("ChangeMessageVisibility", request).held = False

    def _held(self, operation: str, request: Mapping[str, Any]) -> _Message:
        queue, receipt = self.queues[request["QueueUrl"]], request["ReceiptHandle"]
        message = next((each for each in queue if each.held and each.receipt == receipt), None)
        if message is not None and self.too_late:
            self.too_late -= 1
            message.held = False
            message = None
        if message is None:
            raise ClientError({"Error": {"Code": "ReceiptHandleIsInvalid"}}, operation)
        return message


@dataclass
class QueueOf(MemoryQueue):
    """A queue of the stand-in, to send to."""

    sqs: Sqs
    url: str

    @override
    def send_all(self, bodies: Iterable[str], **named: Any) -> None:
        assert named.keys() <= {"group"}
        self.sqs.send(self.url, *bodies, group=named.get("group"))


@dataclass
class DeploymentStandIn:
    """A deployment as cancelling and redriving see it; its last shard is drained."""

    sqs: Sqs = field(default_factory=Sqs)
    broadcasts: MemoryBroadcastStore = field(default_factory=MemoryBroadcastStore)
    snapshots: MemorySnapshotStore = field(default_factory=MemorySnapshotStore)
    directory: MemoryCellDirectory = field(default_factory=MemoryCellDirectory)
    cells: dict[CellName, "DeploymentStandIn"] = field(default_factory=dict)
    report_grace_seconds: int = 60
    shard_names: tuple[str, ...] = ("shard-0", "shard-1", "shard-2")
    used_shard_names: tuple[str, ...] = ("shard-0", "shard-1")

    @property
    def outputs(self) -> dict[str, Any]:
        """Terraform's outputs about the cells."""
        return {"cells": {cell: {"placement": {"lease_seconds": 15}} for cell in self.cells}}

    @property
    def chunk_queue_names(self) -> list[str]:
        """The shards, and the queues of large rooms and small broadcasts."""
        return [*self.shard_names, "rooms", "express"]

    @property
    def queue_urls(self) -> dict[str, str]:
        """The URLs of the queues, which are their names."""
        names = (
            "dead-letter",
            "broadcast",
            "partition",
            "outcome",
            *self.chunk_queue_names,
            "dead-letter-fifo",
            "pooled",
        )
        return {name: name for name in names}

    def answering_within(self, _: float) -> "DeploymentStandIn":
        """The same: it answers at once."""
        return self

    def client(self, service: str) -> Sqs:
        """SQS."""
        assert service == "sqs"
        return self.sqs

    def queue(self, name: str) -> QueueOf:
        """One of the queues."""
        return QueueOf(self.sqs, self.queue_urls[name])

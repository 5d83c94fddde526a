"""A simulated system as the operator's commands reach it: the part of `tools.stack.deployment.Deployment` they use.

Faults do not strike the calls of commands, but functions run between them.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.queues.sqs import SqsQueue
from tests.simulation.system import SHARDS
from tests.support.dynamodb.engine import EngineClient, EngineRequest

if TYPE_CHECKING:
    from loudhailer.broadcast.port import BroadcastStore
    from loudhailer.queues.port import Queue
    from tests.simulation.queues import SimulatedQueue
    from tests.simulation.system import SimulatedSystem


class SimulatedDeployment:
    """The tables and queues of a system; a queue's URL is its name."""

    used_shard_names = SHARDS

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._sqs = _Sqs(system)

    @cached_property
    def dynamodb(self) -> Any:
        """A client of DynamoDB."""
        system = self._system

        def carry_out(operation: str, request: EngineRequest) -> Any:
            system.scheduler.sleep(system.latency())
            return system.tables.carry_out(operation, request)

        return EngineClient(carry_out)

    @cached_property
    def broadcasts(self) -> "BroadcastStore":
        """The broadcasts' rows."""
        return DynamoBroadcastStore(self.dynamodb, "broadcasts", clock=self._system.scheduler.time)

    @cached_property
    def queue_urls(self) -> Mapping[str, str]:
        """The queues' URLs."""
        return {name: name for name in self._system.queues}

    def queue(self, name: str) -> "Queue":
        """One of the queues, to send to."""
        return SqsQueue(self._sqs, name, pause=self._system.scheduler.sleep)

    def client(self, service: str) -> Any:
        """A client of SQS or DynamoDB."""
        return self._sqs if service == "sqs" else self.dynamodb


class _Sqs:
    """boto3's client of SQS, as the commands use it."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> Any:  # noqa: N803
        """Some messages of the queue."""
        return {
            "Messages": [
                {
                    "MessageId": message.message_id,
                    "ReceiptHandle": f"{message.number}.{message.receipt}",
                    "Body": message.body,
                    "Attributes": {
                        "ApproximateReceiveCount": str(message.receives),
                        "MessageGroupId": message.group,
                        "DeadLetterQueueSourceArn": f"arn:aws:sqs:eu-west-1:111111111111:{message.source}",
                    },
                    "MessageAttributes": {name: {"StringValue": value} for name, value in message.attributes.items()},
                }
                for message in self._queue(QueueUrl).receive(MaxNumberOfMessages)
            ]
        }

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        """Delete a message."""
        self._queue(QueueUrl).delete(int(ReceiptHandle.partition(".")[0]))

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """Have a message come again at another time."""
        self._queue(QueueUrl).postpone(ReceiptHandle, VisibilityTimeout)

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageAttributes: Mapping[str, Any],  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
    ) -> None:
        """Take one message of a FIFO queue."""
        self._queue(QueueUrl).put(
            MessageBody,
            group=MessageGroupId,
            deduplication=MessageDeduplicationId,
            attributes={name: value["StringValue"] for name, value in MessageAttributes.items()},
        )

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        """Take up to ten messages of a standard queue."""
        queue = self._queue(QueueUrl)
        for entry in Entries:
            queue.put(entry["MessageBody"], group=entry.get("MessageGroupId", ""))
        return {"Successful": [], "Failed": []}

    def _queue(self, url: str) -> "SimulatedQueue":
        """The queue, some milliseconds later."""
        self._system.scheduler.sleep(self._system.latency())
        return self._system.queues[url]

"""A simulated system as the operator's commands reach it: the part of `tools.stack.deployment.Deployment` they use.

Faults do not strike the calls of commands, but functions run between them.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.ids import HUB
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.sqs import SqsQueue
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.dynamodb import DynamoTenantStore
from tests.simulation.invariants.broadcasts import LIFETIME_SECONDS
from tests.simulation.system import LEASE_SECONDS, SHARDS, TIMEOUTS
from tests.support.dynamodb.engine import EngineClient, EngineRequest, error

if TYPE_CHECKING:
    from loudhailer.broadcast.port import BroadcastStore
    from loudhailer.cells.port import CellDirectory
    from loudhailer.ids import CellName, ConnectionId
    from loudhailer.partitions.port import PartitionStore
    from loudhailer.queues.port import Queue
    from loudhailer.sessions.port import SessionStore
    from loudhailer.tenants.port import TenantStore
    from tests.simulation.queues import SimulatedQueue
    from tests.simulation.system import SimulatedSystem


class SimulatedDeployment:
    """The tables and queues of a system; a queue's URL is its name."""

    used_shard_names = SHARDS

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._sqs: Any = _Sqs(system)

    @cached_property
    def dynamodb(self) -> Any:
        """A client of DynamoDB."""
        system = self._system

        def carry_out(operation: str, request: EngineRequest) -> Any:
            system.scheduler.sleep(system.latency())
            return system.tables.carry_out(operation, request)

        return EngineClient(carry_out)

    @cached_property
    def cells(self) -> "Mapping[CellName, SimulatedDeployment]":
        """The further cells."""
        return {name: SimulatedDeployment(cell) for name, cell in self._system.cells.items() if cell.is_further}

    @property
    def all_cells(self) -> "Mapping[CellName, SimulatedDeployment]":
        """The hub's cell, which this one is then, and the further ones."""
        return {HUB: self, **self.cells}

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of Terraform that commands read."""
        described = {"placement": {"lease_seconds": LEASE_SECONDS}, "weights": dict.fromkeys(self._system.names, 1)}
        return {
            "cells": dict.fromkeys(self.cells, described),
            "message_lifetime_seconds": LIFETIME_SECONDS,
            "timeouts": TIMEOUTS,
        }

    @cached_property
    def directory(self) -> "CellDirectory":
        """The leases and orders."""
        return DynamoCellDirectory(self.dynamodb, "cells")

    @cached_property
    def tenants(self) -> "TenantStore":
        """The tenants."""
        return DynamoTenantStore(self.dynamodb, "tenants")

    @cached_property
    def sessions(self) -> "SessionStore":
        """The sessions."""
        return DynamoSessionStore(self.dynamodb, "sessions")

    @cached_property
    def partitions(self) -> "PartitionStore":
        """The partitions and their counts."""
        return DynamoPartitionStore(self.dynamodb, "partitions")

    @cached_property
    def gateway(self) -> Any:
        """A client of the management API."""
        return _Gateway(self._system)

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


class _Gateway:
    """boto3's client of API Gateway's management API, as the commands use it."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system

    def post_to_connection(self, *, ConnectionId: "ConnectionId", Data: bytes) -> None:  # noqa: N803
        """Post a frame."""
        self._system.scheduler.sleep(self._system.latency())
        status = self._system.gateway.status_of_post(ConnectionId, Data)
        if status != 200:
            raise error("GoneException" if status == 410 else "LimitExceededException", "PostToConnection")


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
        """Have a message delivered again at another time."""
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

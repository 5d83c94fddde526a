"""Two queues of the probe's own, the second one for what the first one gives up: made for a run, and deleted after it.

SQS does not take the name of a deleted queue for a minute, so each run has names of its own.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.interruptions import undisturbed

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

PREFIX = "loudhailer-probe-"
RECEIVES = 2
"""A message that was received so often is given up."""


@dataclass(frozen=True)
class OwnQueues:
    """The queues, by their URLs."""

    client: "SQSClient"
    source: str
    dead_letters: str

    def send(self, body: str) -> None:
        """Send a message to the first one."""
        self.client.send_message(QueueUrl=self.source, MessageBody=body)

    def receive(self, queue: str) -> int | None:
        """Receive the message, and let it be seen again at once; the count of its receives, None if it is not there."""
        answer = self.client.receive_message(
            QueueUrl=queue, VisibilityTimeout=0, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
        counts = [int(message["Attributes"]["ApproximateReceiveCount"]) for message in answer.get("Messages", [])]
        return counts[0] if counts else None


@contextmanager
def own_queues(client: "SQSClient") -> Iterator[OwnQueues]:
    """Make the queues for the block, and delete them in the end."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    with ExitStack() as made:
        dead_letters = _made(made, client, f"{name}-dead-letters", {})
        arn = client.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES}
        source = _made(made, client, f"{name}-source", {"RedrivePolicy": json.dumps(policy)})
        yield OwnQueues(client, source, dead_letters)


def remove_left(client: "SQSClient") -> int:
    """Delete the queues that probes left which were killed; their number."""
    urls = client.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])
    for url in urls:
        client.delete_queue(QueueUrl=url)
    return len(urls)


def _made(made: ExitStack, client: "SQSClient", name: str, attributes: dict[str, str]) -> str:
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type] # of names
    made.callback(_delete, client, url)
    return url


def _delete(client: "SQSClient", url: str) -> None:
    with undisturbed():
        client.delete_queue(QueueUrl=url)

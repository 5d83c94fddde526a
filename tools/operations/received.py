"""Reading a queue from the command line: each message is taken, or goes back at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HELD_SECONDS = 30
_EMPTY_ANSWERS = 2


@dataclass(frozen=True)
class Received:
    """A message, held for half a minute; `times` is how often it was received so far, this time included.

    `attributes` are its own, `system` the ones that SQS added.
    """

    client: Any
    url: str
    message_id: str
    body: str
    receipt: str
    times: int
    attributes: Mapping[str, Any]
    system: Mapping[str, str]

    def delete(self) -> None:
        """Take it out of the queue."""
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=self.receipt)

    def put_back(self) -> None:
        """Let others have it."""
        self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=self.receipt, VisibilityTimeout=0)


def received(client: Any, url: str, *, wait_seconds: int = 0) -> Iterator[Received]:
    """Return the queue's messages, until it has answered with none twice; a returned message may be received again."""
    empty = 0
    while empty < _EMPTY_ANSWERS:
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_HELD_SECONDS,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        empty = 0 if messages else empty + 1
        for message in messages:
            attributes, system = message.get("MessageAttributes", {}), message["Attributes"]
            times = int(system["ApproximateReceiveCount"])
            yield Received(
                client, url, message["MessageId"], message["Body"], message["ReceiptHandle"], times, attributes, system
            )

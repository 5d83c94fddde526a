"""Reading a queue from the command line: each message is taken, or goes back at once."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

_HELD_SECONDS = 30
_MARGIN_SECONDS = 5
_EMPTY_ANSWERS = 2

_HELD_NO_LONGER = {
    "ReceiptHandleIsInvalid",
    "AWS.SimpleQueueService.MessageNotInflight",
    "MessageNotInflight",
    "InvalidParameterValue",
}
"""Codes for a receipt whose time is over. Another receiver may have the message meanwhile, or it is gone.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""


@dataclass(frozen=True)
class Received:
    """A message, held for half a minute; `times` is how often it was received so far, this time included.

    `attributes` are its own, `system` the ones that SQS added; `held_until` is a time of the monotonic clock.
    """

    client: Any
    url: str
    message_id: str
    body: str
    receipt: str
    times: int
    attributes: Mapping[str, Any]
    system: Mapping[str, str]
    held_until: float

    @property
    def is_held(self) -> bool:
        """Tell whether no other receiver can have it for some seconds."""
        return time.monotonic() < self.held_until - _MARGIN_SECONDS

    def delete(self) -> None:
        """Take it out of the queue; after the half minute it may stay there, and is received again."""
        self._while_held(self.client.delete_message)

    def put_back(self) -> None:
        """Let others have it; after the half minute they have it already."""
        self._while_held(self.client.change_message_visibility, VisibilityTimeout=0)

    def _while_held(self, call: Callable[..., object], **arguments: int) -> None:
        try:
            call(QueueUrl=self.url, ReceiptHandle=self.receipt, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _HELD_NO_LONGER:
                raise


def received(client: Any, url: str, *, wait_seconds: int = 0) -> Iterator[Received]:
    """Return the queue's messages, until two answers in a row were empty.

    A message that was put back, or was held for too long, may be returned once more, with another receipt. So it ends,
    too, when as many messages as are known have come in a row, and none of them was new.
    """
    known = set[str]()
    empty = repeated = 0
    while empty < _EMPTY_ANSWERS and repeated <= len(known):
        held_until = time.monotonic() + _HELD_SECONDS
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_HELD_SECONDS,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        new = {message["MessageId"] for message in messages} - known
        known |= new
        empty = 0 if messages else empty + 1
        repeated = 0 if new else repeated + len(messages)
        for message in messages:
            attributes, system = message.get("MessageAttributes", {}), message["Attributes"]
            times = int(system["ApproximateReceiveCount"])
            yield Received(
                client,
                url,
                message["MessageId"],
                message["Body"],
                message["ReceiptHandle"],
                times,
                attributes,
                system,
                held_until,
            )

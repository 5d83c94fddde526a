"""Ports of queues, as use cases need them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

MAX_BATCH_ENTRIES = 10
"""Entries of one SendMessageBatch: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

MAX_BATCH_BYTES = 256 * 1024
"""Bytes of one message, and of a batch together; AWS allows 1 MiB by now, Terraform's provider 5.100 does not."""

MAX_DELAY_SECONDS = 900


class Queue(Protocol):
    """A queue that takes messages."""

    def send_all(
        self,
        bodies: Iterable[str],
        *,
        delay_seconds: int = 0,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        """Send every body, in as few batches as entries and bytes allow; entries that fail are tried again.

        Every message carries the attributes, as strings. While messages of one group keep the queue's workers busy,
        those of other groups come first: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html

        Raises:
            TransientError: after the retries some were not accepted; any of the others may have been.
            PermanentError: a body can never be accepted: it is too long or has a character that SQS refuses.
        """


class FifoMessage(NamedTuple):
    """A message of a FIFO queue.

    Attributes:
        body: its text.
        group: messages of the same group are received in order; at most 128 letters, digits and punctuation.
        deduplication: the queue drops a message of the group with the same value within five minutes of the first.
    """

    body: str
    group: str
    deduplication: str


class FifoQueue(Protocol):
    """A FIFO queue that takes messages."""

    def send_all(self, messages: Iterable[FifoMessage]) -> None:
        """Send every message, as `Queue.send_all` does; a repeated message may come after later ones of its group.

        Raises:
            TransientError: some were not accepted, after the retries; any of the others may have been.
            PermanentError: a body can never be accepted.
        """

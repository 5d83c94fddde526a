"""Packing of messages into SendMessageBatch calls."""

import re
from collections.abc import Iterable, Iterator

from loudhailer.errors import PermanentError
from loudhailer.queues.port import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html lists the legal characters.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_legal(text: str) -> bool:
    """Tell whether SQS accepts each of the text's characters."""
    return (text.isascii() and text.isprintable()) or _ILLEGAL.search(text) is None


def refuse_illegal(body: str) -> None:
    """Raise PermanentError for a body that SQS would never accept."""
    if not is_legal(body):
        raise PermanentError("a message has a character that SQS does not accept")
    if not body or len(body.encode()) > MAX_BATCH_BYTES:
        raise PermanentError(f"a message must have 1 to {MAX_BATCH_BYTES} bytes")


def batches(bodies: Iterable[str]) -> Iterator[list[str]]:
    """Yield the bodies in order, in batches as large as one call takes, by entries and by bytes."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        refuse_illegal(body)
        length = len(body) if body.isascii() else len(body.encode())
        if batch and (len(batch) == MAX_BATCH_ENTRIES or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch

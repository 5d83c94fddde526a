"""Batch calls of DynamoDB and SQS, and pages of answers."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import batched
from typing import Any

from loudhailer.aws.errors import calling
from loudhailer.errors import TransientError
from loudhailer.observability import logger

STATEMENTS_A_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html"""

_KEYS_A_READ = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

_KEYS_A_WRITE = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""

BATCH_ATTEMPTS = 6
_SQS_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05


def paged(action: str, pages: Iterable[Any]) -> Iterator[Any]:
    """Yield the pages of a paginator, each read on demand; TransientError if a page cannot be read."""
    remaining = iter(pages)
    while True:
        with calling(action):
            page = next(remaining, None)
        if page is None:
            return
        yield page


def get_rows(
    client: Any,
    table: str,
    keys: Iterable[dict[str, Any]],
    *,
    pause: Callable[[float], None] = time.sleep,
    **projection: Any,
) -> Iterator[dict[str, Any]]:
    """Yield the rows that exist, in any order, read consistently; 100 keys per BatchGetItem.

    `projection` is a ProjectionExpression and its ExpressionAttributeNames.

    Raises:
        TransientError: a call failed, or keys were left unprocessed in 6 attempts, about 1.5 s.
    """
    for batch in batched(keys, _KEYS_A_READ, strict=False):
        request = {table: {"Keys": list(batch), "ConsistentRead": True, **projection}}
        for answer in _attempts("BatchGetItem", client.batch_get_item, request, "UnprocessedKeys", pause):
            yield from answer["Responses"].get(table, [])


def delete_rows(
    client: Any, table: str, keys: Iterable[dict[str, Any]], *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Delete the rows, 25 per BatchWriteItem; missing rows are ignored.

    Raises:
        TransientError: as for `get_rows`; some of the rows may be deleted.
    """
    for batch in batched(keys, _KEYS_A_WRITE, strict=False):
        request = {table: [{"DeleteRequest": {"Key": key}} for key in batch]}
        for _ in _attempts("BatchWriteItem", client.batch_write_item, request, "UnprocessedItems", pause):
            pass


def _attempts(
    action: str, call: Callable[..., Any], request: Any, unprocessed_field: str, pause: Callable[[float], None]
) -> Iterator[Any]:
    """Yield the answers to a batch; entries that DynamoDB left unprocessed are requested again, with growing delays.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html#Programming.Errors.BatchOperations
    """
    for attempt in range(BATCH_ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
        with calling(action):
            answer = call(RequestItems=request)
        yield answer
        request = answer.get(unprocessed_field)
        if not request:
            return
    raise TransientError(f"{action} left rows unprocessed in {BATCH_ATTEMPTS} attempts")


def call_in_batch(
    action: str,
    call: Callable[..., Any],
    url: str,
    entries: Iterable[Mapping[str, Any]],
    *,
    pause: Callable[[float], None],
) -> None:
    """Make a batch call of SQS, and repeat entries that failed although the call was answered 200.

    The client itself repeats failed calls. An entry that fails through the sender's fault is not repeated, since it
    would fail again:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html

    Raises:
        TransientError: the call failed, or some of the entries did after the retries; the others are done.
    """
    pending = {entry["Id"]: entry for entry in entries}
    wanted = len(pending)
    for attempt in range(_SQS_ATTEMPTS):
        if attempt:
            pause(0.05 * 2**attempt)
        with calling(action):
            answer = call(QueueUrl=url, Entries=list(pending.values()))
        failed = answer.get("Failed", [])
        if not failed:
            return
        logger.warning("entries of a batch failed", action=action, codes=sorted({entry["Code"] for entry in failed}))
        pending = {entry["Id"]: pending[entry["Id"]] for entry in failed}
        if all(entry["SenderFault"] for entry in failed):
            break
    raise TransientError(f"{action} failed for {len(pending)} of {wanted} messages")

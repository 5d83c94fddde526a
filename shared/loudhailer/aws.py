"""How AWS clients are made, and how their errors are told apart."""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from itertools import batched
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer.errors import TransientError
from loudhailer.observability import logger

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

CONNECT_SECONDS = 2
READ_SECONDS = 5
POOLED_CONNECTIONS = 32

STATEMENTS_A_BATCH = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html"""

CONDITION_FAILED = "ConditionalCheckFailed"
"""The code of a PartiQL statement, one of a batch, whose WHERE does not hold; an UPDATE of no row is one, too.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""

_CONDITIONS = {"ConditionalCheckFailedException", "TransactionCanceledException"}

_KEYS_A_READ = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

_KEYS_A_WRITE = 25
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"""

BATCH_ATTEMPTS = 6
_SQS_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05

_making = Lock()
"""A session is used by one thread at a time; clients are for all of them.
https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions"""


def client(service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
    """A client of an AWS service in the function's Region, with short timeouts and the SDK's standard retries.

    One attempt is for calls that must not be carried out twice; `seconds` for those whose answer is of no use later.
    """
    with _making:
        return _session().client(service, config=config(attempts, seconds))  # type: ignore[call-overload]  # the caller knows its type


@cache
def _session() -> "boto3.Session":
    # Imported late: it takes most of a cold start, which `post_message` goes without until it has posted.
    import boto3  # noqa: PLC0415

    from loudhailer.sdk import SdkSession  # noqa: PLC0415

    return boto3.Session(botocore_session=SdkSession())


def config(attempts: int, seconds: float | None = None) -> "Config":
    """How every client is made.

    The SDK composes its User-Agent anew for each request, and checks parameters that AWS checks again: without the two
    a call costs a third less CPU.
    """
    from botocore.config import Config  # noqa: PLC0415  # late, as above

    return Config(
        connect_timeout=seconds or CONNECT_SECONDS,
        read_timeout=seconds or READ_SECONDS,
        max_pool_connections=POOLED_CONNECTIONS,
        tcp_keepalive=True,
        user_agent="loudhailer",
        parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


class LateClient:
    """A client of an AWS service that is made when it is first used; by `client`, unless another maker is given."""

    def __init__(self, service: str, make: Callable[[str], Any] | None = None) -> None:
        self._service = service
        self._make = make

    def __getattr__(self, name: str) -> Any:
        """The client's attribute; looked up here once only, since it is kept."""
        if "_client" not in self.__dict__:
            self.__dict__["_client"] = (self._make or client)(self._service)
        attribute = getattr(self.__dict__["_client"], name)
        setattr(self, name, attribute)
        return attribute


@contextmanager
def calling(action: str) -> Iterator[None]:
    """Around a call: its errors become TransientErrors that name the action.

    A condition that does not hold is no error of the call: ConditionalCheckFailedException and
    TransactionCanceledException pass through, for the caller to read.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _CONDITIONS:
            raise
        raise TransientError(f"{action} failed: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"{action} failed: {error}") from error


def is_refused(error: ClientError) -> bool:
    """Whether the call was refused because a condition did not hold; for a transaction, for that reason alone."""
    if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
        return True
    reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
    return bool(reasons) and reasons <= {"None", "ConditionalCheckFailed"}


AS_IT_STANDS: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""Asks, with a conditional write, for the row as it stands where the condition fails; see `holds`."""


def holds(
    action: str, write: Callable[[], object], *, has_made: Callable[[dict[str, Any]], bool] | None = None
) -> bool:
    """Carries out a conditional write; False if its condition did not hold, so that nothing was written.

    The SDK repeats a write whose answer was lost, and then the condition may fail because of the first attempt.
    `has_made` tells by the row, which a write with AS_IT_STANDS gets, whether this write has made it.
    """
    try:
        with calling(action):
            write()
    except ClientError as error:
        if is_refused(error):
            standing: Any = error.response.get("Item")  # the stubs do not know it
            return has_made is not None and standing is not None and has_made(standing)
        raise TransientError(f"{action} failed: {error}") from error
    return True


def update_if(
    client: Any,
    table: str,
    key: dict[str, Any],
    changes: str,
    condition: str,
    *,
    values: dict[str, Any] | None = None,
    has_made: Callable[[dict[str, Any]], bool] | None = None,
) -> bool:
    """Changes one row by an UpdateItem; False if the condition does not hold, so that nothing was written.

    For `has_made` see `holds`.
    """
    update = partial(
        client.update_item,
        TableName=table,
        Key=key,
        UpdateExpression=changes,
        ConditionExpression=condition,
        **({"ExpressionAttributeValues": values} if values else {}),
        **(AS_IT_STANDS if has_made else {}),
    )
    return holds("UpdateItem", update, has_made=has_made)


def paged(action: str, pages: Iterable[Any]) -> Iterator[Any]:
    """The pages of a paginator, each read when it is asked for; TransientError where one cannot be read."""
    left = iter(pages)
    while True:
        with calling(action):
            page = next(left, None)
        if page is None:
            return
        yield page


def new_nonce() -> str:
    """A name for one write, by which a repeated one knows its first attempt; 32 hex digits."""
    return uuid.uuid4().hex


def get_rows(
    client: Any,
    table: str,
    keys: Iterable[dict[str, Any]],
    *,
    pause: Callable[[float], None] = time.sleep,
    **projection: Any,
) -> Iterator[dict[str, Any]]:
    """Those of the rows that there are, in any order, read consistently; 100 keys a BatchGetItem.

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
    """Deletes the rows, 25 a BatchWriteItem; those that are not there are fine.

    Raises:
        TransientError: as for `get_rows`; some of the rows may be deleted.
    """
    for batch in batched(keys, _KEYS_A_WRITE, strict=False):
        request = {table: [{"DeleteRequest": {"Key": key}} for key in batch]}
        for _ in _attempts("BatchWriteItem", client.batch_write_item, request, "UnprocessedItems", pause):
            pass


def _attempts(
    action: str, call: Callable[..., Any], request: Any, left: str, pause: Callable[[float], None]
) -> Iterator[Any]:
    """The answers to a batch: what DynamoDB left, for want of capacity, is asked for again, later each time.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html#Programming.Errors.BatchOperations
    """
    for attempt in range(BATCH_ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
        with calling(action):
            answer = call(RequestItems=request)
        yield answer
        request = answer.get(left)
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
    """Carries out a batch call of SQS, whose answer may be 200 although entries failed; those are tried again.

    The client retries failed calls by itself. What is the sender's fault fails again, so it is not repeated.
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

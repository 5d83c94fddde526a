"""Transactions of DynamoDB, repeated when they conflict or are throttled."""

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling, is_refused, reasons_of
from loudhailer.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

CONFLICT = "TransactionConflict"
"""Reason of an item that another call is writing to."""

THROTTLED = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError"})
"""Reasons of an item whose key or table is throttled."""

ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.05


def write_together(
    client: "DynamoDBClient",
    items: Sequence["TransactWriteItemTypeDef"],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Carry out all of the writes or none, in one TransactWriteItems; False if a condition did not hold.

    DynamoDB cancels a transaction that meets another writer, or a throttled key. Then nothing is written, and the SDK
    does not repeat the call. This function repeats it, with growing pauses. Each attempt has a new token, because
    DynamoDB may remember the token of a cancelled one.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling

    Raises:
        TransientError: the call failed, or conflicted or was throttled in all 6 attempts, about 1.5 s.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
        try:
            with calling("TransactWriteItems"):
                client.transact_write_items(TransactItems=items)
        except ClientError as error:
            if is_refused(error):
                return False
            cause = error
            if not was_too_busy(error):
                break
        else:
            return True
    raise TransientError(f"TransactWriteItems failed: {cause}") from cause


def was_too_busy(error: ClientError) -> bool:
    """Tell whether a transaction was cancelled because DynamoDB was too busy with one of its items."""
    return not reasons_of(error).isdisjoint({CONFLICT, *THROTTLED})

"""Conditional writes to DynamoDB, which the SDK may repeat."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling, is_refused
from loudhailer.errors import TransientError

CONDITION_FAILED = "ConditionalCheckFailed"
"""The code of a PartiQL statement, one of a batch, whose WHERE does not hold; an UPDATE of no row is one, too.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""


AS_IT_STANDS: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""Asks, with a conditional write, for the row as it stands where the condition fails; see `holds`."""


def holds(
    action: str, write: Callable[[], object], *, has_made: Callable[[dict[str, Any]], bool] | None = None
) -> bool:
    """Carry out a conditional write; False if its condition did not hold, so that nothing was written.

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
    """Change one row by an UpdateItem; False if the condition does not hold, so that nothing was written.

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


def new_nonce() -> str:
    """A name for one write, by which a repeated one knows its first attempt; 32 hex digits."""
    return uuid.uuid4().hex

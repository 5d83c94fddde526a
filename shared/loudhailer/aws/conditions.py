"""Conditional writes to DynamoDB, which the SDK may repeat."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling, is_refused
from loudhailer.errors import TransientError

CONDITION_FAILED = "ConditionalCheckFailed"
"""Error code of a PartiQL statement in a batch whose WHERE does not match; an UPDATE of a missing row has it, too.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""


RETURN_CURRENT_ROW: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""Option of a conditional write: if the condition fails, the error has the current row; see `holds`."""


def holds(
    action: str, write: Callable[[], object], *, has_made: Callable[[dict[str, Any]], bool] | None = None
) -> bool:
    """Carry out a conditional write; return False if its condition failed and nothing was written.

    The SDK repeats a write whose answer was lost, and the condition may then fail because of the first attempt. With
    the option RETURN_CURRENT_ROW, `has_made` gets the current row, and tells whether this write has made it.
    """
    try:
        with calling(action):
            write()
    except ClientError as error:
        if is_refused(error):
            current_row: Any = error.response.get("Item")  # the stubs do not know it
            return has_made is not None and current_row is not None and has_made(current_row)
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
    """Change one row with UpdateItem; return False if the condition failed and nothing was written.

    For `has_made` see `holds`.
    """
    update = partial(
        client.update_item,
        TableName=table,
        Key=key,
        UpdateExpression=changes,
        ConditionExpression=condition,
        **({"ExpressionAttributeValues": values} if values else {}),
        **(RETURN_CURRENT_ROW if has_made else {}),
    )
    return holds("UpdateItem", update, has_made=has_made)


def new_nonce() -> str:
    """Return a random name for one write, by which a repeated attempt recognises the first; 32 hex digits."""
    return uuid.uuid4().hex

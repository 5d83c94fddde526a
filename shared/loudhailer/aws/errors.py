"""Errors of AWS calls, told apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer.errors import TransientError

_CONDITIONS = {"ConditionalCheckFailedException", "TransactionCanceledException"}


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
    """Tell whether a condition that did not hold refused the call; a transaction, for that reason alone."""
    if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
        return True
    reasons = reasons_of(error)
    return bool(reasons) and reasons <= {"None", "ConditionalCheckFailed"}


def reasons_of(error: ClientError) -> set[str | None]:
    """The codes of the reasons for which a transaction was cancelled; an item that is not to blame has "None"."""
    return {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}


def code_of(error: TransientError) -> str | None:
    """The code that AWS answered with; None if there was no answer."""
    cause = error.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None

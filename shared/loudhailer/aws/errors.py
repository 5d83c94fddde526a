"""Translation and classification of errors of AWS calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer.errors import BusyError, TransientError

_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}
"""Error codes after which it is certain that nothing was written."""

_CONDITIONS = {"ConditionalCheckFailedException", "TransactionCanceledException"}


@contextmanager
def calling(action: str) -> Iterator[None]:
    """Translate the errors of a call into TransientErrors that name the action.

    A failed condition is not an error of the call: ConditionalCheckFailedException and TransactionCanceledException
    pass through, and the caller handles them.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _CONDITIONS:
            raise
        kind = BusyError if code in _THROTTLED else TransientError
        raise kind(f"{action} failed: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"{action} failed: {error}") from error


def is_refused(error: ClientError) -> bool:
    """Tell whether the call was refused by a failed condition; for a transaction, by nothing else."""
    if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
        return True
    reasons = reasons_of(error)
    return bool(reasons) and reasons <= {"None", "ConditionalCheckFailed"}


def reasons_of(error: ClientError) -> set[str | None]:
    """Return the code of each item's reason in a cancelled transaction; "None" for an item that is not the cause."""
    return {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}


def code_of(error: TransientError) -> str | None:
    """Return the error code of AWS's answer; None if there was no answer."""
    cause = error.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None

"""Reads the answer of a function with ReportBatchItemFailures.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from collections.abc import Iterable
from typing import Any


def failed_items(response: Any, identifiers: Iterable[str]) -> frozenset[str]:
    """Return which of a batch's items failed.

    Nothing, an empty object, and no or an empty list of failures say that all succeeded. A response of another form,
    and an identifier that is missing, empty or not of this batch, make the whole batch fail.
    """
    everything = frozenset(identifiers)
    if response is None:
        return frozenset()
    if not isinstance(response, dict):
        return everything
    try:
        named = frozenset(failure["itemIdentifier"] for failure in response.get("batchItemFailures") or [])
    except (KeyError, TypeError):
        return everything
    return named if named.issubset(everything) else everything

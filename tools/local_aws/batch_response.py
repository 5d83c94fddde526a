"""Reads what a function with ReportBatchItemFailures answers.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from collections.abc import Collection
from typing import Any


def failed_items(response: Any, identifiers: Collection[str]) -> frozenset[str]:
    """Which of a batch's items failed.

    Nothing, an empty object, and no or an empty list of failures say that all succeeded. A response of another form,
    and an identifier that is missing, empty or not of this batch, make the whole batch fail.
    """
    if response is None:
        return frozenset()
    everything = frozenset(identifiers)
    if not isinstance(response, dict):
        return everything
    failures = response.get("batchItemFailures") or []
    try:
        named = frozenset(failure["itemIdentifier"] for failure in failures)
    except (KeyError, TypeError):
        return everything
    return min(named, everything)

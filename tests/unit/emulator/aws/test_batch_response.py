"""Responses of functions with ReportBatchItemFailures.

The cases are the two lists under "Success and failure conditions" of
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
and https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html.
"""

from typing import Any

import pytest

from tools.emulator.aws.batch_response import failed_items

_BATCH = ["1", "2", "3"]


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_no_failures_mean_complete_success(response: Any) -> None:
    """An empty or null list, and an empty or null response, succeed."""
    assert failed_items(response, _BATCH) == frozenset()


@pytest.mark.parametrize(
    "response",
    [
        "not an object",
        ["neither"],
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"wrongKey": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "1"}, {"wrongKey": "2"}]},
        {"batchItemFailures": [{"itemIdentifier": "of another batch"}]},
        {"batchItemFailures": ["1"]},
        {"batchItemFailures": [{"itemIdentifier": ["1"]}]},
        {"batchItemFailures": 1},
    ],
)
def test_a_malformed_response_means_complete_failure(response: Any) -> None:
    """Whatever cannot be read, or names no item of the batch, fails every item."""
    assert failed_items(response, _BATCH) == frozenset(_BATCH)


def test_named_items_fail_and_the_others_do_not() -> None:
    """A well-formed list is taken at its word."""
    response = {"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}
    assert failed_items(response, _BATCH) == {"2", "3"}

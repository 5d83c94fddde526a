"""Transactions that conflict with others, and transactions that a condition refuses."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.aws.transactions import write_together
from loudhailer.errors import TransientError

CONFLICT, THROTTLED, SLOWER = "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"
REFUSED = "ConditionalCheckFailed"


class Client:
    """Cancels one transaction for each of the lists of reasons, and carries out the next."""

    def __init__(self, *cancelled: Sequence[str]) -> None:
        self._cancelled = list(cancelled)
        self.calls: list[Any] = []

    def transact_write_items(self, **request: Any) -> None:
        """As DynamoDB does; every call is a new one, with a token of its own."""
        self.calls.append(request)
        if self._cancelled:
            codes = self._cancelled.pop(0)
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": ""},
                "CancellationReasons": [{"Code": code} for code in codes],
            }
            raise ClientError(answer, "TransactWriteItems")


def written(client: Any, pauses: list[float]) -> bool:
    """Write two rows; pauses are noted and not made."""
    return write_together(client, [{}, {}], pause=pauses.append)


@pytest.mark.parametrize(
    "reasons", [("None", CONFLICT), (THROTTLED, "None"), (SLOWER, CONFLICT), (REFUSED, CONFLICT)], ids=" ".join
)
def test_a_conflicting_transaction_is_retried_with_growing_delays(reasons: Sequence[str]) -> None:
    """Up to five times, with pauses that grow and are never the same; nothing was written before."""
    client, pauses = Client(*[reasons] * 5), list[float]()
    assert written(client, pauses)
    assert client.calls == [{"TransactItems": [{}, {}]}] * 6
    assert len(set(pauses)) == 5
    assert all(0.5 <= pause / longest <= 1.5 for pause, longest in zip(pauses, (0.05, 0.1, 0.2, 0.4, 0.8), strict=True))


def test_a_transaction_that_always_conflicts_is_neither_written_nor_refused() -> None:
    """Its caller tries again later."""
    client, pauses = Client(*[("None", CONFLICT)] * 9), list[float]()
    with pytest.raises(TransientError, match="TransactWriteItems failed: ") as failed:
        written(client, pauses)
    assert isinstance(failed.value.__cause__, ClientError)
    assert (len(client.calls), len(pauses)) == (6, 5)


@pytest.mark.parametrize("before", [0, 2])
def test_a_false_condition_ends_the_attempts(before: int) -> None:
    """Also where others were in the way at first."""
    client, pauses = Client(*[("None", CONFLICT)] * before, (REFUSED, "None")), list[float]()
    assert not written(client, pauses)
    assert (len(client.calls), len(pauses)) == (before + 1, before)


@pytest.mark.parametrize("reasons", [("None", "ValidationError"), ("ItemCollectionSizeLimitExceeded", REFUSED), ()])
def test_a_transaction_that_is_cancelled_for_another_reason_is_not_repeated(reasons: Sequence[str]) -> None:
    """It would fail again."""
    client, pauses = Client(reasons), list[float]()
    with pytest.raises(TransientError, match="TransactWriteItems failed: "):
        written(client, pauses)
    assert (len(client.calls), len(pauses)) == (1, 0)

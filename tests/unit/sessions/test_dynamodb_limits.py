"""Calls about limits that are repeated: only calls that were certainly not carried out."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from loudhailer.errors import TransientError
from loudhailer.ids import HUB, TenantId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.line.dynamodb import DynamoLineStore
from loudhailer.limits.line.model import Kind
from loudhailer.limits.model import connects_of_tenant

ACME = TenantId("acme")


class Client:
    """A client whose calls end, one after the other, as the test says."""

    def __init__(self, *ends: Exception | None) -> None:
        self._ends = list(ends)
        self.calls = 0
        self.changes: list[str] = []

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Raise an error, or return."""
        self.calls += 1
        self.changes.append(request["UpdateExpression"])
        if end := self._ends.pop(0):
            raise end
        return {"Attributes": {"itemCount": {"N": "1"}, "slotEnd": {"N": "1001000000"}}}


def error(code: str) -> ClientError:
    """An error that DynamoDB answers with."""
    return ClientError({"Error": {"Code": code, "Message": ""}}, "UpdateItem")


def store(client: Any) -> DynamoLimitStore:
    """A store that does not wait."""
    return DynamoLimitStore(client, "limits", pause=lambda _: None)


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_call_is_repeated(code: str) -> None:
    """Nothing was written."""
    client = Client(error(code), error(code), None)
    assert store(client).reserve(ACME, 5)
    assert client.calls == 3


def test_throttling_without_end_is_transient() -> None:
    """There is an end to trying."""
    client = Client(*[error("ThrottlingException")] * 4)
    with pytest.raises(TransientError):
        store(client).reserve(ACME, 5)
    assert client.calls == 4


@pytest.mark.parametrize("end", [error("InternalServerError"), ReadTimeoutError(endpoint_url="https://test")], ids=repr)
def test_a_call_of_unknown_outcome_is_not_repeated(end: Exception) -> None:
    """Released twice, a total would be too low."""
    client = Client(end)
    with pytest.raises(TransientError):
        store(client).release(ACME, 1)
    assert client.calls == 1


def test_a_throttled_count_is_repeated() -> None:
    """Nothing was counted."""
    client = Client(error("ThrottlingException"), None)
    assert store(client).count_in_minute(connects_of_tenant(ACME), 60) == 1
    assert client.calls == 2


def test_a_count_of_unknown_outcome_is_left_to_the_caller() -> None:
    """The caller may repeat it, or end with an error before the function's time is over."""
    client = Client(ReadTimeoutError(endpoint_url="https://test"))
    with pytest.raises(TransientError):
        store(client).count_in_minute(connects_of_tenant(ACME), 60)
    assert client.calls == 1


def test_a_line_that_others_extend_all_the_time_is_transient() -> None:
    """One of its two conditions holds at any moment, but another writer may come between the attempts."""
    client: Any = Client(*[error("ConditionalCheckFailedException")] * 6)
    with pytest.raises(TransientError):
        DynamoLineStore(client, "limits").extend(HUB, Kind.SLOT, 1, 1_000)
    assert client.calls == 6


def test_a_line_is_extended_with_one_write() -> None:
    """It starts again if it was over when it was seen last, and is made longer if it was not."""
    client: Any = Client(None, None, None)
    line = DynamoLineStore(client, "limits")
    for now in (1_000, 1_000, 1_002):
        line.extend(HUB, Kind.SLOT, 1, now)
    assert [changes[:3] for changes in client.changes] == ["SET", "ADD", "SET"]

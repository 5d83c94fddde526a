"""Outcomes of calls of AWS: conditions that do not hold, conflicts, and batches that are left unprocessed in part."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from loudhailer.aws import clients
from loudhailer.aws.batches import delete_rows, get_rows
from loudhailer.aws.clients import LateClient
from loudhailer.aws.conditions import holds, update_if
from loudhailer.aws.errors import calling, is_refused
from loudhailer.errors import TransientError
from tests.support.limits import BATCH_ATTEMPTS
from tests.unit.aws.sdk_wire import FUNCTION

TABLE = "loudhailer-test-rows"


class StubDynamo:
    """Processes the first of the keys of each call, as many as `processes` says, and leaves the others."""

    def __init__(self, processes: Callable[[int], int]) -> None:
        self._processes = processes
        self.calls: list[int] = []
        self.deleted: list[Any] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """As DynamoDB answers: 200, with the unprocessed entries."""
        ((table, wanted),) = RequestItems.items()
        assert (table, wanted["ConsistentRead"], wanted["ProjectionExpression"]) == (TABLE, True, "k")
        keys, unprocessed = self._divide(wanted["Keys"])
        return {
            "Responses": {table: keys} if keys else {},
            "UnprocessedKeys": {table: {**wanted, "Keys": unprocessed}} if unprocessed else {},
        }

    def batch_write_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Likewise."""
        ((table, wanted),) = RequestItems.items()
        done, unprocessed = self._divide(wanted)
        self.deleted += [one["DeleteRequest"]["Key"] for one in done]
        return {"UnprocessedItems": {table: unprocessed} if unprocessed else {}}

    def _divide(self, keys: list[Any]) -> tuple[list[Any], list[Any]]:
        self.calls.append(len(keys))
        taken = self._processes(len(keys))
        return keys[:taken], keys[taken:]


def rows(number: int) -> list[dict[str, Any]]:
    """So many keys."""
    return [{"k": {"N": str(each)}} for each in range(number)]


def read(stub: Any, keys: list[dict[str, Any]], pauses: list[float]) -> list[dict[str, Any]]:
    """Return what is read of the rows; pauses are noted and not made."""
    return list(get_rows(stub, TABLE, keys, pause=pauses.append, ProjectionExpression="k"))


def test_a_batch_that_is_processed_takes_one_call() -> None:
    """One call reads 100 keys, or deletes 25; no key takes none."""
    stub, pauses = StubDynamo(lambda keys: keys), list[float]()
    assert read(stub, rows(201), pauses) == rows(201)
    delete_rows(stub, TABLE, rows(51), pause=pauses.append)
    assert stub.deleted == rows(51)
    assert read(stub, [], pauses) == []
    delete_rows(stub, TABLE, [], pause=pauses.append)
    assert (stub.calls, pauses) == ([100, 100, 1, 25, 25, 1], [])


def test_unprocessed_items_are_requested_again_with_growing_delays() -> None:
    """Half of it each time: all of it comes, in five attempts, with pauses that grow and are never the same."""
    stub, pauses = StubDynamo(lambda keys: (keys + 1) // 2), list[float]()
    assert read(stub, rows(20), pauses) == rows(20)
    assert stub.calls == [20, 10, 5, 2, 1]
    assert len(set(pauses)) == 4
    for number, pause in enumerate(pauses):
        assert 0.025 * 2**number <= pause <= 0.075 * 2**number
    delete_rows(stub, TABLE, rows(20), pause=pauses.append)
    assert stub.deleted == rows(20)


@pytest.mark.parametrize("call", [read, lambda stub, keys, pauses: delete_rows(stub, TABLE, keys, pause=pauses.append)])
def test_items_that_are_never_processed_are_a_transient_error(call: Callable[..., object]) -> None:
    """After so many attempts, and less than three seconds."""
    stub, pauses = StubDynamo(lambda _: 0), list[float]()
    with pytest.raises(TransientError, match="unprocessed in 6 attempts"):
        call(stub, rows(3), pauses)
    assert stub.calls == [3] * BATCH_ATTEMPTS
    assert len(pauses) == BATCH_ATTEMPTS - 1
    assert sum(pauses) < 3


def test_a_call_that_fails_is_a_transient_error() -> None:
    """The SDK has tried it again already."""

    class Broken:
        def batch_get_item(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "BatchGetItem")

    pauses: list[float] = []
    with pytest.raises(TransientError, match="BatchGetItem failed"):
        read(Broken(), rows(1), pauses)
    assert pauses == []


def refusal(code: str, *reasons: str) -> ClientError:
    """An error that DynamoDB answers with; a transaction's has a reason for each of its items."""
    answer: Any = {"Error": {"Code": code, "Message": "no"}}
    if reasons:
        answer["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(answer, "Call")


def raising(error: Exception) -> Callable[[], None]:
    """A call that ends so."""

    def call() -> None:
        raise error

    return call


CANCELLED = "TransactionCanceledException"


@pytest.mark.parametrize(
    "error",
    [
        refusal("ConditionalCheckFailedException"),
        refusal(CANCELLED, "ConditionalCheckFailed"),
        refusal(CANCELLED, "None", "ConditionalCheckFailed"),
        refusal(CANCELLED, "ConditionalCheckFailed", "ConditionalCheckFailed"),
    ],
    ids=str,
)
def test_a_write_with_a_false_condition_is_no_error(error: ClientError) -> None:
    """Nothing was written, and trying again would change nothing."""
    assert is_refused(error)
    assert not holds("Write", raising(error))


@pytest.mark.parametrize(
    "error",
    [
        refusal(CANCELLED, "TransactionConflict"),
        refusal(CANCELLED, "None", "TransactionConflict"),
        refusal(CANCELLED, "ConditionalCheckFailed", "TransactionConflict"),
        refusal(CANCELLED, "ConditionalCheckFailed", "ThrottlingError"),
        refusal(CANCELLED, "ProvisionedThroughputExceeded", "None"),
        refusal(CANCELLED),
        refusal("TransactionInProgressException"),
    ],
    ids=lambda error: f"{error} {error.response.get('CancellationReasons')}",
)
def test_a_write_cancelled_for_another_reason_may_be_retried(error: ClientError) -> None:
    """It counts neither as written nor as refused: whether its condition holds is not known.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors
    """
    assert not is_refused(error)
    with pytest.raises(TransientError, match=r"^Write failed: .*no$") as raised:
        holds("Write", raising(error))
    assert raised.value.__cause__ is error


def test_a_successful_write_counts_as_held() -> None:
    """The answer of the call does not matter."""
    assert holds("Write", lambda: None)


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", CANCELLED])
def test_a_failed_condition_is_raised_unchanged(code: str) -> None:
    """The caller reads AWS's own error."""
    error = refusal(code)
    with pytest.raises(ClientError) as raised, calling("Call"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    "error", [refusal("ValidationException"), EndpointConnectionError(endpoint_url="https://test")], ids=str
)
def test_any_other_error_of_a_call_names_the_call(error: Exception) -> None:
    """With the SDK's words, and the SDK's error as its cause."""
    with pytest.raises(TransientError, match=r"^Call failed: ") as raised, calling("Call"):
        raise error
    assert str(raised.value) == f"Call failed: {error}"
    assert raised.value.__cause__ is error


def test_a_late_client_is_created_once_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its methods is looked up once."""
    made: list[str] = []

    class Client:
        def publish(self) -> str:
            return "published"

        def close(self) -> str:
            return "closed"

    def client(service: str) -> Client:
        made.append(service)
        return Client()

    monkeypatch.setattr(clients, "client", client)
    late = LateClient("sns")
    assert made == []
    assert [late.publish(), late.publish(), late.close()] == ["published", "published", "closed"]
    assert made == ["sns"]
    assert "publish" in vars(late)


def test_clients_have_short_timeouts_and_the_configured_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function has 15 s and more: 1 s to connect, 5 s to read, five attempts by default."""
    for name, value in FUNCTION.items():
        monkeypatch.setenv(name, value)
    config: Any = clients.config(3)
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1, 5, 32)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (config.tcp_keepalive, config.parameter_validation, config.user_agent) == (True, False, "loudhailer")
    hasty: Any = clients.config(1, 0.5)
    assert (hasty.connect_timeout, hasty.read_timeout) == (0.5, 0.5)
    patient: Any = clients.config(2, 2.5)
    assert (patient.connect_timeout, patient.read_timeout) == (1, 2.5)
    assert clients.client("sqs", seconds=0.5).meta.config.read_timeout == 0.5
    assert clients.client("sqs").meta.config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert clients.client("dynamodb", attempts=1).meta.config.retries["total_max_attempts"] == 1


def test_two_threads_do_not_make_clients_of_one_session_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session is not for two threads; its clients are."""
    making: list[int] = []
    most: list[int] = []

    class Session:
        def client(self, service: str, config: object) -> str:
            del config
            making.append(1)
            most.append(len(making))
            Event().wait(0.01)
            making.pop()
            return service

    monkeypatch.setattr(clients, "_session", Session)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(clients.client, ["sqs", "dynamodb"] * 2)) == ["sqs", "dynamodb"] * 2
    assert set(most) == {1}


def test_a_late_client_can_use_another_factory() -> None:
    """A subscriber's are made in the role of the cell."""
    late = LateClient("dynamodb", lambda service: {"dynamodb": [3, 1]}[service])
    late.sort()
    assert late.pop() == 3


@pytest.mark.parametrize("values", [None, {":yes": {"BOOL": True}}])
def test_an_update_of_a_row_has_values_only_if_its_expression_uses_some(values: dict[str, Any] | None) -> None:
    """DynamoDB refuses ExpressionAttributeValues that are empty."""
    calls: list[dict[str, Any]] = []

    class Stub:
        """Notes its calls."""

        def update_item(self, **request: Any) -> None:
            """The condition holds."""
            calls.append(request)

    assert update_if(Stub(), TABLE, {"k": {"N": "1"}}, "REMOVE a", "attribute_exists(k)", values=values)
    expected = {
        "TableName": TABLE,
        "Key": {"k": {"N": "1"}},
        "UpdateExpression": "REMOVE a",
        "ConditionExpression": "attribute_exists(k)",
    }
    assert calls == [expected | ({"ExpressionAttributeValues": values} if values else {})]

"""The refusals of requests of DynamoDB, and of parts of them."""

from typing import Any

from tools.emulator.aws.throttled_requests import CONFLICT, divided, refused, throttled

REASON = {"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn:table"}
THROTTLED = throttled(REASON)
ERROR = {"Code": "ThrottlingError", "Message": THROTTLED.text}


def test_a_request_for_one_item_fails_with_the_reasons() -> None:
    """Tables are on demand: ThrottlingException is their error, as the SDK's model has it."""
    error = refused("PutItem", [THROTTLED])
    assert error == {"__type": "ThrottlingException", "message": THROTTLED.text, "throttlingReasons": [REASON]}


def test_a_write_that_conflicts_with_a_transaction_has_its_own_error() -> None:
    """It is no throttling, and has no reasons."""
    assert refused("UpdateItem", [CONFLICT]) == {"__type": "TransactionConflictException", "message": CONFLICT.text}


def test_a_transaction_is_cancelled_with_a_reason_for_each_item() -> None:
    """In the order of the request; an item that was not to blame has the reason None."""
    error = refused("TransactWriteItems", [None, THROTTLED, CONFLICT])
    assert error["__type"] == "TransactionCanceledException"
    assert error["message"].endswith("[None, ThrottlingError, TransactionConflict]")
    assert error["CancellationReasons"] == [
        {"Code": "None"},
        ERROR,
        {"Code": "TransactionConflict", "Message": CONFLICT.text},
    ]


def test_unprocessed_writes_of_a_batch_are_returned() -> None:
    """The rest is carried out, table by table."""
    request = {"RequestItems": {"a": ["one", "two"], "b": ["three"]}, "ReturnConsumedCapacity": "NONE"}
    batch = divided("BatchWriteItem", request, [None, THROTTLED, CONFLICT])
    assert batch is not None
    assert batch.rest == {"RequestItems": {"a": ["one"]}, "ReturnConsumedCapacity": "NONE"}
    assert batch.complete({"UnprocessedItems": {}}) == {"UnprocessedItems": {"a": ["two"], "b": ["three"]}}


def test_unprocessed_reads_of_a_batch_are_returned_with_their_options() -> None:
    """The unprocessed keys are a request that the caller sends again as it is."""
    part = {"Keys": ["one", "two"], "ConsistentRead": True}
    batch = divided("BatchGetItem", {"RequestItems": {"a": part}}, [THROTTLED, None])
    assert batch is not None
    assert batch.rest == {"RequestItems": {"a": {"Keys": ["two"], "ConsistentRead": True}}}
    answer = batch.complete({"Responses": {"a": ["second"]}, "UnprocessedKeys": {}})
    assert answer["Responses"] == {"a": ["second"]}
    assert answer["UnprocessedKeys"] == {"a": {"Keys": ["one"], "ConsistentRead": True}}


def test_a_batch_without_any_processed_item_fails() -> None:
    """The whole of it gets the error of a single request."""
    request: dict[str, Any] = {"RequestItems": {"a": ["one", "two"]}}
    assert divided("BatchWriteItem", request, [THROTTLED, THROTTLED]) is None
    assert divided("PutItem", {}, [THROTTLED]) is None


def test_a_failed_statement_of_a_batch_has_its_error_at_its_position() -> None:
    """The other statements are carried out, and their answers stay in order."""
    request = {"Statements": ["one", "two", "three"]}
    batch = divided("BatchExecuteStatement", request, [None, THROTTLED, None])
    assert batch is not None
    assert batch.rest == {"Statements": ["one", "three"]}
    answer = batch.complete({"Responses": [{"TableName": "1"}, {"TableName": "3"}]})
    assert answer == {"Responses": [{"TableName": "1"}, {"Error": ERROR}, {"TableName": "3"}]}
    all_refused = divided("BatchExecuteStatement", request, [THROTTLED] * 3)
    assert all_refused is not None
    assert all_refused.rest is None
    assert all_refused.complete({"Responses": []}) == {"Responses": [{"Error": ERROR}] * 3}

"""DynamoDB stream mappings behave as AWS documents them."""

import json
import time
from typing import Any

import pytest

from tests.integration.emulator.aws.running import LocalAws, Notebook
from tests.support.waiting import wait_until

# A handler that fails on the record with the id "poison" and notes the ids of every batch.
_POISONED = """
def handler(event, context):
    ids = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
    note(ids)
    if "poison" in ids:
        raise ValueError("poison")
"""
# The same, but reports the record.
_REPORTING = """
def handler(event, context):
    note([record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]])
    failed = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]
              if record["dynamodb"]["Keys"]["id"]["S"] == "poison"]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
"""
_NOTING = """
def handler(event, context):
    note(event["Records"])
"""


def _put(local_aws: LocalAws, table: str, *identifiers: str, partition: str = "p") -> None:
    dynamodb = local_aws.client("dynamodb")
    for identifier in identifiers:
        dynamodb.put_item(TableName=table, Item={"partition": {"S": partition}, "id": {"S": identifier}})


def _message(local_aws: LocalAws, url: str) -> dict[str, Any]:
    sqs = local_aws.client("sqs")
    found: dict[str, Any] = wait_until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))[0]
    return dict(json.loads(found["Body"]))


def _flat(notebook: Notebook) -> list[Any]:
    return [record for batch in notebook.entries() for record in batch]


def test_a_record_has_the_shape_that_aws_documents(local_aws: LocalAws) -> None:
    """INSERT, MODIFY and REMOVE as in https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_NOTING)
    local_aws.connect(stream, function)
    dynamodb = local_aws.client("dynamodb")
    key = {"partition": {"S": "p"}, "id": {"S": "101"}}
    dynamodb.put_item(TableName=table, Item=key | {"Message": {"S": "New item!"}})
    update = {"UpdateExpression": "SET Message = :m", "ExpressionAttributeValues": {":m": {"S": "Changed"}}}
    dynamodb.update_item(TableName=table, Key=key, **update)
    dynamodb.delete_item(TableName=table, Key=key)

    records = wait_until(lambda: found if len(found := _flat(notebook)) == 3 else None)
    insert, modify, remove = records
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    for record in records:
        assert set(record) == {
            *("eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN")
        }
        assert len(record["eventID"]) == 32
        assert int(record["eventID"], 16)
        assert record["eventVersion"] == "1.1"
        assert record["eventSource"] == "aws:dynamodb"
        assert record["awsRegion"] == "us-east-1"
        assert record["eventSourceARN"] == stream
        change = record["dynamodb"]
        assert change["Keys"] == key
        assert change["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert abs(change["ApproximateCreationDateTime"] - time.time()) < 60
        assert change["SequenceNumber"].isdecimal()
        assert 21 <= len(change["SequenceNumber"]) <= 40
        assert not change["SequenceNumber"].startswith("0")
        assert change["SizeBytes"] > 0
    new, changed = key | {"Message": {"S": "New item!"}}, key | {"Message": {"S": "Changed"}}
    assert (insert["dynamodb"]["NewImage"], insert["dynamodb"].get("OldImage")) == (new, None)
    assert (modify["dynamodb"]["NewImage"], modify["dynamodb"]["OldImage"]) == (changed, new)
    assert (remove["dynamodb"].get("NewImage"), remove["dynamodb"]["OldImage"]) == (None, changed)
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers))


@pytest.mark.emulator_contract
def test_every_effective_write_leaves_a_record_and_an_idle_write_does_not(local_aws: LocalAws) -> None:
    """Batches, transactions and statements count; a put or update that changes nothing does not."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_NOTING)
    local_aws.connect(stream, function)
    dynamodb = local_aws.client("dynamodb")

    def item(identifier: str) -> dict[str, Any]:
        return {"partition": {"S": "p"}, "id": {"S": identifier}}

    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item("a")}}]})
    dynamodb.put_item(TableName=table, Item=item("a"))
    update = {"UpdateExpression": "REMOVE nothing"}
    dynamodb.update_item(TableName=table, Key=item("a"), **update)
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": table, "Item": item("b")}},
            {"Delete": {"TableName": table, "Key": item("a")}},
        ]
    )
    dynamodb.delete_item(TableName=table, Key=item("a"))
    row = {"Parameters": [{"S": "p"}, {"S": "b"}]}
    where = 'WHERE "partition" = ? AND id = ?'
    for change in (f'UPDATE "{table}" SET seen = 1 {where}', *[f'DELETE FROM "{table}" {where}'] * 2):
        dynamodb.batch_execute_statement(Statements=[{"Statement": change} | row])
    dynamodb.put_item(TableName=table, Item=item("b"))
    dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": item("b")}}]})

    found = wait_until(lambda: changes if len(changes := _flat(notebook)) >= 7 else None)
    assert [(change["eventName"], change["dynamodb"]["Keys"]["id"]["S"]) for change in found] == [
        ("INSERT", "a"),
        ("INSERT", "b"),
        ("REMOVE", "a"),
        ("MODIFY", "b"),
        ("REMOVE", "b"),
        ("INSERT", "b"),
        ("REMOVE", "b"),
    ]


@pytest.mark.emulator_contract
def test_a_failed_batch_is_reported_to_the_destination_after_exactly_the_retries(
    local_aws: LocalAws,
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html shows the document."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    url, arn = local_aws.queue()
    _put(local_aws, table, "poison", "b")
    destination = {"OnFailure": {"Destination": arn}}
    local_aws.connect(stream, function, MaximumRetryAttempts=2, DestinationConfig=destination)

    document = _message(local_aws, url)
    assert notebook.entries() == [["poison", "b"]] * 3
    assert document["requestContext"] == {
        "requestId": document["requestContext"]["requestId"],
        "functionArn": f"arn:aws:lambda:us-east-1:111111111111:function:{function}:live",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert document["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "1",
        "functionError": "Unhandled",
    }
    assert document["version"] == "1.0"
    assert document["timestamp"].endswith("Z")
    batch = document["DDBStreamBatchInfo"]
    assert batch["streamArn"] == stream
    assert batch["batchSize"] == 2
    assert int(batch["startSequenceNumber"]) < int(batch["endSequenceNumber"])
    assert batch["approximateArrivalOfFirstRecord"] <= batch["approximateArrivalOfLastRecord"]

    # With what the document says, the records can be read back.
    streams = local_aws.client("dynamodbstreams")
    position = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": batch["startSequenceNumber"]}
    iterator = streams.get_shard_iterator(StreamArn=stream, ShardId=batch["shardId"], **position)["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records] == ["poison", "b"]

    _put(local_aws, table, "c")
    assert notebook.await_entries(4)[3] == ["c"]


@pytest.mark.emulator_contract
def test_bisection_isolates_a_poison_record(local_aws: LocalAws) -> None:
    """Only the poison record is discarded; splits cost no retries."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    url, arn = local_aws.queue()
    _put(local_aws, table, "a", "b", "poison", "d")
    destination = {"OnFailure": {"Destination": arn}}
    settings = {"MaximumRetryAttempts": 1, "BisectBatchOnFunctionError": True, "DestinationConfig": destination}
    local_aws.connect(stream, function, **settings)

    assert _message(local_aws, url)["DDBStreamBatchInfo"]["batchSize"] == 1
    assert notebook.await_entries(6) == [
        ["a", "b", "poison", "d"],
        ["a", "b"],
        ["poison", "d"],
        ["poison"],
        ["poison"],
        ["d"],
    ]


def test_a_reported_record_is_retried_with_its_followers_only(local_aws: LocalAws) -> None:
    """Records before the reported one are done; the others are delivered."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_REPORTING)
    url, arn = local_aws.queue()
    _put(local_aws, table, "a", "poison", "c")
    destination = {"OnFailure": {"Destination": arn}}
    settings = {"MaximumRetryAttempts": 1, "DestinationConfig": destination}
    local_aws.connect(stream, function, FunctionResponseTypes=["ReportBatchItemFailures"], **settings)

    assert _message(local_aws, url)["DDBStreamBatchInfo"]["batchSize"] == 2
    _put(local_aws, table, "d")
    assert notebook.await_entries(3) == [["a", "poison", "c"], ["poison", "c"], ["d"]]


def test_a_batching_window_gathers_records(local_aws: LocalAws) -> None:
    """Records written within the window come together."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    local_aws.connect(stream, function, MaximumBatchingWindowInSeconds=2)
    _put(local_aws, table, "a", "b", "c")
    assert notebook.await_entries(1) == [["a", "b", "c"]]


def test_a_batch_is_no_larger_than_asked_for(local_aws: LocalAws) -> None:
    """BatchSize bounds every batch, in order."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    _put(local_aws, table, "a", "b", "c", "d", "e")
    local_aws.connect(stream, function, BatchSize=2)
    assert notebook.await_entries(3) == [["a", "b"], ["c", "d"], ["e"]]


def test_latest_starts_after_the_existing_records(local_aws: LocalAws) -> None:
    """Records written before the mapping are not delivered."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    _put(local_aws, table, "before")
    local_aws.connect(stream, function, StartingPosition="LATEST")
    _put(local_aws, table, "after")
    assert notebook.await_entries(1) == [["after"]]


def test_filtered_records_are_not_delivered(local_aws: LocalAws) -> None:
    """Filter criteria select by event name and image."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_POISONED)
    _put(local_aws, table, "a", "b")
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"id": {"S": ["b"]}}}}
    criteria = {"Filters": [{"Pattern": json.dumps(pattern)}]}
    local_aws.connect(stream, function, FilterCriteria=criteria)
    assert notebook.await_entries(1) == [["b"]]


def test_parallel_lanes_keep_the_order_of_every_key(local_aws: LocalAws) -> None:
    """With a parallelization factor, a slow key does not hold up the others, and no key is reordered."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy("""
def handler(event, context):
    for record in event["Records"]:
        time.sleep(0.02)
        note([record["dynamodb"]["Keys"]["id"]["S"], int(record["dynamodb"]["NewImage"]["version"]["N"])])
""")
    dynamodb = local_aws.client("dynamodb")
    for version in range(5):
        for identifier in "abcdef":
            item = {"partition": {"S": "p"}, "id": {"S": identifier}, "version": {"N": str(version)}}
            dynamodb.put_item(TableName=table, Item=item)
    local_aws.connect(stream, function, ParallelizationFactor=3)
    entries = notebook.await_entries(30)
    assert len(entries) == 30
    for identifier in "abcdef":
        assert [version for found, version in entries if found == identifier] == [0, 1, 2, 3, 4]


def test_a_slow_stream_function_does_not_delay_a_queue(local_aws: LocalAws) -> None:
    """The two mappings have nothing to do with each other."""
    table, stream = local_aws.table()
    slow, slow_notebook = local_aws.deploy("""
def handler(event, context):
    note("started")
    time.sleep(10)
    note("finished")
""")
    fast, fast_notebook = local_aws.deploy("""
def handler(event, context):
    note("done")
""")
    url, arn = local_aws.queue()
    local_aws.connect(stream, slow)
    local_aws.connect(arn, fast)
    _put(local_aws, table, "a")
    slow_notebook.await_entries(1)
    local_aws.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    fast_notebook.await_entries(1)
    assert slow_notebook.entries() == ["started"]


@pytest.mark.emulator_contract
def test_a_ttl_deletion_reaches_the_stream_with_its_user_identity(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html."""
    table, stream = local_aws.table()
    function, notebook = local_aws.deploy(_NOTING)
    local_aws.connect(stream, function)
    dynamodb = local_aws.client("dynamodb")
    specification = {"Enabled": True, "AttributeName": "expiresAt"}
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)
    now = int(time.time())
    expiries = {
        "expired": {"N": str(now - 1)},
        "later": {"N": str(now + 3600)},
        "text": {"S": str(now - 1)},
        "ancient": {"N": str(now - 6 * 365 * 86400)},
    }
    for identifier, expiry in expiries.items():
        item = {"partition": {"S": "p"}, "id": {"S": identifier}, "expiresAt": expiry}
        dynamodb.put_item(TableName=table, Item=item)

    def removals() -> list[Any]:
        return [record for record in _flat(notebook) if record["eventName"] == "REMOVE"]

    (removal,) = wait_until(removals)
    assert removal["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert removal["dynamodb"]["Keys"]["id"] == {"S": "expired"}
    assert removal["dynamodb"]["OldImage"]["expiresAt"] == expiries["expired"]
    time.sleep(0.5)
    assert {item["id"]["S"] for item in dynamodb.scan(TableName=table)["Items"]} == {"later", "text", "ancient"}
    dynamodb.delete_item(TableName=table, Key={"partition": {"S": "p"}, "id": {"S": "later"}})
    by_hand = wait_until(lambda: found[1:] if len(found := removals()) > 1 else None)
    assert "userIdentity" not in by_hand[0]

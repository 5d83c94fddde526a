"""Hot keys are throttled and transactions isolated, and the shipped client gets through nevertheless."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from loudhailer.aws.clients import config
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.ids import BroadcastId
from tests.integration.emulator.aws.running import ACCOUNT, LocalAws, launched
from tests.support.aws import SECRET
from tests.support.broadcasts import source
from tests.support.tables import create_table

LARGE = {"padding": {"S": "x" * 398 * 1_024}}
"""With it an item costs 399 units to write."""

ATTEMPTS = 30


@pytest.fixture
def table(local_aws: LocalAws) -> str:
    """A fresh table, whose keys nobody has used."""
    return local_aws.table()[0]


def key(identifier: str, partition: str = "hot") -> dict[str, Any]:
    """An item's key."""
    return {"partition": {"S": partition}, "id": {"S": identifier}}


def first_error(call: Callable[[], Any]) -> ClientError:
    """The error of a call that is repeated until it fails."""
    for _ in range(ATTEMPTS):
        try:
            call()
        except ClientError as error:
            return error
    raise AssertionError(f"{ATTEMPTS} calls in a row succeeded")


@pytest.mark.emulator_contract
def test_a_hot_key_is_throttled_and_others_are_served(local_aws: LocalAws, table: str) -> None:
    """A key has 1,000 write units a second; the error says which table, and why."""
    dynamodb = local_aws.client("dynamodb")
    error = first_error(lambda: dynamodb.put_item(TableName=table, Item=key("large") | LARGE))
    assert error.response["Error"]["Code"] == "ThrottlingException"
    (reason,) = error.response["throttlingReasons"]  # type: ignore[typeddict-item]  # the stubs do not know it
    assert reason["reason"] == "TableWriteKeyRangeThroughputExceeded"
    assert reason["resource"].endswith(f":table/{table}")
    dynamodb.put_item(TableName=table, Item=key("small", "cold"))


@pytest.mark.emulator_contract
def test_the_shipped_client_tries_again_until_the_key_has_units(local_aws: LocalAws, table: str) -> None:
    """The SDK's standard retries wait longer each time, and nothing is lost."""
    shipped = boto3.client(
        "dynamodb",
        endpoint_url=local_aws.endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
        config=config(attempts=5),
    )
    retries = 0
    for number in range(5):
        answer = shipped.put_item(TableName=table, Item=key(str(number)) | LARGE)
        retries += answer["ResponseMetadata"]["RetryAttempts"]
    assert retries > 0
    count = local_aws.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="#p = :p",
        ExpressionAttributeNames={"#p": "partition"},
        ExpressionAttributeValues={":p": {"S": "hot"}},
        ProjectionExpression="id",
    )
    assert count["ScannedCount"] == 2  # the first page is full
    assert count["LastEvaluatedKey"] == key("1")


def test_reads_are_throttled_by_the_bytes_read(local_aws: LocalAws, table: str) -> None:
    """A query that counts a collection of 0.8 MB reads all of it, 200 units, whatever it answers."""
    dynamodb = local_aws.client("dynamodb")
    for number in range(2):
        dynamodb.put_item(TableName=table, Item=key(str(number)) | LARGE)
    query = {
        "TableName": table,
        "Select": "COUNT",
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": "partition"},
        "ExpressionAttributeValues": {":p": {"S": "hot"}},
        "ConsistentRead": True,
    }
    error = first_error(lambda: dynamodb.query(**query))
    assert error.response["Error"]["Code"] == "ThrottlingException"
    (reason,) = error.response["throttlingReasons"]  # type: ignore[typeddict-item]  # the stubs do not know it
    assert reason["reason"] == "TableReadKeyRangeThroughputExceeded"


def test_a_batch_is_carried_out_except_for_the_items_of_the_hot_key(local_aws: LocalAws, table: str) -> None:
    """A write comes back unprocessed, a statement with an error, and a transaction says which item is to blame."""
    dynamodb = local_aws.client("dynamodb")
    cold = key("of-batch", "cold")

    def heated(partition: str) -> dict[str, Any]:
        """The key of an item in a partition that is overdrawn by half a second at least."""
        puts = [{"Put": {"TableName": table, "Item": key(name, partition) | LARGE}} for name in ("one", "other")]
        first_error(lambda: dynamodb.transact_write_items(TransactItems=puts))
        return key("of-batch", partition)

    hot = heated("written")
    puts = [{"PutRequest": {"Item": item}} for item in (hot, cold)]
    assert dynamodb.batch_write_item(RequestItems={table: puts})["UnprocessedItems"] == {table: puts[:1]}
    hot = heated("changed")
    update = f'UPDATE "{table}" SET seen = ? WHERE "partition" = ? AND id = ?'
    statements = [
        {"Statement": update, "Parameters": [{"S": "yes"}, item["partition"], item["id"]]} for item in (hot, cold)
    ]
    answers = dynamodb.batch_execute_statement(Statements=statements)["Responses"]
    assert [answer.get("Error", {}).get("Code") for answer in answers] == ["ThrottlingError", None]
    hot = heated("in a transaction")
    with pytest.raises(ClientError) as refusal:
        dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": table, "Item": item}} for item in (cold, hot)]
        )
    reasons = refusal.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ThrottlingError"]


@pytest.mark.emulator_contract
def test_concurrent_transactions_are_refused_and_sequential_ones_are_not(local_aws: LocalAws, table: str) -> None:
    """Two threads that write to one item conflict before long; one that waits for each answer never does."""
    dynamodb = local_aws.client("dynamodb")
    put = {"Put": {"TableName": table, "Item": key("shared")}}
    for _ in range(10):
        dynamodb.transact_write_items(TransactItems=[put])

    def conflicts(call: Callable[[], Any]) -> set[str]:
        codes = set()
        for _ in range(ATTEMPTS):
            try:
                call()
            except ClientError as error:
                reasons = error.response.get("CancellationReasons", [])
                codes |= {error.response["Error"]["Code"], *(reason["Code"] for reason in reasons)}
        return codes

    calls: list[Callable[[], Any]] = [
        lambda: dynamodb.transact_write_items(TransactItems=[put]),
        lambda: dynamodb.transact_write_items(TransactItems=[put]),
        lambda: dynamodb.put_item(TableName=table, Item=key("shared")),
    ]
    with ThreadPoolExecutor(len(calls)) as threads:
        transactions, others, puts = threads.map(conflicts, calls)
    assert transactions | others == {"TransactionCanceledException", "TransactionConflict"}
    assert puts == {"TransactionConflictException"}


@pytest.mark.emulator_contract
def test_one_of_eight_concurrent_writers_fixes_the_sources(local_aws: LocalAws) -> None:
    """Each learns whether it was the one; before, the store reported a failure to the others."""
    dynamodb = local_aws.client("dynamodb")
    store = DynamoBroadcastStore(dynamodb, create_table(dynamodb, "broadcasts"), clock=time.time)
    with ThreadPoolExecutor(8) as threads:
        for number in range(5):
            fix = partial(store.fix_sources, BroadcastId(f"broadcast-{number}"))
            assert [*threads.map(fix, [[source(0), source(1)]] * 8)].count(True) == 1


@pytest.fixture(scope="module")
def unthrottled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A launcher that does not throttle."""
    with launched(tmp_path_factory.mktemp("unthrottled"), "--no-throttling") as running:
        yield running


def test_a_key_takes_any_number_of_writes_without_throttling(unthrottled: LocalAws) -> None:
    """The launcher's flag is for measurements of everything else."""
    dynamodb = unthrottled.client("dynamodb")
    table = unthrottled.table()[0]
    for _ in range(6):
        dynamodb.put_item(TableName=table, Item=key("large") | LARGE)

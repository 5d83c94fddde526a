"""Key layouts under the rates that they are made for, on the local AWS's DynamoDB, in this process.

A test sets the clock, so many requests come in each second of it, however fast the machine is.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import BAD_REQUEST
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from functions.connections.connect.dynamodb import DynamoRegister
from loudhailer.aws.clients import config
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, SessionId, TenantId, nth_partition
from loudhailer.sessions.dynamodb import SESSION_KEYS, DynamoSessionStore
from tests.support.broadcasts import chunk, summary
from tests.support.tables import create_table
from tools.emulator.aws.gaps import throughput
from tools.emulator.aws.options import parse
from tools.emulator.aws.throughput import WRITE_UNITS_A_SECOND, KeyRange, Throughput
from tools.planner.load import Load
from tools.planner.prices import CONNECTS_PER_SECOND
from tools.planner.work import query_units_per_second

pytestmark = pytest.mark.emulator_contract

ACME = TenantId("acme")


class _Content:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class DynamoDb:
    """DynamoDB with the throughput that it has, at the time `now`, without a server.

    Attributes:
        throttled: the number of requests that were refused because of the throughput.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.throttled = 0
        self.throughput = Throughput(lambda: self.now)
        secret = {"AWS_SECRET_ACCESS_KEY": "secret"}
        options = parse(
            ["--port", "0", "--state-dir", "state", "--account", "111111111111", "--transaction-seconds", "0"], secret
        )
        patches = {patch.target: patch.replacement for patch in throughput.gap(options, self.throughput).patches}
        self._answer: Any = patches["ministack.services.dynamodb:handle_request"]
        self.client: Any = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="111111111111",
            aws_secret_access_key="secret",  # of nobody
            config=config(attempts=1),
        )
        send: Any = self._send  # the stubs want no result
        self.client.meta.events.register("before-send.dynamodb", send)

    def heat(self, table: str, key: str, *, spare_units: float = 0.0, index: str = "") -> None:
        """Use up a key's units of a moment, except some."""
        arn = self.client.describe_table(TableName=table)["Table"]["TableArn"]
        keys = KeyRange(arn + (f"/index/{index}" if index else ""), key)
        self.throughput.use(keys, WRITE_UNITS_A_SECOND - spare_units, writes=True)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        raw: dict[str, Any] = {name.lower(): value for name, value in request.headers.items()}
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in raw.items()}
        status, answered, content = asyncio.run(self._answer("POST", "/", headers, request.body, {}))
        self.throttled += status == BAD_REQUEST and b"Throttling" in content
        return AWSResponse(str(request.url), status, HTTPHeaders.from_dict(answered), _Content(content))


@pytest.fixture
def dynamodb() -> DynamoDb:
    """A fresh one; its tables have names of their own."""
    return DynamoDb()


@pytest.mark.parametrize("spread", [False, True], ids=["one key", "sixteen keys"])
def test_one_tenants_connects_at_the_accounts_rate_need_more_than_one_key(dynamodb: DynamoDb, *, spread: bool) -> None:
    """500 arrivals a second write 1,500 units and more; what a key may take at once is used up by those before."""
    connections, sessions = create_table(dynamodb.client, "connections"), create_table(dynamodb.client, "sessions")
    devices = create_table(dynamodb.client, "devices")
    store = DynamoSessionStore(dynamodb.client, sessions, spread=spread)
    register = DynamoRegister(dynamodb.client, connections, sessions, devices, spread=spread)
    for leading in [ACME, *(f"{ACME}#{number:02d}" for number in range(SESSION_KEYS))]:
        dynamodb.heat(sessions, leading, spare_units=50)

    for number in range(150):
        dynamodb.now = number / CONNECTS_PER_SECOND
        session = SessionId(f"session-{number}")
        key = ConnectionKey(nth_partition(ACME, number % 10), ConnectionId(f"c{number}"))
        with suppress(TransientError):
            store.renew(ACME, session, player=None, expires_at=1_000, now=0)
            connection = Connection(key, session, 0, 1_000)
            register.record(connection, connections_per_session=9, session_expires_at=1_000)
    assert (dynamodb.throttled == 0) is spread
    assert (len({*_recorded(dynamodb, connections)}) == 150) is spread


def _recorded(dynamodb: DynamoDb, table: str) -> Iterator[str]:
    for page in dynamodb.client.get_paginator("scan").paginate(TableName=table):
        yield from (row["connectionId"]["S"] for row in page["Items"])


@pytest.mark.parametrize("keys", [1, 16])
def test_a_broadcast_to_a_million_is_written_faster_than_one_key_takes(dynamodb: DynamoDb, keys: int) -> None:
    """Eight queries write 1,600 units a second, twice as many with the rows of one key, which are longer."""
    load = Load(connections=1_000_000)
    units = -(-load.chunk_row_bytes // 1_024)
    chunks_per_second = float(query_units_per_second(load) * load.queries / units)
    store = DynamoBroadcastStore(
        dynamodb.client, create_table(dynamodb.client, "broadcasts"), clock=time.time, keys=keys
    )
    broadcast = store.record(summary()).broadcast_id

    for number in range(int(chunks_per_second)):
        dynamodb.now = number / chunks_per_second
        with suppress(TransientError):
            store.fix_chunk(broadcast, chunk(f"{number % load.queries}.{number // load.queries}", 500))
    assert (dynamodb.throttled == 0) is (keys > 1)


HOT = "acme#hot"
"""A room in which there is too much coming and going."""


@pytest.fixture
def rooms(dynamodb: DynamoDb) -> str:
    """A table of connections: `member` is in the hot room, `other` in another one."""
    table = create_table(dynamodb.client, "connections")
    for name, room in (("member", HOT), ("other", "acme#quiet")):
        item = {**_key(name), "roomIndexKey": {"S": room}, "nickName": {"S": "Ann"}}
        dynamodb.client.put_item(TableName=table, Item=item)
    dynamodb.heat(table, HOT, index="room")
    return table


def _key(name: str) -> dict[str, Any]:
    return {"partition": {"S": "acme#00000"}, "connectionId": {"S": name}}


def _updated(name: str, changes: str, **more: Any) -> Callable[[Any, str], object]:
    if ":text" in changes:
        more["ExpressionAttributeValues"] = {":text": {"S": HOT}}
    return lambda client, table: client.update_item(TableName=table, Key=_key(name), UpdateExpression=changes, **more)


def _statement(text: str, *parameters: str) -> Callable[[Any, str], object]:
    return lambda client, table: client.execute_statement(
        Statement=text.format(table), Parameters=[{"S": parameter} for parameter in parameters]
    )


_WHERE = ' WHERE "partition" = ? AND connectionId = ?'

CHANGES = {
    "joins": _updated("other", "SET roomIndexKey = :text"),
    "joins by an alias": _updated("new", "SET #room = :text", ExpressionAttributeNames={"#room": "roomIndexKey"}),
    "leaves": _updated("member", "REMOVE roomIndexKey"),
    "goes": lambda client, table: client.delete_item(TableName=table, Key=_key("member")),
    "is put": lambda client, table: client.put_item(TableName=table, Item={**_key("new"), "roomIndexKey": {"S": HOT}}),
    "joins by a statement": _statement('UPDATE "{}" SET roomIndexKey = ?' + _WHERE, HOT, "acme#00000", "other"),
    "goes by a statement": _statement('DELETE FROM "{}"' + _WHERE, "acme#00000", "member"),
}
"""Writes that change the index under the hot key."""

OTHERS = {
    "a nickname of the same text": _updated("other", "SET nickName = :text"),
    "a member's nickname": _updated("member", "SET nickName = :text"),
    "a leave from another room": _updated("other", "REMOVE roomIndexKey"),
    "the end of another one": lambda client, table: client.delete_item(TableName=table, Key=_key("other")),
    "a nickname by a statement": _statement('UPDATE "{}" SET nickName = ?' + _WHERE, HOT, "acme#00000", "member"),
}
"""Writes that do not, whatever their values look like."""


@pytest.mark.parametrize("write", CHANGES.values(), ids=CHANGES)
def test_a_write_that_changes_a_hot_key_of_an_index_is_throttled(
    dynamodb: DynamoDb, rooms: str, write: Callable[[Any, str], object]
) -> None:
    """The row itself would be written, but the index must follow it."""
    with pytest.raises(ClientError) as refused:
        write(dynamodb.client, rooms)
    reason: Any = refused.value.response["throttlingReasons"]  # type: ignore[typeddict-item]  # the stubs do not know it
    assert [each["reason"] for each in reason] == ["IndexWriteKeyRangeThroughputExceeded"]


@pytest.mark.parametrize("write", OTHERS.values(), ids=OTHERS)
def test_a_write_that_leaves_a_hot_key_of_an_index_alone_is_served(
    dynamodb: DynamoDb, rooms: str, write: Callable[[Any, str], object]
) -> None:
    """Before, any value of an update was taken for the key that it sets."""
    write(dynamodb.client, rooms)


def test_a_join_with_a_false_condition_is_refused_and_not_throttled(dynamodb: DynamoDb, rooms: str) -> None:
    """It would not have changed the index."""
    join = _updated("other", "SET roomIndexKey = :text", ConditionExpression="nickName = :text")
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        join(dynamodb.client, rooms)

"""The table of connections in DynamoDB.

connections: PK `partition`, SK `connectionId`; `tenantId sessionId playerId? roomKey? nickName? connectedAt expiresAt`,
and `roomIndexKey` for the sparse index `room`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from itertools import batched
from typing import TYPE_CHECKING, Any, override

from loudhailer import codec
from loudhailer.aws.batches import STATEMENTS_A_BATCH, get_rows
from loudhailer.aws.conditions import holds
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, PlayerId, ProbeId, RoomKey, SessionId, TenantId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_OF_KEY = ' WHERE "partition" = ? AND connectionId = ?'
"""A row that is not there is no error: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.delete.html"""


def key_to_item(key: ConnectionKey) -> Item:
    """The key of a connection's row."""
    return {"partition": {"S": key.partition}, "connectionId": {"S": key.connection_id}}


def key_from_item(item: Item) -> ConnectionKey:
    """The key of a row, or of an index's entry."""
    return ConnectionKey(Partition(item["partition"]["S"]), ConnectionId(item["connectionId"]["S"]))


def connection_to_item(connection: Connection) -> Item:
    """The row of a connection that has joined no room yet."""
    item: Item = {
        **key_to_item(connection.key),
        "tenantId": {"S": connection.tenant_id},
        "sessionId": {"S": connection.session_id},
        "connectedAt": {"N": str(connection.connected_at)},
        "expiresAt": {"N": str(connection.expires_at)},
    }
    if connection.player_id is not None:
        item["playerId"] = {"S": connection.player_id}
    return item


def connection_from_item(item: Item) -> Connection:
    """The connection of a row."""
    return Connection(
        key=key_from_item(item),
        session_id=SessionId(item["sessionId"]["S"]),
        connected_at=int(item["connectedAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
        player_id=PlayerId(item["playerId"]["S"]) if "playerId" in item else None,
    )


def parse_pages_fast(client: "DynamoDBClient") -> "DynamoDBClient":
    """The client, with the pages of its queries parsed by the codec.

    botocore's parser walks the model of every attribute of every item: half of the CPU that `query` takes for a
    connection. Items come out the same as long as their attributes are strings and numbers: a client that reads binary
    ones must not be given here.
    """
    client.meta.events.register("before-parse.dynamodb.Query", _take_items)
    return client


def _take_items(response_dict: Item, customized_response_dict: Item, **_: object) -> None:
    if response_dict["status_code"] == HTTPStatus.OK:
        page = codec.decode_object(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items", [])
        response_dict["body"] = codec.encode(page)


_IS_CONNECTION = "attribute_exists(connectedAt)"
"""It does not hold for a probe, whose row stays if `reconcile` is killed before it deletes it."""


class DynamoConnectionStore(ConnectionStore):
    """Keeps the connections in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def get(self, key: ConnectionKey) -> Connection | None:
        with calling("GetItem"):
            item = self._client.get_item(TableName=self._table, Key=key_to_item(key), ConsistentRead=True).get("Item")
        return None if item is None else connection_from_item(item)

    @override
    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        condition = "#partition = :partition"
        values: Item = {":partition": {"S": partition}, ":now": {"N": str(not_expired_at)}}
        if after is not None:
            condition += " AND connectionId > :after"
            values[":after"] = {"S": after}
        pages = self._pages(
            KeyConditionExpression=condition,
            FilterExpression=f"expiresAt > :now AND {_IS_CONNECTION}",
            ProjectionExpression="connectionId, connectedAt",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
        for page in pages:
            yield [(item["connectionId"]["S"], int(item["connectedAt"]["N"])) for item in page]

    @override
    def in_room(self, tenant: TenantId, room: RoomKey) -> list[ConnectionKey]:
        pages = self._pages(
            IndexName="room",
            KeyConditionExpression="roomIndexKey = :room",
            ExpressionAttributeValues={":room": {"S": f"{tenant}#{room}"}},
        )
        return [key_from_item(item) for page in pages for item in page]

    @override
    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        rows = get_rows(
            self._client,
            self._table,
            map(key_to_item, dict.fromkeys(keys)),
            ProjectionExpression="#partition, connectionId, connectedAt",
            ExpressionAttributeNames={"#partition": "partition"},
        )
        return {key_from_item(row): int(row["connectedAt"]["N"]) for row in rows}

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """See `ConnectionStore.size_and_expired`: a Query tells how many rows its filter has seen."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#partition = :partition",
            FilterExpression="expiresAt <= :now",
            ProjectionExpression="#partition, connectionId",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":partition": {"S": partition}, ":now": {"N": str(now)}},
            ConsistentRead=True,
        )
        size = 0
        expired: list[ConnectionKey] = []
        with calling("Query"):
            for page in pages:
                size += page["ScannedCount"]
                expired += map(key_from_item, page["Items"])
        return size, expired

    @override
    def size(self, partition: Partition) -> int:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#partition = :partition",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":partition": {"S": partition}},
            Select="COUNT",
            ConsistentRead=True,
        )
        with calling("Query"):
            return sum(page["Count"] for page in pages)

    @override
    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:
        key = ConnectionKey(partition, PROBE)
        item: Item = {**key_to_item(key), "probe": {"S": probe}, "expiresAt": {"N": str(now)}}
        with calling("PutItem"):
            self._client.put_item(TableName=self._table, Item=item)
        self.delete(key)

    @override
    def delete(self, key: ConnectionKey) -> None:
        with calling("DeleteItem"):
            self._client.delete_item(TableName=self._table, Key=key_to_item(key))

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """See `ConnectionStore.delete_all`: 25 rows a call; what a batch refuses is done by a call of its own.

        Statements of PartiQL, since whoever may call BatchWriteItem may put rows, too.
        """
        statement = f'DELETE FROM "{self._table}"' + _OF_KEY
        for batch in batched(dict.fromkeys(keys), STATEMENTS_A_BATCH, strict=False):
            with calling("BatchExecuteStatement"):
                answers = self._client.batch_execute_statement(
                    Statements=[
                        {"Statement": statement, "Parameters": [{"S": key.partition}, {"S": key.connection_id}]}
                        for key in batch
                    ]
                )["Responses"]
            for key, answer in zip(batch, answers, strict=True):
                if "Error" in answer:
                    self.delete(key)

    @override
    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        return self._delete_if("connectedAt < :time", key, connected_before)

    @override
    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        return self._delete_if("expiresAt <= :time", key, now)

    def _delete_if(self, condition: str, key: ConnectionKey, time: int) -> bool:
        return holds(
            "DeleteItem",
            partial(
                self._client.delete_item,
                TableName=self._table,
                Key=key_to_item(key),
                ConditionExpression=condition,
                ExpressionAttributeValues={":time": {"N": str(time)}},
            ),
        )

    def _pages(self, **query: Any) -> Iterator[list[Item]]:
        pages = iter(self._client.get_paginator("query").paginate(TableName=self._table, **query))
        while True:
            with calling("Query"):
                page = next(pages, None)
            if page is None:
                return
            if page["Items"]:
                yield page["Items"]

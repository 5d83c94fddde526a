"""The table of connections in DynamoDB.

connections: PK `partition`, SK `connectionId`; `tenantId sessionId playerId? roomKey? nickName? connectedAt expiresAt
subscribes?`, and `roomIndexKey` for the sparse index `room`.
"""

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import batched, islice
from typing import TYPE_CHECKING, override

from loudhailer import codec
from loudhailer.aws.batches import STATEMENTS_A_BATCH, get_rows
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, PlayerId, ProbeId, RoomKey, SessionId, TenantId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_OF_KEY = ' WHERE "partition" = ? AND connectionId = ?'
"""Deleting a missing row is not an error:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.delete.html"""


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
    if connection.subscribes:
        item["subscribes"] = {"BOOL": True}
    return item


def connection_from_item(item: Item) -> Connection:
    """The connection of a row."""
    return Connection(
        key=key_from_item(item),
        session_id=SessionId(item["sessionId"]["S"]),
        connected_at=int(item["connectedAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
        player_id=PlayerId(item["playerId"]["S"]) if "playerId" in item else None,
        subscribes="subscribes" in item,
    )


def parse_pages_fast(client: "DynamoDBClient") -> "DynamoDBClient":
    """Have the codec parse the pages of the client's queries; return the client.

    botocore's parser walks the model of every attribute of every item: half of the CPU that `query` takes for a
    connection. Items are the same as long as their attributes are strings and numbers: do not pass a client that reads
    binary attributes.
    """
    client.meta.events.register("before-parse.dynamodb.Query", _take_items)
    return client


def _take_items(response_dict: Item, customized_response_dict: Item, **_: object) -> None:
    if response_dict["status_code"] == HTTPStatus.OK:
        page = codec.decode_object(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items", [])
        response_dict["body"] = codec.encode(page)


_PARTITION = {"#partition": "partition"}
_IN_PARTITION = "#partition = :partition"

_IS_CONNECTION = "attribute_exists(connectedAt)"
"""False for a probe, whose row remains if `reconcile` is killed before deleting it."""


class DynamoConnectionStore(DynamoTable, ConnectionStore):
    """Keeps the connections in one DynamoDB table."""

    @override
    def get(self, key: ConnectionKey) -> Connection | None:
        item = self._get_row(key_to_item(key))
        return None if item is None else connection_from_item(item)

    @override
    def mark_subscriber(self, key: ConnectionKey) -> bool:
        changes, values = "SET subscribes = :yes", {":yes": {"BOOL": True}}
        return self._update_row_if(key_to_item(key), changes, _IS_CONNECTION, values)

    @override
    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        condition = _IN_PARTITION
        values: Item = {":partition": {"S": partition}, ":now": {"N": str(not_expired_at)}}
        if after is not None:
            condition += " AND connectionId > :after"
            values[":after"] = {"S": after}
        pages = self._query_pages(
            condition,
            values,
            FilterExpression=f"expiresAt > :now AND {_IS_CONNECTION}",
            ProjectionExpression="connectionId, connectedAt",
            ExpressionAttributeNames=_PARTITION,
        )
        for page in pages:
            if page["Items"]:
                yield [(item["connectionId"]["S"], int(item["connectedAt"]["N"])) for item in page["Items"]]

    @override
    def in_room(self, tenant: TenantId, room: RoomKey, *, most: int | None = None) -> list[ConnectionKey]:
        values = {":room": {"S": f"{tenant}#{room}"}}
        rows = self._query_rows("roomIndexKey = :room", values, consistent=False, IndexName="room")
        return list(map(key_from_item, islice(rows, most)))

    @override
    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        rows = get_rows(
            self._client,
            self._table,
            map(key_to_item, dict.fromkeys(keys)),
            ProjectionExpression="#partition, connectionId, connectedAt",
            ExpressionAttributeNames=_PARTITION,
        )
        return {key_from_item(row): int(row["connectedAt"]["N"]) for row in rows}

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """See `ConnectionStore.size_and_expired`: a Query reports the number of rows that its filter has read."""
        pages = self._query_pages(
            _IN_PARTITION,
            {":partition": {"S": partition}, ":now": {"N": str(now)}},
            FilterExpression="expiresAt <= :now",
            ProjectionExpression="#partition, connectionId",
            ExpressionAttributeNames=_PARTITION,
        )
        size = 0
        expired: list[ConnectionKey] = []
        for page in pages:
            size += page["ScannedCount"]
            expired += map(key_from_item, page["Items"])
        return size, expired

    @override
    def size(self, partition: Partition) -> int:
        values = {":partition": {"S": partition}}
        pages = self._query_pages(_IN_PARTITION, values, ExpressionAttributeNames=_PARTITION, Select="COUNT")
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
        self._delete_row(key_to_item(key))

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """See `ConnectionStore.delete_all`: 25 rows per call; a row that a batch refuses is deleted singly.

        The statements are PartiQL, because permission for BatchWriteItem would include putting rows.
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
        return self._delete_row_if(key_to_item(key), condition, {":time": {"N": str(time)}})

"""The devices on DynamoDB: PK `player` (`{tenantId}#{playerId}`), SK `connectionId`; `partition`, `expiresAt` (TTL).

A row is written in the transaction that writes the connection's. An index of the connections would have the same keys,
but its replicas lag behind and may differ, so of two reads the second may miss what the first has found:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, override

from loudhailer.aws.batches import paged
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.ids import ConnectionId, Partition, PlayerId, TenantId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


def device_to_item(connection: Connection, player: PlayerId) -> Item:
    """The row of a player's connection."""
    return {
        **_key(connection.tenant_id, player, connection.key.connection_id),
        "partition": {"S": connection.key.partition},
        "expiresAt": {"N": str(connection.expires_at)},
    }


class DynamoDeviceStore(DeviceStore):
    """Keeps the devices of all players in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def of_player(self, tenant: TenantId, player: PlayerId) -> list[ConnectionKey]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="player = :player",
            ProjectionExpression="#partition, connectionId",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":player": {"S": f"{tenant}#{player}"}},
            ConsistentRead=True,
        )
        return [
            ConnectionKey(Partition(item["partition"]["S"]), ConnectionId(item["connectionId"]["S"]))
            for page in paged("Query", pages)
            for item in page["Items"]
        ]

    @override
    def forget(self, tenant: TenantId, player: PlayerId, connections: Iterable[ConnectionId]) -> None:
        for connection in connections:
            with calling("DeleteItem"):
                self._client.delete_item(TableName=self._table, Key=_key(tenant, player, connection))


def _key(tenant: TenantId, player: PlayerId, connection: ConnectionId) -> Item:
    return {"player": {"S": f"{tenant}#{player}"}, "connectionId": {"S": connection}}

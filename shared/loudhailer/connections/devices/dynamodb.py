"""The devices in DynamoDB: PK `player` (`{tenantId}#{playerId}`), SK `connectionId`; `partition`, `expiresAt` (TTL).

A row is written in the same transaction as the connection's row. An index of the connections would have the same keys.
But its replicas may lag behind and differ, so a second read may miss an entry that the first has found:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes
"""

from collections.abc import Iterable
from typing import override

from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.ids import ConnectionId, Partition, PlayerId, TenantId


def device_to_item(connection: Connection, player: PlayerId) -> Item:
    """The row of a player's connection."""
    return {
        **_key(connection.tenant_id, player, connection.key.connection_id),
        "partition": {"S": connection.key.partition},
        "expiresAt": {"N": str(connection.expires_at)},
    }


class DynamoDeviceStore(DynamoTable, DeviceStore):
    """Keeps the devices of all players in one DynamoDB table."""

    @override
    def of_player(self, tenant: TenantId, player: PlayerId) -> list[ConnectionKey]:
        rows = self._query_rows(
            "player = :player",
            {":player": {"S": f"{tenant}#{player}"}},
            ProjectionExpression="#partition, connectionId",
            ExpressionAttributeNames={"#partition": "partition"},
        )
        return [ConnectionKey(Partition(row["partition"]["S"]), ConnectionId(row["connectionId"]["S"])) for row in rows]

    @override
    def forget(self, tenant: TenantId, player: PlayerId, connections: Iterable[ConnectionId]) -> None:
        for connection in connections:
            self._delete_row(_key(tenant, player, connection))


def _key(tenant: TenantId, player: PlayerId, connection: ConnectionId) -> Item:
    return {"player": {"S": f"{tenant}#{player}"}, "connectionId": {"S": connection}}

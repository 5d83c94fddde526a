"""The table of placements in DynamoDB: PK `key`, SK `part`.

| key | part | attributes |
|---|---|---|
| `{tenantId}#{n:02d}` | `session#<id>`, `player#<id>` | `cell version player? former? formerUntil? expiresAt` |
| `{tenantId}#cells` | `<cell>` | `placedAt` |

`n` is the CRC-32 of the part modulo 16: DynamoDB writes 1,000 units a second to one key, and all of a tenant's clients
may come at once.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, override
from zlib import crc32

from loudhailer.aws.batches import get_rows, paged
from loudhailer.aws.conditions import RETURN_CURRENT_ROW, holds
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.cells.placements.model import Placement
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.ids import CellName, PlayerId, TenantId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

PLACEMENT_KEYS = 16
"""Partition keys of a tenant's placements. The number must not change: rows would be lost."""


class DynamoPlacementStore(PlacementStore):
    """Keeps the placements in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def get(self, tenant: TenantId, names: Collection[str]) -> Mapping[str, Placement]:
        rows = get_rows(self._client, self._table, [_key(tenant, name) for name in names])
        return {row["part"]["S"]: _placement(row) for row in rows}

    @override
    def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
        request: Item = {"ConditionExpression": "attribute_not_exists(part)"}
        if placement.version > 1:
            request = {
                "ConditionExpression": "version = :before",
                "ExpressionAttributeValues": {":before": {"N": str(placement.version - 1)}},
            }
        put = partial(
            self._client.put_item,
            TableName=self._table,
            Item=_key(tenant, name) | _attributes(placement),
            **request,
            **RETURN_CURRENT_ROW,
        )
        return holds("PutItem", put, has_made=lambda row: _placement(row) == placement)

    @override
    def add_cell(self, tenant: TenantId, cell: CellName, now: int) -> None:
        with calling("PutItem"):
            item = _cell_key(tenant, cell) | {"placedAt": {"N": str(now)}}
            self._client.put_item(TableName=self._table, Item=item)

    @override
    def cells_of(self, tenant: TenantId) -> Mapping[CellName, int]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#key = :key",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":key": {"S": f"{tenant}#cells"}},
            ConsistentRead=True,
        )
        rows = [row for page in paged("Query", pages) for row in page["Items"]]
        return {CellName(row["part"]["S"]): int(row["placedAt"]["N"]) for row in rows}

    @override
    def remove_cell(self, tenant: TenantId, cell: CellName, noted_at: int) -> bool:
        delete = partial(
            self._client.delete_item,
            TableName=self._table,
            Key=_cell_key(tenant, cell),
            ConditionExpression="placedAt = :notedAt",
            ExpressionAttributeValues={":notedAt": {"N": str(noted_at)}},
        )
        return holds("DeleteItem", delete)


def _key(tenant: TenantId, name: str) -> Item:
    return {"key": {"S": f"{tenant}#{crc32(name.encode()) % PLACEMENT_KEYS:02d}"}, "part": {"S": name}}


def _cell_key(tenant: TenantId, cell: CellName) -> Item:
    return {"key": {"S": f"{tenant}#cells"}, "part": {"S": cell}}


def _attributes(placement: Placement) -> Item:
    item: Item = {
        "cell": {"S": placement.cell},
        "version": {"N": str(placement.version)},
        "expiresAt": {"N": str(placement.expires_at)},
    }
    if placement.player is not None:
        item["player"] = {"S": placement.player}
    if placement.former is not None:
        item |= {"former": {"S": placement.former}, "formerUntil": {"N": str(placement.former_until)}}
    return item


def _placement(row: Item) -> Placement:
    return Placement(
        cell=CellName(row["cell"]["S"]),
        version=int(row["version"]["N"]),
        expires_at=int(row["expiresAt"]["N"]),
        player=PlayerId(row["player"]["S"]) if "player" in row else None,
        former=CellName(row["former"]["S"]) if "former" in row else None,
        former_until=int(row["formerUntil"]["N"]) if "formerUntil" in row else 0,
    )

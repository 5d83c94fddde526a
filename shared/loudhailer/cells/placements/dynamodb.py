"""The table of placements in DynamoDB: PK `key`, SK `part`.

| key | part | attributes |
|---|---|---|
| `{tenantId}#{n:02d}` | `session#<id>`, `player#<id>` | `cell version player? former? formerUntil? expiresAt` |
| | `player#<id>` | `provisional? waitsElsewhere?` |
| `{tenantId}#cells` | `<cell>` | `placedAt` |

`n` is the CRC-32 of the part modulo 16: DynamoDB writes 1,000 units a second to one key, and all of a tenant's clients
may come at once.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, override
from zlib import crc32

from loudhailer.aws.batches import get_rows
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.cells.placements.model import Placement
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.ids import CellName, PlayerId, TenantId

PLACEMENT_KEYS = 16
"""Partition keys of a tenant's placements. The number must not change: rows would be lost."""


class DynamoPlacementStore(DynamoTable, PlacementStore):
    """Keeps the placements in one DynamoDB table."""

    @override
    def get(self, tenant: TenantId, names: Collection[str]) -> Mapping[str, Placement]:
        rows = get_rows(self._client, self._table, [_key(tenant, name) for name in names])
        return {row["part"]["S"]: _placement(row) for row in rows}

    @override
    def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
        condition, values = "attribute_not_exists(part)", None
        if placement.version > 1:
            condition, values = "version = :before", {":before": {"N": str(placement.version - 1)}}
        row = _key(tenant, name) | _attributes(placement)
        return self._put_row_if(row, condition, values, has_made=lambda found: _placement(found) == placement)

    @override
    def add_cell(self, tenant: TenantId, cell: CellName, now: int) -> None:
        with calling("PutItem"):
            item = _cell_key(tenant, cell) | {"placedAt": {"N": str(now)}}
            self._client.put_item(TableName=self._table, Item=item)

    @override
    def cells_of(self, tenant: TenantId) -> Mapping[CellName, int]:
        rows = self._rows_of(_cells_key(tenant))
        return {CellName(row["part"]["S"]): int(row["placedAt"]["N"]) for row in rows}

    @override
    def remove_cell(self, tenant: TenantId, cell: CellName, noted_at: int) -> bool:
        values: Item = {":notedAt": {"N": str(noted_at)}}
        return self._delete_row_if(_cell_key(tenant, cell), "placedAt = :notedAt", values)

    @override
    def forget(self, tenant: TenantId) -> None:
        for key in (*(_placements_key(tenant, number) for number in range(PLACEMENT_KEYS)), _cells_key(tenant)):
            self._delete_rows(self._rows_of(key, ProjectionExpression="#key, part"))

    def _rows_of(self, key: str, **request: Any) -> Iterator[Item]:
        values: Item = {":key": {"S": key}}
        return self._query_rows("#key = :key", values, ExpressionAttributeNames={"#key": "key"}, **request)


def _key(tenant: TenantId, name: str) -> Item:
    return {"key": {"S": _placements_key(tenant, crc32(name.encode()) % PLACEMENT_KEYS)}, "part": {"S": name}}


def _cell_key(tenant: TenantId, cell: CellName) -> Item:
    return {"key": {"S": _cells_key(tenant)}, "part": {"S": cell}}


def _placements_key(tenant: TenantId, number: int) -> str:
    return f"{tenant}#{number:02d}"


def _cells_key(tenant: TenantId) -> str:
    return f"{tenant}#cells"


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
    flags = {"provisional": placement.is_provisional, "waitsElsewhere": placement.waits_elsewhere}
    return item | {name: {"BOOL": True} for name, is_set in flags.items() if is_set}


def _placement(row: Item) -> Placement:
    return Placement(
        cell=CellName(row["cell"]["S"]),
        version=int(row["version"]["N"]),
        expires_at=int(row["expiresAt"]["N"]),
        player=PlayerId(row["player"]["S"]) if "player" in row else None,
        former=CellName(row["former"]["S"]) if "former" in row else None,
        former_until=int(row["formerUntil"]["N"]) if "formerUntil" in row else 0,
        is_provisional="provisional" in row,
        waits_elsewhere="waitsElsewhere" in row,
    )

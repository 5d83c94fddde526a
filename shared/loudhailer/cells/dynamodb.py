"""The table of cells in DynamoDB: PK `key`, SK `part`.

| key | part | attributes | written by |
|---|---|---|---|
| `seen#<cell>` | `lease` | `renewedAt isWell webSocketUrl connections tenants takingPart` | the cell |
| `orders` | `<cell>` | `weight` | an operator |
| `tenants` | `revision` | `n` | an operator's command, with the tenant's row |

The policy of a cell's role restricts partition keys only. So decisions about cells have partition keys that no cell's
role may write.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, override

from loudhailer.aws.batches import get_rows
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.cells.model import CellStatus, Lease
from loudhailer.cells.port import CellDirectory
from loudhailer.ids import CellName
from loudhailer.observability import count, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_ORDERS = "orders"

_IS_NOT_LATER = "attribute_not_exists(part) OR renewedAt <= :renewedAt"
"""An equal time is this write, which the SDK has repeated, or a run of the same second with the same content."""

_REVISION: Item = {"key": {"S": "tenants"}, "part": {"S": "revision"}}


class DynamoCellDirectory(DynamoTable, CellDirectory):
    """Keeps the directory in one DynamoDB table."""

    @override
    def statuses(self, cells: Collection[CellName]) -> Mapping[CellName, CellStatus]:
        keys = [key for cell in cells for key in (_lease_key(cell), _order_key(cell))]
        rows = {(row["key"]["S"], row["part"]["S"]): row for row in get_rows(self._client, self._table, keys)}
        return {
            cell: CellStatus(_lease(rows.get((f"seen#{cell}", "lease"))), _weight(rows.get((_ORDERS, cell))))
            for cell in cells
        }

    @override
    def renew(self, cell: CellName, lease: Lease) -> bool:
        return self._update_row_if(
            _lease_key(cell),
            "SET renewedAt = :renewedAt, isWell = :isWell, webSocketUrl = :url, connections = :connections,"
            " tenants = :tenants, takingPart = :takingPart",
            _IS_NOT_LATER,
            {
                ":renewedAt": {"N": str(lease.at)},
                ":isWell": {"BOOL": lease.is_well},
                ":url": {"S": lease.websocket_url},
                ":connections": {"N": str(lease.connections)},
                ":tenants": {"N": str(lease.tenant_revision)},
                ":takingPart": {"M": {cell: {"N": str(weight)} for cell, weight in lease.taking_part.items()}},
            },
        )

    @override
    def order(self, cell: CellName, weight: float | None) -> None:
        if weight is None:
            self._delete_row(_order_key(cell))
            return
        with calling("PutItem"):
            self._client.put_item(TableName=self._table, Item=_order_key(cell) | {"weight": {"N": str(weight)}})

    @override
    def forget(self, cell: CellName) -> None:
        for key in (_lease_key(cell), _order_key(cell)):
            self._delete_row(key)

    @override
    def tenant_revision(self) -> int:
        row = self._get_row(_REVISION)
        return 0 if row is None else int(row["n"]["N"])


def next_revision(table: str, seen: int) -> "TransactWriteItemTypeDef":
    """Return the write of a transaction that raises the revision of the tenants, if it is still the seen one."""
    return {
        "Update": {
            "TableName": table,
            "Key": _REVISION,
            "UpdateExpression": "SET n = :next",
            "ConditionExpression": "n = :seen" if seen else "attribute_not_exists(n)",
            "ExpressionAttributeValues": {":next": {"N": str(seen + 1)}}
            | ({":seen": {"N": str(seen)}} if seen else {}),
        }
    }


def _lease_key(cell: CellName) -> Item:
    return {"key": {"S": f"seen#{cell}"}, "part": {"S": "lease"}}


def _order_key(cell: CellName) -> Item:
    return {"key": {"S": _ORDERS}, "part": {"S": cell}}


def _lease(row: Item | None) -> Lease | None:
    if row is None:
        return None
    try:
        return Lease(
            at=int(row["renewedAt"]["N"]),
            is_well=row["isWell"]["BOOL"],
            websocket_url=row["webSocketUrl"]["S"],
            connections=max(0, int(row["connections"]["N"])),
            tenant_revision=int(row["tenants"]["N"]),
            # A cell of the release before does not write it.
            taking_part={
                CellName(cell): float(weight["N"]) for cell, weight in row.get("takingPart", {}).get("M", {}).items()
            },
        )
    except (KeyError, ValueError) as error:
        count("LeaseMalformed")
        logger.error("a lease is malformed", key=row["key"]["S"], reason=type(error).__name__)
        return None


def _weight(row: Item | None) -> float | None:
    return None if row is None else float(row["weight"]["N"])

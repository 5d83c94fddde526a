"""Snapshots in the broadcasts' table of the hub: PK `{broadcastId}#cell#{cell}`, SK `part` = `report`.

| attribute | |
|---|---|
| `version` | the one that the cell took for this report |
| `report` | the report's JSON |
| `expiresAt` | epoch seconds, as for the rows of a broadcast |

Neither a broadcast's id nor a cell's name has a `#`, so the role of a cell writes its own snapshots alone.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, override

from loudhailer import codec
from loudhailer.aws.batches import get_rows
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.broadcast.model import KEPT_SECONDS
from loudhailer.broadcast.report import Report
from loudhailer.broadcast.snapshots.model import snapshot_from
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId, CellName
from loudhailer.observability import count, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_PART = "report"

_IS_NOT_NEWER = "attribute_not_exists(part) OR version <= :version"
"""No two reports have the same version: an equal version is this write, which the SDK has repeated."""


class DynamoSnapshotStore(DynamoTable, SnapshotStore):
    """Keeps the snapshots in the hub's table of broadcasts."""

    def __init__(self, client: "DynamoDBClient", table: str, *, clock: Callable[[], float]) -> None:
        super().__init__(client, table)
        self._clock = clock

    @override
    def put(self, broadcast_id: BroadcastId, cell: CellName, version: int, report: Report) -> bool:
        return self._update_row_if(
            _key(broadcast_id, cell),
            "SET version = :version, report = :report, expiresAt = :expiresAt",
            _IS_NOT_NEWER,
            {
                ":version": {"N": str(version)},
                ":report": {"S": codec.encode_text(report.to_wire())},
                ":expiresAt": {"N": str(int(self._clock()) + KEPT_SECONDS)},
            },
        )

    @override
    def of(self, broadcast_id: BroadcastId, cells: Collection[CellName]) -> Mapping[CellName, Report]:
        keys = [_key(broadcast_id, cell) for cell in cells]
        found: dict[CellName, Report] = {}
        for row in get_rows(self._client, self._table, keys):
            cell = CellName(row["broadcastId"]["S"].rpartition("#")[2])
            try:
                found[cell] = snapshot_from(row.get("report", {}).get("S"))
            except MalformedMessageError as error:
                count("SnapshotMalformed")
                logger.error("a snapshot is malformed", broadcast_id=broadcast_id, cell=cell, reason=str(error))
        return found


def _key(broadcast_id: BroadcastId, cell: CellName) -> Item:
    return {"broadcastId": {"S": f"{broadcast_id}#cell#{cell}"}, "part": {"S": _PART}}

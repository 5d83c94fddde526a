"""The in-memory twin of the store of snapshots."""

from collections.abc import Collection, Mapping
from threading import Lock
from typing import override

from loudhailer.broadcast.report import Report
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.ids import BroadcastId, CellName


class MemorySnapshotStore(SnapshotStore):
    """Keeps the last version and report of each cell in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[BroadcastId, CellName], tuple[int, Report]] = {}
        self._lock = Lock()

    @override
    def put(self, broadcast_id: BroadcastId, cell: CellName, version: int, report: Report) -> bool:
        with self._lock:
            stored = self.rows.get((broadcast_id, cell))
            if stored is not None and stored[0] > version:
                return False
            self.rows[broadcast_id, cell] = (version, report)
            return True

    @override
    def of(self, broadcast_id: BroadcastId, cells: Collection[CellName]) -> Mapping[CellName, Report]:
        return {cell: self.rows[broadcast_id, cell][1] for cell in cells if (broadcast_id, cell) in self.rows}

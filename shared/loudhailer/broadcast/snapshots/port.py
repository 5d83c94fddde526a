"""The store of snapshots at the hub.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from loudhailer.broadcast.report import Report
from loudhailer.ids import BroadcastId, CellName


class SnapshotStore(Protocol):
    """The last report of each further cell on each broadcast."""

    def put(self, broadcast_id: BroadcastId, cell: CellName, version: int, report: Report) -> bool:
        """Replace an older report of the cell; return False, and change nothing, if a newer one is stored.

        A cell takes the version before it reads the rows of the report. So the report with the highest version contains
        all that the other reports contain.
        """

    def of(self, broadcast_id: BroadcastId, cells: Collection[CellName]) -> Mapping[CellName, Report]:
        """Return the reports of the cells that have one; a malformed one is omitted.

        A cell writes its report itself, so only the cell's own numbers may depend on it.
        """

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
        """Put the cell's report in place of an older one; False, and nothing done, if a newer one is there.

        The version is taken before the rows are read that the report is of: so the highest one has all that the others
        have.
        """

    def of(self, broadcast_id: BroadcastId, cells: Collection[CellName]) -> Mapping[CellName, Report]:
        """Return the reports of those cells that have one; one that makes no sense is left out.

        A cell writes its report itself. Nothing but its numbers may depend on that.
        """

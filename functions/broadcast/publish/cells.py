"""The further cells that a broadcast is for. They are read for each broadcast: a cache could leave recipients out."""

from collections.abc import Collection, Mapping

from loudhailer.broadcast.audience import Audience, Everyone
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.cells.port import CellDirectory
from loudhailer.ids import CellName


class FurtherCells:
    """Names the further cells on which an audience may have connections, with their numbers as far as they are known.

    The cell of every connected client was noted for its tenant before the client was placed there. A broadcast to
    everyone is for all cells that ever had a lease, well or not: a sick cell still has connections.
    """

    def __init__(self, directory: CellDirectory, placements: PlacementStore, cells: Collection[CellName]) -> None:
        self._directory = directory
        self._placements = placements
        self._cells = cells

    def of(self, audience: Audience) -> Mapping[CellName, int | None]:
        """Return the cells, each with its connections by the last count, or None where nothing is counted."""
        if isinstance(audience, Everyone):
            statuses = self._directory.statuses(self._cells)
            return {cell: status.lease.connections for cell, status in statuses.items() if status.lease is not None}
        noted = self._placements.cells_of(audience.tenant)
        return {cell: None for cell in self._cells if cell in noted}

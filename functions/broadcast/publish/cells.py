"""The further cells that may have recipients of a broadcast. They are read each time: a cache could miss recipients."""

from collections.abc import Collection, Mapping

from loudhailer.broadcast.audience import Audience, Everyone
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.cells.port import CellDirectory
from loudhailer.ids import CellName


class FurtherCells:
    """Names the further cells on which an audience may have connections, with the number of connections if it is known.

    A tenant's cell is noted before a client of the tenant is placed there. A broadcast to everyone goes to each cell
    that ever had a lease: a cell that is not well still has connections.
    """

    def __init__(self, directory: CellDirectory, placements: PlacementStore, cells: Collection[CellName]) -> None:
        self._directory = directory
        self._placements = placements
        self._cells = cells

    def of(self, audience: Audience) -> Mapping[CellName, int | None]:
        """Return the cells, each with the number of its connections; None if the audience is not counted."""
        if isinstance(audience, Everyone):
            statuses = self._directory.statuses(self._cells)
            return {cell: status.lease.connections for cell, status in statuses.items() if status.lease is not None}
        noted = self._placements.cells_of(audience.tenant)
        return {cell: None for cell in self._cells if cell in noted}

"""The directory of cells, as use cases need it.

Every method may raise TransientError: the directory did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from loudhailer.cells.model import Lease, Standing
from loudhailer.ids import CellName


class CellDirectory(Protocol):
    """The rows that cells write about themselves, and an operator about them. Reads are consistent."""

    def standing(self, cells: Collection[CellName]) -> Mapping[CellName, Standing]:
        """Return the standing of each of the cells. A lease that makes no sense counts as none."""

    def renew(self, cell: CellName, lease: Lease) -> bool:
        """Put the cell's lease in place of an older one; False, and nothing done, if a later one is there."""

    def order(self, cell: CellName, weight: float | None) -> None:
        """Order a weight for the cell, or take the order back."""

    def revision(self) -> int:
        """Return the revision of the hub's tenants: each change of a tenant raises it; 0 before the first one."""

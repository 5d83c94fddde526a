"""The directory of cells, as use cases need it.

Every method may raise TransientError: the directory did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from loudhailer.cells.model import CellStatus, Lease
from loudhailer.ids import CellName


class CellDirectory(Protocol):
    """The rows that cells write about themselves, and that an operator writes about cells. Reads are consistent."""

    def statuses(self, cells: Collection[CellName]) -> Mapping[CellName, CellStatus]:
        """Return the status of each of the cells. A malformed lease counts as none."""

    def renew(self, cell: CellName, lease: Lease) -> bool:
        """Replace an older lease of the cell; return False, and change nothing, if a later one is stored."""

    def order(self, cell: CellName, weight: float | None) -> None:
        """Set an operator's weight for the cell; None removes it."""

    def forget(self, cell: CellName) -> None:
        """Delete the lease and the order of a cell that is not declared any more, before its name is used again."""

    def tenant_revision(self) -> int:
        """Return the revision of the hub's tenants: each change of a tenant raises it; 0 before the first one."""

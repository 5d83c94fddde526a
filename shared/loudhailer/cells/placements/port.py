"""The store of placements, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from loudhailer.cells.placements.model import Placement
from loudhailer.ids import CellName, TenantId


class PlacementStore(Protocol):
    """The placements by tenant and name, and the cells on which a tenant may have connections. Reads are consistent."""

    def get(self, tenant: TenantId, names: Collection[str]) -> Mapping[str, Placement]:
        """Return the placements that exist, by their names."""

    def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
        """Replace the placement of the version before; return False, and change nothing, if another one is stored.

        A placement of version 1 is put only if none is stored.
        """

    def add_cell(self, tenant: TenantId, cell: CellName, now: int) -> None:
        """Note that the tenant may have connections on the cell from `now` (epoch seconds) on."""

    def cells_of(self, tenant: TenantId) -> Mapping[CellName, int]:
        """Return the cells on which the tenant may have connections, each with the time of its last note."""

    def remove_cell(self, tenant: TenantId, cell: CellName, noted_at: int) -> bool:
        """Remove the note of that time; return False, and change nothing, if the cell was noted again since."""

    def forget(self, tenant: TenantId) -> None:
        """Delete the tenant's placements and the notes of its cells; it may be repeated after an interruption."""

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
        """Put the placement in place of the one before it; False, and nothing done, if that is not the one before.

        The one before has the version below; before version 1 there is none.
        """

    def add_cell(self, tenant: TenantId, cell: CellName, now: int) -> None:
        """Note that the tenant may have connections on the cell from `now` (epoch seconds) on."""

    def cells_of(self, tenant: TenantId) -> Mapping[CellName, int]:
        """The cells on which the tenant may have connections, and when that was last noted."""

    def remove_cell(self, tenant: TenantId, cell: CellName, noted_at: int) -> bool:
        """Forget that, unless it was noted anew since; whether it is forgotten."""

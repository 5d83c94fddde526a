"""In-memory twins of the directory of cells and the store of placements."""

from collections.abc import Collection, Mapping
from threading import Lock
from typing import override

from loudhailer.cells.model import CellStatus, Lease
from loudhailer.cells.placements.model import Placement
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.cells.port import CellDirectory
from loudhailer.ids import CellName, TenantId


class MemoryCellDirectory(CellDirectory):
    """Keeps leases and orders in dictionaries."""

    def __init__(self) -> None:
        self.leases: dict[CellName, Lease] = {}
        self.orders: dict[CellName, float] = {}
        self.last_revision = 0

    @override
    def statuses(self, cells: Collection[CellName]) -> Mapping[CellName, CellStatus]:
        return {cell: CellStatus(self.leases.get(cell), self.orders.get(cell)) for cell in cells}

    @override
    def renew(self, cell: CellName, lease: Lease) -> bool:
        if cell in self.leases and self.leases[cell].at > lease.at:
            return False
        self.leases[cell] = lease
        return True

    @override
    def order(self, cell: CellName, weight: float | None) -> None:
        if weight is None:
            self.orders.pop(cell, None)
        else:
            self.orders[cell] = weight

    @override
    def forget(self, cell: CellName) -> None:
        self.leases.pop(cell, None)
        self.orders.pop(cell, None)

    @override
    def tenant_revision(self) -> int:
        return self.last_revision


class MemoryPlacementStore(PlacementStore):
    """Keeps the placements in dictionaries; one lock makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[tuple[TenantId, str], Placement] = {}
        self.cells: dict[tuple[TenantId, CellName], int] = {}
        self._lock = Lock()

    @override
    def get(self, tenant: TenantId, names: Collection[str]) -> Mapping[str, Placement]:
        return {name: self.rows[tenant, name] for name in names if (tenant, name) in self.rows}

    @override
    def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
        with self._lock:
            stored = self.rows.get((tenant, name))
            if (0 if stored is None else stored.version) != placement.version - 1:
                return stored == placement
            self.rows[tenant, name] = placement
            return True

    @override
    def add_cell(self, tenant: TenantId, cell: CellName, now: int) -> None:
        self.cells[tenant, cell] = now

    @override
    def cells_of(self, tenant: TenantId) -> Mapping[CellName, int]:
        return {cell: noted_at for (of, cell), noted_at in self.cells.items() if of == tenant}

    @override
    def remove_cell(self, tenant: TenantId, cell: CellName, noted_at: int) -> bool:
        with self._lock:
            if self.cells.get((tenant, cell)) != noted_at:
                return False
            del self.cells[tenant, cell]
            return True

    @override
    def forget(self, tenant: TenantId) -> None:
        with self._lock:
            self.rows = {key: placement for key, placement in self.rows.items() if key[0] != tenant}
            self.cells = {key: noted_at for key, noted_at in self.cells.items() if key[0] != tenant}

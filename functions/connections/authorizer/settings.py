"""The variables of `authorizer`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import CellWeights
from loudhailer.settings import TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of tenants, sessions and partitions, with the largest size and number of a tenant's partitions.

    Attributes:
        cells_table: the table of the cells' leases and of an operator's orders, for the hub's own cell of several;
            without it, limits are taken as they are, and the variables below are not used.
        cell_weights: the weights of all cells.
        home_connections: number of a tenant's connections that make a home.
        lease_seconds: largest age of a valid lease.
    """

    tenants_table: TableName
    sessions_table: TableName
    partitions_table: TableName
    connections_per_partition: Annotated[int, integer(1, 100_000)]
    max_partitions: Annotated[int, integer(1, 99_999)]
    cells_table: TableName = ""
    cell_weights: CellWeights | None = None
    home_connections: Annotated[int, integer(1, 1_000_000_000)] = 20_000
    lease_seconds: Annotated[int, integer(1, 120)] = 15

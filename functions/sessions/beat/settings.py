"""The variables of `beat`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import CellWeights, ExternalId, NameOfCell, Region
from loudhailer.settings import Arn, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The cell with its tables and API, and the hub's tables with the role that reaches them.

    Attributes:
        beat_queue_url: the queue of the ticks within a minute.
        beat_seconds: seconds between two ticks.
        lease_seconds: largest age of a valid lease.
        cell_weights: the weights of all cells, the hub's included.
        home_connections: number of a tenant's connections that make a home.
    """

    cell_name: NameOfCell
    tenants_table: TableName
    partitions_table: TableName
    websocket_url: Url
    callback_endpoint: Url
    beat_queue_url: Url
    beat_seconds: Annotated[int, integer(1, 30)]
    lease_seconds: Annotated[int, integer(1, 120)]
    cell_weights: CellWeights
    home_connections: Annotated[int, integer(1, 1_000_000_000)]
    hub_role_arn: Arn
    hub_external_id: ExternalId
    hub_region: Region
    hub_cells_table: TableName
    hub_tenants_table: TableName

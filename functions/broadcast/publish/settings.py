"""The variables of `publish`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of tenants and broadcasts, the topic, and the lifetime of messages.

    Attributes:
        broadcast_keys: number of partition keys over which a broadcast's rows are spread.
        cells: the further cells; without any, the two tables below are not used.
        cells_table: the table of the cells' leases.
        placements_table: the table of each tenant's cells.
    """

    tenants_table: TableName
    broadcasts_table: TableName
    broadcast_topic_arn: Arn
    broadcast_keys: Annotated[int, integer(1, 64)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
    cells: Cells | None = None
    cells_table: TableName = ""
    placements_table: TableName = ""

"""The variables of `publish`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of tenants and broadcasts, the topic, and the lifetime of messages.

    Attributes:
        broadcast_keys: how many partition keys the rows of a broadcast are spread over.
        cells: the further cells; without any, the two tables below mean nothing.
        cells_table: where the cells' leases are.
        placements_table: where the cells of each tenant are.
    """

    tenants_table: TableName
    broadcasts_table: TableName
    broadcast_topic_arn: Arn
    broadcast_keys: Annotated[int, integer(1, 64)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
    cells: Cells | None = None
    cells_table: TableName = ""
    placements_table: TableName = ""

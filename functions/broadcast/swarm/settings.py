"""The variables of `swarm`."""

from dataclasses import dataclass

from loudhailer.cells.model import NameOfCell
from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of partitions, audiences and broadcasts, the queue of broadcasts, and the queue of sources.

    Attributes:
        cell_name: the further cell that the function is in; the hub's cell has none.
    """

    partitions_table: TableName
    audiences_table: TableName
    broadcasts_table: TableName
    broadcast_queue_url: Url
    partition_queue_url: Url
    dead_letter_queue_url: Url
    cell_name: NameOfCell | None = None

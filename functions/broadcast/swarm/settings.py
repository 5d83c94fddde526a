"""The variables of `swarm`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where partitions and broadcasts are kept, where broadcasts come from, and where sources go."""

    partitions_table: TableName
    broadcasts_table: TableName
    broadcast_queue_url: Url
    partition_queue_url: Url
    dead_letter_queue_url: Url

"""The variables of `swarm`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of partitions and broadcasts, the queue of broadcasts, and the queue of sources."""

    partitions_table: TableName
    broadcasts_table: TableName
    broadcast_queue_url: Url
    partition_queue_url: Url
    dead_letter_queue_url: Url

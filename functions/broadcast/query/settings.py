"""The variables of `query`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.broadcast.search import LARGEST_CHUNK
from loudhailer.settings import TableName, Url, Urls, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names of the tables and queues that `query` uses, and the size of a chunk.

    Attributes:
        chunk_size: the recipients that a chunk may have.
        lane_count: how many lanes the shards have together.
    """

    connections_table: TableName
    members_table: TableName
    sessions_table: TableName
    devices_table: TableName
    broadcasts_table: TableName
    lanes_table: TableName
    partition_queue_url: Url
    shard_queue_urls: Urls
    room_queue_url: Url
    callback_endpoint: Url
    chunk_size: Annotated[int, integer(1, LARGEST_CHUNK)]
    lane_count: Annotated[int, integer(1, 32_000)]
    dead_letter_queue_url: Url

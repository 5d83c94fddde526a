"""The variables of `publish`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.broadcast.search import LARGEST_CHUNK
from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, Flag, TableName, Url, decimal, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the topic, the queue of small broadcasts, and the lifetime of messages.

    Attributes:
        broadcast_keys: number of partition keys over which a broadcast's rows are spread.
        express_recipients: largest number of recipients of a small broadcast; 0: no broadcast is small.
        posts_per_second: the rate of all lanes together.
        lane_count: number of lanes that post to a shard's chunks.
        chunk_size: number of recipients of a chunk, at most.
        channels_enabled: False while functions of a former release run, which do not know channels.
        cells: the further cells; without any, the two tables below are not used.
        cells_table: the table of the cells' leases.
        placements_table: the table of each tenant's cells.
    """

    tenants_table: TableName
    partitions_table: TableName
    audiences_table: TableName
    connections_table: TableName
    members_table: TableName
    sessions_table: TableName
    devices_table: TableName
    broadcasts_table: TableName
    broadcast_topic_arn: Arn
    express_queue_url: Url
    callback_endpoint: Url
    broadcast_keys: Annotated[int, integer(1, 64)]
    express_recipients: Annotated[int, integer(0, LARGEST_CHUNK)]
    posts_per_second: Annotated[float, decimal(0.1, 1_000_000)]
    lane_count: Annotated[int, integer(1, 32_000)]
    chunk_size: Annotated[int, integer(1, LARGEST_CHUNK)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
    channels_enabled: Flag
    cells: Cells | None = None
    cells_table: TableName = ""
    placements_table: TableName = ""

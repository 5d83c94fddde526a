"""The tables that members of channels are counted and found in."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from functions.channels.publish_frame.settings import Settings
from loudhailer.broadcast.publishing.counts import counts_of_channel
from loudhailer.broadcast.publishing.publisher import Counts
from loudhailer.broadcast.search import PartitionSearch
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.partitions.audiences import ChannelAudiences
from loudhailer.partitions.dynamodb import DynamoPartitionStore


def members_of_channels(
    settings: Settings, client: Any, *, executor: Executor, clock: Callable[[], float]
) -> tuple[Counts, PartitionSearch]:
    """The counts of channels' members, and the search for them."""
    channels = ChannelAudiences(DynamoPartitionStore(client, settings.audiences_table), executor=executor)
    search = PartitionSearch(DynamoConnectionStore(client, settings.members_table), executor=executor, clock=clock)
    return partial(counts_of_channel, channels), search

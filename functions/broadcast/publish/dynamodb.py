"""The tables that recipients are counted and found in, and the hub's tables about its further cells."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from functions.broadcast.publish.cells import FurtherCells
from functions.broadcast.publish.settings import Settings
from loudhailer.broadcast.publishing.counts import counts_of
from loudhailer.broadcast.publishing.publisher import Counts
from loudhailer.broadcast.search import Search
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.connections.members import ConnectionsAndMembers
from loudhailer.partitions.audiences import Audiences
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore


def further_cells(settings: Settings, client: Any) -> FurtherCells | None:
    """Return the further cells of the settings; None if the hub has the only cell."""
    if not settings.cells:
        return None
    return FurtherCells(
        DynamoCellDirectory(client, settings.cells_table),
        DynamoPlacementStore(client, settings.placements_table),
        list(settings.cells),
    )


def recipients(
    settings: Settings, client: Any, *, executor: Executor, clock: Callable[[], float]
) -> tuple[Counts, Search]:
    """The counts of audiences, and the search for recipients."""
    audiences = Audiences(
        DynamoPartitionStore(client, settings.partitions_table),
        DynamoPartitionStore(client, settings.audiences_table),
        executor=executor,
    )
    search = Search(
        ConnectionsAndMembers(
            DynamoConnectionStore(client, settings.connections_table),
            DynamoConnectionStore(client, settings.members_table),
        ),
        DynamoSessionStore(client, settings.sessions_table),
        DynamoDeviceStore(client, settings.devices_table),
        executor=executor,
        clock=clock,
    )
    return partial(counts_of, audiences), search

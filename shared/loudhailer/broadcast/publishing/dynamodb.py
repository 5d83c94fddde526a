"""The tables that recipients are counted and found in."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from loudhailer.broadcast.search import Search
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.connections.members import ConnectionsAndMembers
from loudhailer.partitions.audiences import Audiences
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore


class Tables(Protocol):
    """The names of the tables; a function's settings."""

    @property
    def partitions_table(self) -> str:
        """Counts of tenants' connections."""

    @property
    def audiences_table(self) -> str:
        """Counts of channels' members."""

    @property
    def connections_table(self) -> str:
        """Connections."""

    @property
    def members_table(self) -> str:
        """Members of channels."""

    @property
    def sessions_table(self) -> str:
        """Sessions, for the connections of one."""

    @property
    def devices_table(self) -> str:
        """Devices, for the connections of a player."""


def recipients(
    tables: Tables, client: Any, *, executor: Executor, clock: Callable[[], float]
) -> tuple[Audiences, Search]:
    """The counts of audiences, and the search for recipients."""
    audiences = Audiences(
        DynamoPartitionStore(client, tables.partitions_table),
        DynamoPartitionStore(client, tables.audiences_table),
        executor=executor,
    )
    search = Search(
        ConnectionsAndMembers(
            DynamoConnectionStore(client, tables.connections_table),
            DynamoConnectionStore(client, tables.members_table),
        ),
        DynamoSessionStore(client, tables.sessions_table),
        DynamoDeviceStore(client, tables.devices_table),
        executor=executor,
        clock=clock,
    )
    return audiences, search

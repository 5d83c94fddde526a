"""The counts and recipients that the functions of a broadcast read, on twins that keep channels beside tenants."""

from loudhailer.connections.members import ConnectionsAndMembers
from loudhailer.connections.port import ConnectionStore
from loudhailer.partitions.audiences import Audiences
from loudhailer.partitions.port import PartitionStore
from tests.support.executors import AtOnce


def audiences(partitions: PartitionStore) -> Audiences:
    """The counts of tenants and channels in one store."""
    return Audiences(partitions, partitions, executor=AtOnce())


def recipients(connections: ConnectionStore) -> ConnectionsAndMembers:
    """The connections and members in one store."""
    return ConnectionsAndMembers(connections, connections)

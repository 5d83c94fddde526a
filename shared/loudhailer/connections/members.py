"""Recipients: connections, and members of channels, whose table has the same form."""

from collections.abc import Iterator, Sequence

from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, RoomKey, TenantId, is_of_channel


class ConnectionsAndMembers:
    """Reads recipients from the table that has their partition."""

    def __init__(self, connections: ConnectionStore, members: ConnectionStore) -> None:
        self._connections = connections
        self._members = members

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """See `ConnectionStore.in_partition`."""
        store = self._members if is_of_channel(partition) else self._connections
        return store.in_partition(partition, after=after, not_expired_at=not_expired_at)

    def in_room(self, tenant: TenantId, room: RoomKey, *, most: int | None = None) -> list[ConnectionKey]:
        """See `ConnectionStore.in_room`."""
        return self._connections.in_room(tenant, room, most=most)

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """See `ConnectionStore.connected_at`."""
        return self._connections.connected_at(keys)

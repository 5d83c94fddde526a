"""The in-memory twin of the rooms."""

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import RoomKey, TenantId
from loudhailer.rooms.model import Membership
from loudhailer.rooms.port import Joined, RoomStore
from tests.support.fakes.connections import MemoryConnectionStore


class MemoryRoomStore(RoomStore):
    """Keeps the rooms of the connections in their twin."""

    def __init__(self, connections: MemoryConnectionStore) -> None:
        self._connections = connections
        self._memberships: dict[ConnectionKey, Membership] = {}

    def join(self, key: ConnectionKey, membership: Membership) -> Joined | None:
        """See `RoomStore.join`."""
        if key not in self._connections.rows:
            return None
        former = self._memberships.get(key)
        self._memberships[key] = membership
        self._connections.rooms[key] = membership.room
        return Joined(former)

    def membership(self, key: ConnectionKey) -> Membership | None:
        """See `RoomStore.membership`."""
        return self._memberships.get(key) if key in self._connections.rows else None

    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        """See `RoomStore.members`."""
        return self._connections.in_room(tenant, room)[:limit]

    def size(self, tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        """See `RoomStore.size`."""
        return len(self.members(tenant, room, limit=limit))

    def remove(self, key: ConnectionKey) -> None:
        """See `RoomStore.remove`."""
        self._connections.delete(key)

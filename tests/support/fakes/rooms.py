"""The in-memory twin of the rooms."""

from typing import override

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

    @override
    def join(self, key: ConnectionKey, membership: Membership) -> Joined | None:
        if key not in self._connections.rows:
            return None
        former = self._memberships.get(key)
        self._memberships[key] = membership
        self._connections.rooms[key] = membership.room
        return Joined(former)

    @override
    def membership(self, key: ConnectionKey) -> Membership | None:
        return self._memberships.get(key) if key in self._connections.rows else None

    @override
    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        return self._connections.in_room(tenant, room)[:limit]

    @override
    def size(self, tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        return len(self.members(tenant, room, limit=limit))

    @override
    def remove(self, key: ConnectionKey) -> None:
        self._connections.delete(key)

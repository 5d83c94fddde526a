"""A tenant's connections, their rooms, and the frames that are posted to them."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, override

from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, RoomKey, SessionId, TenantId, tenant_of
from loudhailer.limits.posts import PostBudget
from loudhailer.rooms.model import Membership, NickName
from loudhailer.websocket.caller import Caller
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.rooms import MemoryRoomStore

NOW = 1_800_000_000
RED, BLUE = RoomKey("red"), RoomKey("blue")


def key(name: str, tenant: str = "acme") -> ConnectionKey:
    """The key of a connection."""
    return ConnectionKey(Partition(f"{tenant}#00000"), ConnectionId(f"{name}="))


def caller(
    one: ConnectionKey, session: str = "s1", posts_per_minute: int = 1_000_000, received_at: int = NOW * 1_000
) -> Caller:
    """The connection as it sends a frame."""
    return Caller(
        tenant_id=tenant_of(one.partition),
        session_id=SessionId(session),
        key=one,
        session_seconds=300,
        messages_per_minute=60,
        posts_per_minute=posts_per_minute,
        request_id="request",
        received_at=received_at,
    )


class Rooms(MemoryRoomStore):
    """The rooms' twin; `down` names the methods that fail."""

    def __init__(self, connections: MemoryConnectionStore) -> None:
        super().__init__(connections)
        self.down: set[str] = set()

    @override
    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        self._refuse("members")
        self._refuse(room)
        return super().members(tenant, room, limit=limit)

    @override
    def remove(self, key: ConnectionKey) -> None:
        self._refuse("remove")
        super().remove(key)

    def _refuse(self, what: str) -> None:
        if what in self.down:
            raise TransientError(f"{what} is down")


class RoomFixture:
    """Connections, rooms and posts."""

    def __init__(self) -> None:
        self.connections = MemoryConnectionStore()
        self.rooms = Rooms(self.connections)
        self.sender = MemoryOrderedSender()
        self.limits = MemoryLimitStore()
        self.posts = PostBudget(self.limits, session_share=0.5, clock=lambda: NOW)

    def connect(self, *names: str, tenant: str = "acme") -> list[ConnectionKey]:
        """Connections that are in no room."""
        keys = [key(name, tenant) for name in names]
        for one in keys:
            self.connections.rows[one] = Connection(one, SessionId("s1"), NOW - 100, NOW + 7_400)
        return keys

    def join(self, *names: str, room: RoomKey = RED, tenant: str = "acme") -> list[ConnectionKey]:
        """Connections that are in a room, each under its name."""
        keys = self.connect(*names, tenant=tenant)
        for name, one in zip(names, keys, strict=True):
            self.rooms.join(one, Membership(room, NickName(name)))
        return keys

    def crowd(self, size: int, room: RoomKey = RED) -> list[ConnectionKey]:
        """So many connections in a room."""
        return self.join(*(f"c{number:04d}" for number in range(size)), room=room)

    def ends(self, ends: Mapping[ConnectionKey, Outcome]) -> None:
        """Let posts to these connections end so from now on."""
        self.sender = MemoryOrderedSender({one.connection_id: [outcome] for one, outcome in ends.items()})

    @property
    def posted(self) -> dict[str, list[Any]]:
        """The frames that each connection has received, by its name."""
        frames: defaultdict[str, list[Any]] = defaultdict(list)
        for connection, frame in self.sender.delivered:
            frames[connection.removesuffix("=")].append(json.loads(frame))
        return frames

"""The store of rooms, as use cases need it: rooms are attributes of the connections' rows.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from dataclasses import dataclass
from typing import Protocol

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import RoomKey, TenantId
from loudhailer.rooms.model import Membership


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of joining a room; `former` is the membership before."""

    former: Membership | None


class RoomStore(Protocol):
    """The rooms of all connections."""

    def join(self, key: ConnectionKey, membership: Membership) -> Joined | None:
        """Put the connection into the room, and remove it from the room that it was in.

        Return None, and change nothing, if the connection has no row: joining never creates one.
        """

    def membership(self, key: ConnectionKey) -> Membership | None:
        """Return the room of the connection, read consistently; None if it is in no room or has no row."""

    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        """Return at most `limit` connections of the room, in any order, from an index that may lag behind the rows."""

    def size(self, tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        """Return the number of connections in the room, at most `limit`, from the same index."""

    def remove(self, key: ConnectionKey) -> None:
        """Delete the row of a connection that is gone; a missing row is ignored."""

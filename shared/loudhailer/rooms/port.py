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
    """A connection has joined a room; `former` is what its row said before."""

    former: Membership | None


class RoomStore(Protocol):
    """The rooms of all connections."""

    def join(self, key: ConnectionKey, membership: Membership) -> Joined | None:
        """Put the connection into the room, and out of the one that it was in.

        None, and nothing done, if the connection has no row: joining never makes one.
        """

    def membership(self, key: ConnectionKey) -> Membership | None:
        """The room that the connection is in, read consistently; None if it is in none or has no row."""

    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        """The connections in the room, at most `limit`, in any order, by an index: it may lag behind the rows."""

    def size(self, tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        """The number of connections in the room, at most `limit`, by the same index."""

    def remove(self, key: ConnectionKey) -> None:
        """Delete the row of a connection that is gone; one that is not there is fine."""

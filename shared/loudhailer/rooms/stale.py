"""Delete the rows of members that API Gateway answers with 410.

A member's handshake was complete when it joined, so a 410 proves that it is gone. The stream then announces the leave.
"""

from collections.abc import Iterable

from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.observability import count, logger
from loudhailer.rooms.port import RoomStore


def remove_gone(rooms: RoomStore, members: Iterable[ConnectionKey]) -> None:
    """Delete the rows of members that are gone. Never raises: the others have their frames, and must not wait."""
    for member in members:
        try:
            rooms.remove(member)
        except TransientError:
            logger.exception("a stale connection could not be deleted", member=member.connection_id)
        else:
            count("StaleConnectionDeleted")

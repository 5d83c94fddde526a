"""Members that API Gateway answers 410 for.

A member's handshake was over when it joined, so a 410 is believed at once. The stream makes a leave of the row that
goes.
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
            logger.exception("a stale connection is left", member=member.connection_id)
        else:
            count("StaleConnectionDeleted")

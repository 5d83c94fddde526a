"""The register: the tables of connections, sessions and devices, written together."""

from enum import Enum, auto
from typing import Protocol

from loudhailer.connections.model import Connection


class Entry(Enum):
    """Result of recording a connection."""

    RECORDED = auto()
    RECORDED_BEFORE = auto()
    SESSION_OVER = auto()
    SESSION_FULL = auto()
    CONTENDED = auto()
    """Another writer was at work on the session; nothing was done, and the same may work in a moment."""
    THROTTLED = auto()
    """DynamoDB takes no more for now; nothing was done, and the same may work later."""


class Register(Protocol):
    """The register of connections."""

    def record(self, connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        """Put the connection's row, add it to its session, which lives until then, and to its player's devices.

        All of it is done, or nothing.

        Only for a session that is live when the connection is made, is bound to the connection's player, or to none if
        the connection has none, and has fewer connections than its limit.

        Raises:
            TransientError: it is not known whether it was done.
        """

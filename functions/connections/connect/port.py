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
    """Another writer is changing the session; nothing was written, and the same call may succeed in a moment."""
    THROTTLED = auto()
    """DynamoDB throttles the request; nothing was written, and the same call may succeed later."""


class Register(Protocol):
    """The register of connections."""

    def record(self, connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        """Put the connection's row, and add it to its session and to its player's devices.

        All rows are written, or none. The session's lifetime is extended to `session_expires_at`.

        The session must be live, must be bound to the connection's player (or to none if the connection has none), and
        must have fewer connections than its limit.

        Raises:
            TransientError: the rows may or may not be written.
        """

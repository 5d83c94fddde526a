"""A client's session."""

from dataclasses import dataclass

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId
from loudhailer.sessions.grants import NO_GRANTS, Grants


@dataclass(frozen=True, slots=True)
class Session:
    """A client's session; `expires_at` in epoch seconds."""

    tenant_id: TenantId
    session_id: SessionId
    expires_at: int
    player_id: PlayerId | None = None
    connections: frozenset[ConnectionKey] = frozenset()
    grants: Grants = NO_GRANTS

    def has(self, connection: ConnectionId) -> bool:
        """Tell whether the connection belongs to the session, so that its frames are the session's."""
        return any(key.connection_id == connection for key in self.connections)

    def is_live(self, now: float) -> bool:
        """Tell whether the session has not expired; an expired row may exist for hours."""
        return self.expires_at > now

    def is_to_be_renewed(self, session_seconds: int, now: int) -> bool:
        """Tell whether a tenth of the lifetime `session_seconds` has passed since the last renewal."""
        return (now + session_seconds - self.expires_at) * 10 >= session_seconds

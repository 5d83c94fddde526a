"""A tenant and a session of it."""

from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId


class TenantWire(TypedDict):
    """A tenant as `GET /tenant` shows it; `sessionTTL` in seconds."""

    tenantId: str
    connectionsPerSession: int
    tenantConnections: int
    sessionPerMinute: int
    tenantPerMinute: int
    sessionTTL: int
    messagesPerMinute: int
    silo: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the service and what it may use.

    Attributes:
        tenant_id: its id.
        tenant_connections: connections of all its sessions together.
        connections_per_session: connections of one session.
        tenant_per_minute: attempts to connect, of all its sessions together.
        session_per_minute: attempts to connect, of one session.
        messages_per_minute: messages of the tenant, or of one player where players send.
        session_seconds: how long a session lives after its last activity.
        silo: whether its messages have a queue of their own.
    """

    tenant_id: TenantId
    tenant_connections: int
    connections_per_session: int
    tenant_per_minute: int
    session_per_minute: int
    messages_per_minute: int
    session_seconds: int
    silo: bool = False

    def to_wire(self) -> TenantWire:
        """The tenant with the names of its table."""
        return {
            "tenantId": self.tenant_id,
            "connectionsPerSession": self.connections_per_session,
            "tenantConnections": self.tenant_connections,
            "sessionPerMinute": self.session_per_minute,
            "tenantPerMinute": self.tenant_per_minute,
            "sessionTTL": self.session_seconds,
            "messagesPerMinute": self.messages_per_minute,
            "silo": self.silo,
        }


@dataclass(frozen=True, slots=True)
class Session:
    """A client's session; `expires_at` in epoch seconds."""

    tenant_id: TenantId
    session_id: SessionId
    expires_at: int
    player_id: PlayerId | None = None
    connections: frozenset[ConnectionKey] = frozenset()

    def is_live(self, now: float) -> bool:
        """Whether the session's time is not over; a row may outlive it by hours."""
        return self.expires_at > now


class TotalSample(NamedTuple):
    """By how many a tenant's total exceeded its partitions' counts, and how many changes they had counted by then."""

    excess: int
    partitions: int
    changes: int
    at: int


@dataclass(frozen=True, slots=True)
class TenantTotal:
    """How many connections are reserved for a tenant, and what `reconcile` last saw of it, oldest first."""

    count: int = 0
    samples: tuple[TotalSample, ...] = ()

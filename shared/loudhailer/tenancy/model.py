"""A tenant, a session of it, and what is counted of both in a minute."""

import base64
import hmac
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, ProbeId, SessionId, SessionSecret, TenantId

TENANT_SESSIONS = 100_000
"""The sessions that a tenant may have if its row does not say."""


class TenantWire(TypedDict):
    """A tenant's limits as `GET /tenant` shows them; `sessionTTL` in seconds."""

    tenantId: str
    connectionsPerSession: int
    tenantConnections: int
    sessionPerMinute: int
    tenantPerMinute: int
    sessionTTL: int
    messagesPerMinute: int
    tenantSessions: int
    postsPerMinute: int


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
        tenant_sessions: sessions that live at the same time.
        posts_per_minute: posts that its messages to rooms may cause, frames x members; None: see `posts_by_default`.
        session_key: hides the ids of its sessions where they are kept; a secret, not to be logged.
    """

    tenant_id: TenantId
    tenant_connections: int
    connections_per_session: int
    tenant_per_minute: int
    session_per_minute: int
    messages_per_minute: int
    session_seconds: int
    tenant_sessions: int = TENANT_SESSIONS
    posts_per_minute: int | None = None
    session_key: str | None = field(default=None, repr=False)

    @property
    def post_budget(self) -> int:
        """The posts that its messages to rooms may cause in a minute."""
        return posts_by_default(self.messages_per_minute) if self.posts_per_minute is None else self.posts_per_minute

    def session_id_of(self, secret: SessionSecret) -> SessionId:
        """The id under which the session is kept, in rows, keys of limits, messages and logs.

        It is a keyed hash: 43 letters, digits, `_` and `-` that open nothing, and that nobody without the tenant's row
        can tell from a guess. A tenant that has no key yet keeps the id as it is.
        """
        if self.session_key is None:
            return SessionId(secret)
        digest = hmac.digest(self.session_key.encode(), secret.encode(), "sha256")
        return SessionId(base64.urlsafe_b64encode(digest).decode().rstrip("="))

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
            "tenantSessions": self.tenant_sessions,
            "postsPerMinute": self.post_budget,
        }


def posts_by_default(messages_per_minute: int) -> int:
    """The posts of a tenant for which no number is set: each of its messages to a hundred members."""
    return 100 * messages_per_minute


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A tenant that is being erased, or was: `erased_at`, in epoch seconds, is None until all that it had is gone."""

    tenant_id: TenantId
    erased_at: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """A client's session; `expires_at` in epoch seconds."""

    tenant_id: TenantId
    session_id: SessionId
    expires_at: int
    player_id: PlayerId | None = None
    connections: frozenset[ConnectionKey] = frozenset()

    def has(self, connection: ConnectionId) -> bool:
        """Tell whether the connection belongs to the session, so that its frames are the session's."""
        return any(key.connection_id == connection for key in self.connections)

    def is_live(self, now: float) -> bool:
        """Whether the session's time is not over; a row may outlive it by hours."""
        return self.expires_at > now

    def is_to_be_renewed(self, session_seconds: int, now: int) -> bool:
        """Whether a tenth of its time has passed since it was last renewed, if it then had so many seconds to live."""
        return (now + session_seconds - self.expires_at) * 10 >= session_seconds


class Inquiry(NamedTuple):
    """A tenant's total that may be wrong, as far as `reconcile` has looked into it.

    Attributes:
        at: when it last looked, epoch seconds.
        reserved: how many reservations had been made at its first look.
        rows: how many rows the tenant's connections had at its second look; None before.
        probe: what was put behind the rows then.
    """

    at: int
    reserved: int
    rows: int | None = None
    probe: ProbeId | None = None


@dataclass(frozen=True, slots=True)
class MinuteCounter:
    """What is counted anew every minute; made by the functions below.

    Its keys are `{name}:{epoch}`, the epoch second that the minute begins with. No id has a `:` in it, so two counters
    never share a key, and every key leads with its tenant.
    """

    name: str

    def key(self, now: int) -> str:
        """The key of the minute that the second `now` is in."""
        return f"{self.name}:{minute_of(now)}"


def minute_of(now: int) -> int:
    """The epoch second that the minute of `now` begins with."""
    return now - now % 60


def connects_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Attempts to connect, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minute")


def connects_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Attempts to connect, of one session."""
    return MinuteCounter(f"{tenant}:{session}:minute")


def messages_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Messages to the silo and the pool, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minutemsg")


def messages_of_player(tenant: TenantId, player: PlayerId) -> MinuteCounter:
    """Direct messages and messages to rooms, of one player."""
    return MinuteCounter(f"{tenant}:{player}:minutemsg")


def frames_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session for rooms and players, whatever became of them."""
    return MinuteCounter(f"{tenant}:{session}:frames")


def queued_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Messages of one session to the silo and the pool, whatever became of them."""
    return MinuteCounter(f"{tenant}:{session}:queued")


def others_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session that no other route takes: pings, and what makes no sense."""
    return MinuteCounter(f"{tenant}:{session}:others")


def posts_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Posts that one session causes in rooms."""
    return MinuteCounter(f"{tenant}:{session}:posts")


def posts_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Posts that all sessions of the tenant cause in rooms."""
    return MinuteCounter(f"{tenant}:posts")


def share_of(limit: int, share: float) -> int:
    """The most that one session gets of its tenant's limit: the share of it, and one at least."""
    return max(1, int(limit * share))


@dataclass(frozen=True, slots=True)
class TenantTotal:
    """A tenant's total.

    Attributes:
        count: how many connections are reserved for it now.
        reserved: how many reservations were ever made, those that were given back included.
        inquiry: `reconcile` looks into it.
    """

    count: int = 0
    reserved: int = 0
    inquiry: Inquiry | None = None

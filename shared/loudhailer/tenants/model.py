"""A tenant and its limits."""

import base64
import hmac
from dataclasses import dataclass, field
from typing import TypedDict

from loudhailer.ids import SessionId, SessionSecret, TenantId
from loudhailer.tenants.channels import ChannelSetting, ChannelSettingWire

TENANT_SESSIONS = 100_000
"""Number of sessions that a tenant may have if its row does not say."""


CHANNELS_PER_CONNECTION = 100
"""Number of channels that a connection may subscribe to if its tenant's row does not say."""

MOST_CHANNELS_PER_CONNECTION = 1_000
"""Each frame that subscribes reads all subscriptions of its connection."""


class TenantWire(TypedDict):
    """A tenant's limits and settings as `GET /tenant` shows them; `sessionTTL` in seconds."""

    tenantId: str
    connectionsPerSession: int
    tenantConnections: int
    sessionPerMinute: int
    tenantPerMinute: int
    sessionTTL: int
    messagesPerMinute: int
    tenantSessions: int
    postsPerMinute: int
    channelsPerConnection: int
    channels: list[ChannelSettingWire]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the service and what it may use.

    Attributes:
        tenant_id: its id.
        tenant_connections: connections of all its sessions together.
        connections_per_session: connections of one session.
        tenant_per_minute: attempts to connect, of all its sessions together.
        session_per_minute: attempts to connect, of one session.
        messages_per_minute: messages of the tenant to the silo and the pool, or of one player to players and rooms.
        session_seconds: seconds that a session lives after its last activity.
        tenant_sessions: sessions that live at the same time.
        posts_per_minute: posts that its messages to rooms may cause, frames x members; None: see `posts_by_default`.
        channels_per_connection: channels that a connection may subscribe to.
        channels: settings of channels by patterns, of which the first that matches counts.
        session_key: key of the hash that hides session ids in storage; a secret, not to be logged.
        revision: the revision of the hub's tenants that its row belongs to; 0 without further cells.
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
    channels_per_connection: int = CHANNELS_PER_CONNECTION
    channels: tuple[ChannelSetting, ...] = ()
    session_key: str | None = field(default=None, repr=False)
    revision: int = 0

    @property
    def post_budget(self) -> int:
        """The number of posts that its messages to rooms may cause in a minute."""
        return posts_by_default(self.messages_per_minute) if self.posts_per_minute is None else self.posts_per_minute

    def session_id_of(self, secret: SessionSecret) -> SessionId:
        """Return the id under which the session is stored: in rows, keys of limits, messages and logs.

        It is a keyed hash: 43 letters, digits, `_` and `-`, which give no access, and which cannot be linked to a
        secret without the tenant's row. A tenant without a key stores the id itself.
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
            "channelsPerConnection": self.channels_per_connection,
            "channels": [one.to_wire() for one in self.channels],
        }


def posts_by_default(messages_per_minute: int) -> int:
    """Return the default number of posts of a tenant: each of its messages to a hundred members."""
    return 100 * messages_per_minute


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A row of the table, as further cells copy it: a tenant, or a tombstone, of a revision."""

    tenant_id: TenantId
    revision: int
    tenant: Tenant | None
    tombstone: "Tombstone | None"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A tenant that is being or was erased; `erased_at`, in epoch seconds, is None until all of its data is gone."""

    tenant_id: TenantId
    erased_at: int | None

"""A connection's identity: its owner and its limits, as the authorizer determined them.

The authorizer writes it into the context that API Gateway adds to each later request of the connection, with every
value as a string. Mapping templates copy parts of it into message attributes of queues. None of it comes from the
client:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from loudhailer import ids
from loudhailer.errors import InvalidFieldError
from loudhailer.sessions.model import Session
from loudhailer.tenants.model import CHANNELS_PER_CONNECTION, Tenant, posts_by_default


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionIdentity:
    """The tenant, the session and the limits of a connection at the time when it was made.

    Attributes:
        tenant_id: the tenant.
        session_id: the session; a secret, not to be logged.
        player_id: the player that the session is bound to.
        partition: the partition of the connection's row; None in message attributes, which lack it.
        session_seconds: seconds that the session lives after an activity.
        connections_per_session: connections that the session may have.
        tenant_connections: connections that all sessions of the tenant may have together.
        session_per_minute: attempts to connect that the session has in a minute.
        tenant_per_minute: attempts to connect that all sessions of the tenant have together in a minute.
        messages_per_minute: messages that the tenant, or each of its players, may send in a minute.
        posts_per_minute: posts that the tenant's messages to rooms may cause in a minute.
        session_connections: connections that the session had when the authorizer read it.
        channels_per_connection: channels that the connection may subscribe to.
        subscribes: the session had grants when the authorizer read it.
    """

    tenant_id: ids.TenantId
    session_id: ids.SessionId
    player_id: ids.PlayerId | None = None
    partition: ids.Partition | None = None
    session_seconds: int
    connections_per_session: int
    tenant_connections: int
    session_per_minute: int
    tenant_per_minute: int
    messages_per_minute: int
    posts_per_minute: int
    session_connections: int = 0
    channels_per_connection: int = CHANNELS_PER_CONNECTION
    subscribes: bool = False

    @classmethod
    def of(cls, tenant: Tenant, session: Session, partition: ids.Partition) -> Self:
        """The identity of a new connection of the session."""
        return cls(
            tenant_id=tenant.tenant_id,
            session_id=session.session_id,
            player_id=session.player_id,
            partition=partition,
            session_seconds=tenant.session_seconds,
            connections_per_session=tenant.connections_per_session,
            tenant_connections=tenant.tenant_connections,
            session_per_minute=tenant.session_per_minute,
            tenant_per_minute=tenant.tenant_per_minute,
            messages_per_minute=tenant.messages_per_minute,
            posts_per_minute=tenant.post_budget,
            session_connections=len(session.connections),
            channels_per_connection=tenant.channels_per_connection,
            subscribes=bool(session.grants.rights),
        )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Read the authorizer's context of an event, or message attributes; InvalidFieldError names the wrong field.

        The partition must be one of the tenant: functions use it as a key. An authorizer of an earlier release gives
        none of `postsPerMinute`, `sessionConnections`, `channelsPerConnection` and `subscribes`.
        """
        tenant, session = ids.tenant_id(values.get("tenantId")), ids.session_id(values.get("sessionId"))
        partition = ids.partition(values["partition"]) if "partition" in values else None
        if partition is not None and ids.tenant_of(partition) != tenant:
            raise InvalidFieldError("partition", "must be one of the tenant's")
        messages = _number(values, "messagesPerMinute")
        channels = "channelsPerConnection"
        posts = _number(values, "postsPerMinute") if "postsPerMinute" in values else posts_by_default(messages)
        return cls(
            tenant_id=tenant,
            session_id=session,
            player_id=ids.player_id(values["playerId"]) if "playerId" in values else None,
            partition=partition,
            session_seconds=_number(values, "sessionTTL"),
            connections_per_session=_number(values, "connectionsPerSession"),
            tenant_connections=_number(values, "tenantConnections"),
            session_per_minute=_number(values, "sessionPerMinute"),
            tenant_per_minute=_number(values, "tenantPerMinute"),
            messages_per_minute=messages,
            posts_per_minute=posts,
            session_connections=_number(values, "sessionConnections") if "sessionConnections" in values else 0,
            channels_per_connection=_number(values, channels) if channels in values else CHANNELS_PER_CONNECTION,
            subscribes=values.get("subscribes") == "1",
        )

    def to_context(self) -> dict[str, str | int]:
        """Return the authorizer's context, from which `read` gives an equal identity."""
        context: dict[str, str | int | None] = {
            "tenantId": self.tenant_id,
            "sessionId": self.session_id,
            "playerId": self.player_id,
            "partition": self.partition,
            "sessionTTL": self.session_seconds,
            "connectionsPerSession": self.connections_per_session,
            "tenantConnections": self.tenant_connections,
            "sessionPerMinute": self.session_per_minute,
            "tenantPerMinute": self.tenant_per_minute,
            "messagesPerMinute": self.messages_per_minute,
            "postsPerMinute": self.posts_per_minute,
            "sessionConnections": self.session_connections,
            "channelsPerConnection": self.channels_per_connection,
            "subscribes": int(self.subscribes),
        }
        return {name: value for name, value in context.items() if value is not None}


def _number(values: Mapping[str, Any], field: str) -> int:
    try:
        return int(values[field])
    except (KeyError, ValueError) as error:
        raise InvalidFieldError(field, "must be a whole number") from error

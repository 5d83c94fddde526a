"""The sender of a frame, as API Gateway and the authorizer describe it; none of it comes from the client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey, Speaker
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.sessions.grants import NO_GRANTS, Grants
from loudhailer.tenants.model import CHANNELS_PER_CONNECTION
from loudhailer.websocket.identity import ConnectionIdentity
from loudhailer.websocket.replies import error_frame


@dataclass(frozen=True, slots=True)
class Caller:
    """The connection that a frame came from.

    Attributes:
        tenant_id: its tenant.
        session_id: its session; a secret, not to be logged.
        key: the key of its row.
        session_seconds: seconds that its session lives after an activity.
        messages_per_minute: messages a minute of its tenant, or of each of its players.
        posts_per_minute: posts a minute that its tenant's messages to rooms may cause.
        request_id: the id that API Gateway gave the frame.
        received_at: time at which API Gateway received the frame, in epoch milliseconds.
        player_id: the player that the session is bound to.
        tenant_per_minute: attempts to connect that all sessions of its tenant have together in a minute.
        channels_per_connection: channels that it may subscribe to.
        grants: what its session may subscribe to and publish, as it is now.
    """

    tenant_id: ids.TenantId
    session_id: ids.SessionId
    key: ConnectionKey
    session_seconds: int
    messages_per_minute: int
    posts_per_minute: int
    request_id: str
    received_at: int
    player_id: ids.PlayerId | None = None
    tenant_per_minute: int = 0
    channels_per_connection: int = CHANNELS_PER_CONNECTION
    grants: Grants = NO_GRANTS

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """Read the caller from a message's event; InvalidFieldError if its context is incomplete."""
        request = event["requestContext"]
        identity = ConnectionIdentity.read(request.get("authorizer") or {})
        if identity.partition is None:
            raise InvalidFieldError("partition", "is missing")
        return cls(
            tenant_id=identity.tenant_id,
            session_id=identity.session_id,
            key=ConnectionKey(identity.partition, ids.connection_id(request["connectionId"])),
            session_seconds=identity.session_seconds,
            messages_per_minute=identity.messages_per_minute,
            posts_per_minute=identity.posts_per_minute,
            request_id=request["requestId"],
            received_at=request["requestTimeEpoch"],
            player_id=identity.player_id,
            tenant_per_minute=identity.tenant_per_minute,
            channels_per_connection=identity.channels_per_connection,
        )

    @property
    def speaker(self) -> Speaker:
        """The caller as other members see it."""
        return Speaker(self.key.connection_id, self.player_id)

    def refusal(self, code: ErrorCode, message: str, actions: Sequence[str] | None = None) -> str:
        """Return an error frame for the caller's frame."""
        return error_frame(
            code, message, connection_id=self.key.connection_id, request_id=self.request_id, actions=actions
        )

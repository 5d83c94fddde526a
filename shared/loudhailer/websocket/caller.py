"""Who sent a frame, as API Gateway and the authorizer say it: nothing of it is the client's word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.tenants.model import posts_by_default
from loudhailer.websocket.replies import Speaker, error_frame


@dataclass(frozen=True, slots=True)
class Caller:
    """The connection that a frame came from.

    Attributes:
        tenant_id: its tenant.
        session_id: its session; a secret, not to be logged.
        key: the key of its row.
        session_seconds: how long its session lives after an activity.
        messages_per_minute: how many messages its tenant, or each of its players, may send.
        posts_per_minute: how many posts its tenant's messages to rooms may cause.
        request_id: the id that API Gateway gave the frame.
        received_at: when API Gateway took the frame, in epoch milliseconds.
        player_id: the player that the session is bound to.
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

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """The caller of a message's event; InvalidFieldError if its context is not all there.

        The authorizer's context is in the events of all routes, its numbers as strings:
        https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
        """
        request = event["requestContext"]
        context: Mapping[str, Any] = request.get("authorizer") or {}
        key = ConnectionKey(ids.partition(context.get("partition")), ids.connection_id(request["connectionId"]))
        messages = _number(context, "messagesPerMinute")
        # An authorizer of an earlier release does not say how many posts.
        posts = _number(context, "postsPerMinute") if "postsPerMinute" in context else posts_by_default(messages)
        return cls(
            tenant_id=ids.tenant_of(key.partition),
            session_id=ids.session_id(context.get("sessionId")),
            key=key,
            session_seconds=_number(context, "sessionTTL"),
            messages_per_minute=messages,
            posts_per_minute=posts,
            request_id=request["requestId"],
            received_at=request["requestTimeEpoch"],
            player_id=ids.player_id(context["playerId"]) if "playerId" in context else None,
        )

    @property
    def speaker(self) -> Speaker:
        """The caller as others see it."""
        return Speaker(self.key.connection_id, self.player_id)

    def refusal(self, code: ErrorCode, message: str, actions: Sequence[str] | None = None) -> str:
        """The frame that tells the caller what is wrong with its frame."""
        return error_frame(
            code, message, connection_id=self.key.connection_id, request_id=self.request_id, actions=actions
        )


def _number(context: Mapping[str, Any], field: str) -> int:
    try:
        return int(context[field])
    except (KeyError, ValueError) as error:
        raise InvalidFieldError(field, "must be a whole number") from error

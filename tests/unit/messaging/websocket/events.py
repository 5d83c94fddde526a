"""Events of messages, as API Gateway hands them to functions."""

from collections.abc import Mapping
from typing import Any

from loudhailer import codec
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId, nth_partition

NOW = 1_780_000_000
TENANT = TenantId("acme")
SESSION = SessionId("session-1")
KEY = ConnectionKey(nth_partition(TENANT, 3), ConnectionId("L0SM9cOFvHcCIhw="))
PLAYER = PlayerId("1")

CONTEXT = {
    "tenantId": TENANT,
    "sessionId": SESSION,
    "partition": KEY.partition,
    "sessionTTL": "300",
    "connectionsPerSession": "2",
    "tenantConnections": "10",
    "sessionPerMinute": "5",
    "tenantPerMinute": "50",
    "messagesPerMinute": "3",
    "playerId": PLAYER,
}
"""Context that the authorizer gives; API Gateway makes strings of its numbers."""


def event(
    frame: object,
    *,
    request_id: str = "r=1",
    received_at: int = NOW * 1_000,
    context: Mapping[str, str | None] | None = None,
) -> Any:
    """A message's event; a text goes as it is, and what is None in the context is left out."""
    authorizer = {name: value for name, value in {**CONTEXT, **(context or {})}.items() if value is not None}
    return {
        "requestContext": {
            "connectionId": KEY.connection_id,
            "requestId": request_id,
            "requestTimeEpoch": received_at,
            "authorizer": authorizer,
        },
        "body": frame if isinstance(frame, str) else codec.encode_text(frame),
    }

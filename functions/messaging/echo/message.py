"""A client's message to the silo or the pool, as the queue delivers it."""

from dataclasses import dataclass
from typing import Self

from loudhailer import ids
from loudhailer.queues.consumer import Record
from loudhailer.websocket.identity import ConnectionIdentity


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A client's frame and its sender, which the route's template writes into the message attributes.

    Attributes:
        record: the queue's record; its body is the frame as the client wrote it.
        tenant_id: the tenant.
        session_id: the session; a secret, not to be logged.
        connection_id: the connection that the frame came from.
        request_id: the id that API Gateway gave the frame.
        session_seconds: seconds that the session lives after an activity.
        messages_per_minute: messages that all sessions of the tenant may send together.
        sent_at: time at which the queue received it, in epoch seconds.
    """

    record: Record
    tenant_id: ids.TenantId
    session_id: ids.SessionId
    connection_id: ids.ConnectionId
    request_id: str
    session_seconds: int
    messages_per_minute: int
    sent_at: int

    @property
    def is_new(self) -> bool:
        """True if SQS delivers the message for the first time."""
        return self.record.receives == 1

    @classmethod
    def of(cls, record: Record) -> Self:
        """The message of a record; InvalidFieldError if an attribute is missing or illegal."""
        identity = ConnectionIdentity.read(record.attributes)
        return cls(
            record=record,
            tenant_id=identity.tenant_id,
            session_id=identity.session_id,
            connection_id=ids.connection_id(record.attributes.get("connectionId")),
            request_id=record.attributes.get("requestId", ""),
            session_seconds=identity.session_seconds,
            messages_per_minute=identity.messages_per_minute,
            sent_at=record.sent_at,
        )

"""What a client sent to the silo or the pool, as the queue brings it."""

from dataclasses import dataclass
from typing import Self

from loudhailer import ids
from loudhailer.errors import InvalidFieldError
from loudhailer.queues.consumer import Record


@dataclass(frozen=True, slots=True)
class Message:
    """A client's frame, and who sent it: the message attributes, which the route's template writes, say so.

    Attributes:
        record: the queue's record; its body is the frame as the client wrote it.
        tenant_id: the tenant.
        session_id: the session; a secret, not to be logged.
        connection_id: the connection that the frame came from.
        request_id: the id that API Gateway gave the frame.
        session_seconds: how long the session lives after an activity.
        messages_per_minute: how many messages all sessions of the tenant may send together.
        sent_at: when the queue took it, in epoch seconds.
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
        return cls(
            record=record,
            tenant_id=ids.tenant_id(record.attributes.get("tenantId")),
            session_id=ids.session_id(record.attributes.get("sessionId")),
            connection_id=ids.connection_id(record.attributes.get("connectionId")),
            request_id=record.attributes.get("requestId", ""),
            session_seconds=_number(record, "sessionTTL"),
            messages_per_minute=_number(record, "messagesPerMinute"),
            sent_at=record.sent_at,
        )


def _number(record: Record, name: str) -> int:
    try:
        return int(record.attributes[name])
    except (KeyError, ValueError) as error:
        raise InvalidFieldError(name, "must be a whole number") from error

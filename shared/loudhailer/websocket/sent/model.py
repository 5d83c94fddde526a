"""A message that its client gave an id, and its attempts."""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from loudhailer import codec
from loudhailer.ids import ClientMessageId, TenantId

ATTEMPT_SECONDS = 15
"""The time that a message is left to the attempt that began it: longer than `send_message` may take."""

REMEMBERED_SECONDS = 3_600
"""The time that a message with a client's id is known by this id."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A frame with an id of the client's, as one request brought it.

    Attributes:
        tenant_id: the sender's tenant.
        sender: the one whose ids must differ.
        client_message_id: the id that the client gave the message.
        content_hash: tells other content under the same id.
        request_id: the id that API Gateway gave the frame.
        received_at: when API Gateway took the frame, in epoch milliseconds.
    """

    tenant_id: TenantId
    sender: str
    client_message_id: ClientMessageId
    content_hash: str
    request_id: str
    received_at: int

    @property
    def key(self) -> str:
        """`{tenantId}:sent:{hash}`: the message's row in the table of limits; sessions are secrets, so it is hashed."""
        sent = codec.encode([self.sender, self.client_message_id])
        return f"{self.tenant_id}:sent:{sha256(sent).hexdigest()}"


class Progress(Enum):
    """The progress of a message at the moment when another attempt of it begins."""

    OPEN = "the attempt is to carry it out"
    AT_WORK = "another attempt may be at work"
    ACCEPTED = "it was carried out"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a client gave an id: how far it has come, and how its first attempt came."""

    progress: Progress
    content_hash: str
    request_id: str
    received_at: int

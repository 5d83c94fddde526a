"""A message with a client's id, and its attempts."""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from loudhailer import codec
from loudhailer.ids import ClientMessageId, TenantId

ATTEMPT_SECONDS = 15
"""Seconds for which a message is reserved for the attempt that began it: longer than `send_message` may take."""

REMEMBERED_SECONDS = 3_600
"""Seconds for which a message is known by its client's id."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a frame that has a client's id.

    Attributes:
        tenant_id: the sender's tenant.
        sender: the player or session within which ids are unique.
        client_message_id: the client's id of the message.
        content_hash: hash that reveals another content under the same id.
        request_id: the id that API Gateway gave the frame.
        received_at: time at which API Gateway received the frame, in epoch milliseconds.
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
    """The progress of a message when another attempt begins."""

    OPEN = "the attempt is to carry it out"
    IN_PROGRESS = "another attempt may be at work"
    ACCEPTED = "it was carried out"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message with a client's id: its progress, and its first attempt."""

    progress: Progress
    content_hash: str
    request_id: str
    received_at: int

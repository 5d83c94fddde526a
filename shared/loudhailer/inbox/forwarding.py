"""A request to the hub to forward the messages of an inbox to the cell that their receiver is on.

A cell sends it to a queue of its own at the hub, so that the queue identifies the cell. It names an inbox and holds no
message: messages stay in an inbox until they are stored in the next one.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self
from uuid import uuid4

from loudhailer import codec
from loudhailer.errors import InvalidFieldError, MalformedMessageError
from loudhailer.inbox.model import Inbox
from loudhailer.queues.port import FifoMessage

VERSION = 1


@dataclass(frozen=True, slots=True)
class Forward:
    """A request to forward the messages of an inbox.

    Attributes:
        inbox: the inbox.
        has_come: its player has connected to the requesting cell, and messages on the other cells are forwarded there.
            Otherwise messages on the requesting cell are forwarded to the player's cell.
    """

    inbox: Inbox
    has_come: bool = False

    def to_message(self) -> FifoMessage:
        """Return the message for the queue, which keeps the order of an inbox's requests.

        The queue drops no request: an equal one may be about later messages.
        """
        wire: dict[str, Any] = {"v": VERSION, "inbox": self.inbox.key}
        if self.has_come:
            wire["hasCome"] = True
        return FifoMessage(codec.encode_text(wire), sha256(self.inbox.key.encode()).hexdigest(), uuid4().hex)

    @classmethod
    def of_body(cls, body: str) -> Self:
        """Read the request from a message of the queue; MalformedMessageError for anything else."""
        try:
            wire = codec.decode_object(body)
            if wire.get("v") != VERSION:
                raise MalformedMessageError("the message is of another version")
            return cls(Inbox.of_key(str(wire.get("inbox"))), wire.get("hasCome") is True)
        except (codec.NotJsonError, InvalidFieldError) as error:
            raise MalformedMessageError(f"the message is no request to forward: {error}") from error

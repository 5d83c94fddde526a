"""The frame that clients see, and the payload that carries it through the queues."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Literal, Self

from loudhailer import codec
from loudhailer.codec import JsonText
from loudhailer.connections.model import Speaker
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId, Channel
from loudhailer.queues.batching import is_legal

MAX_MESSAGE_BYTES = 128 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""


def broadcast_frame(broadcast_id: BroadcastId, published_at: int, message: JsonText) -> str:
    """The frame of a broadcast; `published_at` in epoch milliseconds, so that a client sees its latency."""
    data = codec.verbatim(message)
    return codec.encode_text({"type": "broadcast", "id": broadcast_id, "publishedAt": published_at, "data": data})


def channel_frame(
    channel: Channel, broadcast_id: BroadcastId, published_at: int, message: JsonText, speaker: Speaker | None = None
) -> str:
    """The frame of a message to a channel; `published_at` in epoch milliseconds; `speaker` if a client published it."""
    frame: dict[str, Any] = {"type": "message", "channel": channel, "id": broadcast_id, "publishedAt": published_at}
    if speaker is not None:
        frame["from"] = {"connectionId": speaker.connection_id}
        if speaker.player_id is not None:
            frame["from"]["playerId"] = speaker.player_id
    return codec.encode_text({**frame, "data": codec.verbatim(message)})


@dataclass(frozen=True, slots=True)
class Payload:
    """A frame, encoded for the messages of a broadcast.

    It is encoded once, when the broadcast is announced, and decoded once, when a chunk is posted: `swarm` and `query`
    pass it on unchanged.

    Attributes:
        data: the frame's text, or its base64.
        encoding: "base64", or None for the text itself.
    """

    data: str
    encoding: Literal["base64"] | None = None

    @classmethod
    def of(cls, frame: str) -> Self:
        """Encode a frame: as its text, or as base64 if that is shorter or SQS refuses the text.

        A frame of 128 KB takes at most 175 KB, whatever its content, and fits into a message with 500 ids.
        """
        content = frame.encode()
        if is_legal(frame) and len(codec.encode(frame)) - 2 <= (len(content) + 2) // 3 * 4:
            return cls(frame)
        return cls(base64.b64encode(content).decode(), "base64")

    def open(self) -> bytes:
        """Return the frame in UTF-8; MalformedMessageError if it cannot be decoded."""
        if self.encoding is None:
            return self.data.encode()
        try:
            frame = base64.b64decode(self.data, validate=True)
            frame.decode()
        except (binascii.Error, ValueError) as error:
            raise MalformedMessageError("data is not base64 of UTF-8") from error
        return frame

    def to_wire(self) -> dict[str, str]:
        """Return the fields of a message that carry the payload."""
        return {"data": self.data} if self.encoding is None else {"data": self.data, "encoding": self.encoding}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Self:
        """Read the encoded payload of a message; MalformedMessageError if there is none."""
        data = wire.get("data")
        if not isinstance(data, str) or not data:
            raise MalformedMessageError("data is missing")
        match wire.get("encoding"):
            case None:
                return cls(data)
            case "base64":
                return cls(data, "base64")
            case _:
                raise MalformedMessageError("encoding must be base64 or absent")

"""The frame that clients see, and how it travels through the queues."""

import base64
import binascii
from typing import Any

from loudhailer import codec
from loudhailer.codec import JsonText
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId
from loudhailer.queues.batching import is_legal

MAX_FRAME_BYTES = 128 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""


def broadcast_frame(broadcast_id: BroadcastId, published_at: int, message: JsonText) -> str:
    """The frame of a broadcast; `published_at` in epoch milliseconds, so that a client sees its latency."""
    data = codec.verbatim(message)
    return codec.encode_text({"type": "broadcast", "id": broadcast_id, "publishedAt": published_at, "data": data})


def to_wire(frame: str) -> dict[str, str]:
    """The fields of a message that carry the frame: its text, or base64 where that is shorter or SQS refuses the text.

    A frame of 128 KB is at most 175 KB this way, whatever it consists of, and fits in a message beside 500 ids.
    """
    size = len(frame.encode())
    if is_legal(frame) and len(codec.encode(frame)) - 2 <= (size + 2) // 3 * 4:
        return {"data": frame}
    return {"data": base64.b64encode(frame.encode()).decode(), "encoding": "base64"}


def from_wire(message: dict[str, Any]) -> str:
    """The frame that a message carries; MalformedMessageError if there is none."""
    data = message.get("data")
    if not isinstance(data, str) or not data:
        raise MalformedMessageError("data is missing")
    match message.get("encoding"):
        case None:
            return data
        case "base64":
            try:
                return base64.b64decode(data, validate=True).decode()
            except (binascii.Error, ValueError) as error:
                raise MalformedMessageError("data is not base64 of UTF-8") from error
        case _:
            raise MalformedMessageError("encoding must be base64 or absent")

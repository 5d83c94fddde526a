"""The frames that answer a client, and those that carry what another client said."""

from collections.abc import Sequence
from typing import Any

from loudhailer import codec
from loudhailer.codec import JsonText
from loudhailer.ids import PlayerId, RoomKey
from loudhailer.rooms.model import NickName

ACTIONS = ("joinroom", "sendmessage", "SiloSQS", "PooledSQS")
"""The actions that a frame may name: the routes of the API."""

SESSION_OVER = "SESSION_OVER"
"""The error code of a frame whose session ended while its connection was open."""

CONNECTION_OVER = ("CONNECTION_OVER", "the connection is not recorded any more: connect again")
"""The error code and text of a frame whose connection is not one of its session's, or has no row."""


def error_frame(
    code: str, message: str, *, connection_id: str | None, request_id: str | None, actions: Sequence[str] | None = None
) -> str:
    """Tells a client what is wrong with its frame; `actions` are the legal ones, where that helps."""
    error: dict[str, Any] = {"code": code, "message": message}
    if actions is not None:
        error["actions"] = actions
    return codec.encode_text({"error": error, "connectionId": connection_id, "requestId": request_id})


def throttle_frame(connection_id: str, request_id: str) -> str:
    """Tells a client that it sends more than it may."""
    return codec.encode_text({"message": "Too Many Requests", "connectionId": connection_id, "requestId": request_id})


def ack_frame(message_id: str, message: JsonText, source: PlayerId, destination: PlayerId) -> str:
    """Tells the sender of a direct message that it is stored."""
    return codec.encode_text(
        {
            "status": "Message sent!",
            "messageId": message_id,
            "message": codec.verbatim(message),
            "srcPlayerId": source,
            "destinationPlayerId": destination,
        }
    )


def direct_frame(message_id: str, message: JsonText, source: PlayerId, sent_at: int) -> str:
    """Carries a direct message to its receiver; `sent_at` in epoch milliseconds."""
    return codec.encode_text(
        {"message": codec.verbatim(message), "messageId": message_id, "srcPlayerId": source, "sentAt": sent_at}
    )


def said_frame(room: RoomKey, nickname: NickName, content: JsonText, sent_at: int) -> str:
    """Carries what a member says to everyone in the room; `sent_at` in epoch milliseconds."""
    return codec.encode_text(
        {
            "action": "sendmessage",
            "roomKey": room,
            "nickName": nickname,
            "content": codec.verbatim(content),
            "sentAt": sent_at,
        }
    )


def joined_frame(room: RoomKey, nickname: NickName) -> str:
    """Tells those in a room who has joined it."""
    return codec.encode_text({"action": "joinroom", "roomKey": room, "nickName": nickname})


def left_frame(room: RoomKey, nickname: NickName) -> str:
    """Tells those in a room who has left it."""
    return codec.encode_text({"action": "leaveroom", "roomKey": room, "nickName": nickname})

"""The frames that answer a client, and the frames that carry another client's message."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from loudhailer import codec
from loudhailer.codec import JsonText
from loudhailer.connections.model import Speaker
from loudhailer.errors import ErrorCode
from loudhailer.ids import BroadcastId, Channel, ClientMessageId, PlayerId, RoomKey
from loudhailer.rooms.model import NickName

ACTIONS = ("joinroom", "sendmessage", "subscribe", "unsubscribe", "publish", "SiloSQS", "PooledSQS", "ping")
"""The actions that a frame may name: the routes of the API, and what its default route answers."""

_ACCEPTED = "Message sent!"

SESSION_OVER = (ErrorCode.SESSION_OVER, "the session is over")
"""The error code and text of a frame whose session ended while its connection was open."""

CONNECTION_OVER = (ErrorCode.CONNECTION_OVER, "the connection is not recorded any more: connect again")
"""The error code and text of a frame whose connection is not one of its session's, or has no row."""


def error_frame(
    code: ErrorCode,
    message: str,
    *,
    connection_id: str | None,
    request_id: str | None,
    actions: Sequence[str] | None = None,
) -> str:
    """Tell a client what is wrong with its frame; `actions` are the legal actions, if that helps."""
    error: dict[str, Any] = {"code": code, "message": message}
    if actions is not None:
        error["actions"] = actions
    return codec.encode_text({"error": error, "connectionId": connection_id, "requestId": request_id})


def throttle_frame(connection_id: str, request_id: str) -> str:
    """Tell a client that it sends more than it may."""
    return codec.encode_text({"message": "Too Many Requests", "connectionId": connection_id, "requestId": request_id})


def channels_frame(kind: str, results: Sequence[tuple[str, tuple[ErrorCode, str] | None]]) -> str:
    """Answer a frame that names channels: each with its name, and an error if it was refused."""
    return codec.encode_text(
        {
            "type": kind,
            "results": [
                {"channel": name}
                if error is None
                else {"channel": name, "error": {"code": error[0], "message": error[1]}}
                for name, error in results
            ],
        }
    )


def published_frame(channel: Channel, message_id: BroadcastId, client_message_id: ClientMessageId | None) -> str:
    """Tell a client that its message to a channel is accepted."""
    frame = {"type": "published", "channel": channel, "id": message_id}
    return codec.encode_text(frame if client_message_id is None else {**frame, "clientMessageId": client_message_id})


def ack_frame(
    message_id: str,
    message: JsonText,
    source: PlayerId,
    destination: PlayerId,
    client_message_id: ClientMessageId | None = None,
) -> str:
    """Tell the sender of a direct message that it is stored."""
    ack: dict[str, Any] = {
        "status": _ACCEPTED,
        "messageId": message_id,
        "message": codec.verbatim(message),
        "srcPlayerId": source,
        "destinationPlayerId": destination,
    }
    return codec.encode_text(ack | ({"clientMessageId": client_message_id} if client_message_id else {}))


def room_ack_frame(message_id: str, room: RoomKey, client_message_id: ClientMessageId) -> str:
    """Tell the sender of a room message that it is accepted."""
    return codec.encode_text(
        {"status": _ACCEPTED, "messageId": message_id, "roomKey": room, "clientMessageId": client_message_id}
    )


def direct_frame(message_id: str, message: JsonText, source: PlayerId, sent_at: int) -> str:
    """Carry a direct message to its receiver; `sent_at` in epoch milliseconds."""
    return codec.encode_text(
        {"message": codec.verbatim(message), "messageId": message_id, "srcPlayerId": source, "sentAt": sent_at}
    )


def room_message_frame(
    room: RoomKey,
    nickname: NickName,
    content: JsonText,
    sent_at: int,
    speaker: Speaker,
    *,
    message_id: str | None = None,
) -> str:
    """Carry a member's message to everyone in the room; `sent_at` in epoch milliseconds.

    A message that its sender may repeat has a `message_id`, by which clients recognise a duplicate.
    """
    fields = {"content": codec.verbatim(content), "sentAt": sent_at}
    return _room_frame(
        "sendmessage", room, nickname, speaker, **fields, **({} if message_id is None else {"messageId": message_id})
    )


def joined_frame(room: RoomKey, nickname: NickName, speaker: Speaker) -> str:
    """Announce to the members of a room that a member has joined."""
    return _room_frame("joinroom", room, nickname, speaker)


def left_frame(room: RoomKey, nickname: NickName, speaker: Speaker) -> str:
    """Announce to the members of a room that a member has left."""
    return _room_frame("leaveroom", room, nickname, speaker)


def _room_frame(action: str, room: RoomKey, nickname: NickName, speaker: Speaker, **more: object) -> str:
    frame = {"action": action, "roomKey": room, "nickName": nickname, **more, "connectionId": speaker.connection_id}
    return codec.encode_text(frame if speaker.player_id is None else {**frame, "playerId": speaker.player_id})


_OWN_TYPES = ("broadcast", "message", "move", "subscribed", "unsubscribed", "published")

_OWN_FIELDS = (
    *("error", "status", "messageId", "queue", "connectionId", "requestId", "publishedAt", "sentAt"),
    *("playerId", "nickName", "srcPlayerId", "srcConnectionId"),
)


def looks_like_ours(frame: Mapping[str, Any], actions: Collection[str]) -> str | None:
    """Return the field that makes a client's frame look like one of the service's; None if no field does.

    `actions` are the ones that select this route. A frame may contain the same field twice: API Gateway may have used
    the first value, while a reader of the frame takes the last.
    """
    if frame.get("action") not in actions:
        return "action"
    if frame.get("type") in _OWN_TYPES:
        return "type"
    return next((field for field in _OWN_FIELDS if field in frame), None)

"""Records of the streams that `presence` reads, as Lambda delivers them."""

from typing import Any, Literal

from loudhailer.connections.model import ConnectionKey
from loudhailer.inbox.model import Inbox

type PresenceRecord = dict[str, Any]
type ChangeKind = Literal["INSERT", "MODIFY", "REMOVE"]


def message_record(event: ChangeKind, sequence: int, inbox: Inbox) -> PresenceRecord:
    """A change of a message's row; the stream has new images alone."""
    keys = {"inbox": {"S": inbox.key}, "messageId": {"S": f"{sequence:013d}-r"}}
    images = {} if event == "REMOVE" else {"NewImage": {**keys, "message": {"S": '"Hello"'}}}
    return _record(event, sequence, {"Keys": keys, **images})


def connection_record(
    event: ChangeKind, sequence: int, key: ConnectionKey, player: str | None = None
) -> PresenceRecord:
    """A change of a connection's row."""
    keys = {"partition": {"S": key.partition}, "connectionId": {"S": key.connection_id}}
    image = {**keys, "sessionId": {"S": "session-1"}} | ({} if player is None else {"playerId": {"S": player}})
    images = {"INSERT": ["NewImage"], "MODIFY": ["OldImage", "NewImage"], "REMOVE": ["OldImage"]}
    return _record(event, sequence, {"Keys": keys, **dict.fromkeys(images[event], image)})


def _record(event: ChangeKind, sequence: int, change: PresenceRecord) -> PresenceRecord:
    return {
        "eventID": f"e{sequence}",
        "eventName": event,
        "eventSource": "aws:dynamodb",
        "dynamodb": {**change, "SequenceNumber": str(sequence)},
    }

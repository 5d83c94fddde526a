"""Records of the connections' stream, as Lambda delivers them."""

from typing import Any, Literal

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import SessionId

type Record = dict[str, Any]


def record(
    event: Literal["INSERT", "MODIFY", "REMOVE"], sequence: int, key: ConnectionKey, session: SessionId
) -> Record:
    """One change of a connection's row."""
    keys = {"partition": {"S": key.partition}, "connectionId": {"S": key.connection_id}}
    image = {**keys, "sessionId": {"S": session}}
    images = {
        "INSERT": {"NewImage": image},
        "MODIFY": {"NewImage": image, "OldImage": image},
        "REMOVE": {"OldImage": image},
    }
    change = {"Keys": keys, "SequenceNumber": str(sequence), "StreamViewType": "NEW_AND_OLD_IMAGES", **images[event]}
    return {"eventID": f"e{sequence}", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": change}

"""Records of the connections' stream, as Lambda delivers them."""

from typing import Any, Literal

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ProbeId, SessionId

type CountingRecord = dict[str, Any]


def record(
    event: Literal["INSERT", "MODIFY", "REMOVE"],
    sequence: int,
    key: ConnectionKey,
    session: SessionId | None,
    probe: ProbeId | None = None,
) -> CountingRecord:
    """One change of a connection's row, or of a probe's."""
    keys = {"partition": {"S": key.partition}, "connectionId": {"S": key.connection_id}}
    others = {name: {"S": one} for name, one in (("sessionId", session), ("probe", probe)) if one is not None}
    image = {**keys, **others}
    images = {
        "INSERT": {"NewImage": image},
        "MODIFY": {"NewImage": image, "OldImage": image},
        "REMOVE": {"OldImage": image},
    }
    change = {"Keys": keys, "SequenceNumber": str(sequence), "StreamViewType": "NEW_AND_OLD_IMAGES", **images[event]}
    return {"eventID": f"e{sequence}", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": change}

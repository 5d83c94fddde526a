"""A frame that no other route takes is answered with what is wrong with it."""

from collections.abc import Mapping
from typing import Any

from loudhailer import codec
from loudhailer.observability import count

ACTIONS: tuple[str, ...] = ()
"""The actions that a frame may name."""


def answer(event: Mapping[str, Any]) -> dict[str, Any]:
    """The error frame for a `$default` event, as the body of the route's response. Never raises."""
    code, message = _fault(event.get("body") or "")
    count("FrameRefused")
    request = event.get("requestContext") or {}
    error: dict[str, Any] = {"code": code, "message": message}
    if ACTIONS:
        error["actions"] = ACTIONS
    frame = {"error": error, "connectionId": request.get("connectionId"), "requestId": request.get("requestId")}
    return {"statusCode": 200, "body": codec.encode_text(frame)}


def _fault(body: str) -> tuple[str, str]:
    try:
        frame = codec.decode_object(body)
    except codec.NotJsonError:
        return "NOT_JSON", "the frame is not a JSON object"
    if not isinstance(frame.get("action"), str):
        return "NO_ACTION", "the frame has no action"
    return "UNKNOWN_ACTION", "the frame's action is unknown"

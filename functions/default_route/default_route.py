"""A frame that no other route takes: a ping gets its pong, anything else is told what is wrong with it.

API Gateway closes a connection on which nothing was sent for ten minutes, and a browser can send no ping of WebSocket's
own. So `{"action":"ping"}` keeps a connection open, and `{"action":"pong"}` shows the client that it still is.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
"""

from collections.abc import Mapping
from typing import Any

from loudhailer import codec
from loudhailer.conversation.frames import ACTIONS, error_frame
from loudhailer.observability import count

_PONG = codec.encode_text({"action": "pong"})


def answer(event: Mapping[str, Any]) -> dict[str, Any]:
    """The frame that answers a `$default` event, as the body of the route's response. Never raises."""
    fault = _fault(event.get("body") or "")
    if fault is None:
        return {"statusCode": 200, "body": _PONG}
    code, message = fault
    count("FrameRefused")
    request = event.get("requestContext") or {}
    frame = error_frame(
        code,
        message,
        connection_id=request.get("connectionId"),
        request_id=request.get("requestId"),
        actions=ACTIONS,
    )
    return {"statusCode": 200, "body": frame}


def _fault(body: str) -> tuple[str, str] | None:
    """What is wrong with the frame; None if it is a ping."""
    try:
        frame = codec.decode_object(body)
    except codec.NotJsonError as error:
        return error.code, f"the frame {error}"
    if not isinstance(frame.get("action"), str):
        return "NO_ACTION", "the frame has no action"
    return None if frame["action"] == "ping" else ("UNKNOWN_ACTION", "the frame's action is unknown")

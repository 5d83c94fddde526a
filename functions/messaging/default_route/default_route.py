"""Answer a frame that no other route takes with an error frame that says what is wrong.

Frames are counted for their session, which is deleted if it floods; until then each one is answered. They do not count
as messages. A frame is answered even if it cannot be counted. Pings never arrive here: API Gateway answers them itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer import codec
from loudhailer.errors import ErrorCode, InvalidFieldError, TransientError
from loudhailer.ids import TenantId
from loudhailer.limits.attempts import Attempts, AttemptsByTens, counted_together
from loudhailer.limits.model import others_of_session
from loudhailer.observability import count, logger
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.replies import ACTIONS, error_frame


class DefaultRoute:
    """Answers the frames that no other route takes."""

    def __init__(self, attempts_of: Callable[[TenantId], Attempts], *, clock: Callable[[], float]) -> None:
        self._attempts = AttemptsByTens(attempts_of)
        self._clock = clock

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the frame that answers a `$default` event, as the body of the route's response. Never raises."""
        try:
            caller = Caller.of(event)
        except (InvalidFieldError, KeyError):
            count("CallerUnknown")
            return _reply(event)
        with logger.append_context_keys(tenant_id=caller.tenant_id, connection_id=caller.key.connection_id):
            if self._floods(caller):
                count("FrameThrottled")
                return {"statusCode": 200}
            return _reply(event)

    def _floods(self, caller: Caller) -> bool:
        """Count a frame; tell whether its session has sent far too many in this minute."""
        tenant, session = caller.tenant_id, caller.session_id
        counter = others_of_session(tenant, session)
        limit = caller.messages_per_minute
        try:
            return self._attempts.floods(tenant, session, counter, limit=limit, now=int(self._clock()))
        except TransientError:
            count("FrameUncounted", counted_together(limit))
            logger.exception("frames are answered without being counted")
            return False


def _reply(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "body": _answer(event)}


def _answer(event: Mapping[str, Any]) -> str:
    code, message = _fault(event.get("body") or "")
    count("FrameRefused")
    request = event.get("requestContext") or {}
    return error_frame(
        code,
        message,
        connection_id=request.get("connectionId"),
        request_id=request.get("requestId"),
        actions=ACTIONS,
    )


def _fault(body: str) -> tuple[ErrorCode, str]:
    """The code and text of the frame's error."""
    try:
        frame = codec.decode_object(body)
    except codec.NotJsonError as error:
        return error.code, f"the frame {error}"
    if not isinstance(frame.get("action"), str):
        return ErrorCode.NO_ACTION, "the frame has no action"
    return ErrorCode.UNKNOWN_ACTION, "the frame's action is unknown"

"""Check each frame that a function answers, before its request is carried out.

The checks are, in this order: the caller's identity, the minute's limits, the JSON, and whether the caller's connection
is in a session that is still live; a session that was recreated under the same id has other connections. The client
always gets an answer: API Gateway sends the body of the function's response back through the route's response:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html

Frames are counted before any other work, so that a flood costs one write per frame, and none once its session is
deleted. They count for the session, and those within its limit also for its player, if it has one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from loudhailer import codec
from loudhailer.errors import ErrorCode, InvalidFieldError, TransientError
from loudhailer.ids import TenantId
from loudhailer.limits.attempts import FLOOD, Attempts
from loudhailer.limits.model import frames_of_session, messages_of_player
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.sessions.port import SessionStore
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.replies import CONNECTION_OVER, SESSION_OVER, error_frame, throttle_frame

type Frame = Mapping[str, Any]
"""A client's frame: its decoded members; those in `VERBATIM_MEMBERS` are each a `JsonText`."""

VERBATIM_MEMBERS = frozenset({"message", "content", "data"})
"""The members that are passed on unchanged to other clients."""

type Respond = Callable[[Caller, Frame], str | None]
"""Carries out a frame's request; returns the frame that answers it, or None for no answer.

InvalidFieldError and TransientError are answered with an error frame.
"""


class TenantResponder:
    """The stores and the use case of one tenant."""

    def __init__(self, sessions: SessionStore, limits: LimitStore, respond: Respond) -> None:
        self.sessions = sessions
        self.limits = limits
        self.respond = respond
        self.attempts = Attempts(sessions, limits)


class Exchange:
    """Answers the frames of one route."""

    def __init__(self, responder_of: Callable[[TenantId], TenantResponder], *, clock: Callable[[], float]) -> None:
        self._responder_of = responder_of
        self._clock = clock

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's response to a message's event; never raises because of a client's input."""
        try:
            caller = Caller.of(event)
        except InvalidFieldError as error:
            count("CallerUnknown")
            logger.error("the event does not name its caller", reason=str(error))
            request = event["requestContext"]
            body: str | None = error_frame(
                ErrorCode.UNKNOWN_CALLER,
                "the connection is not known here: connect again",
                connection_id=request["connectionId"],
                request_id=request["requestId"],
            )
        else:
            with logger.append_context_keys(tenant_id=caller.tenant_id, connection_id=caller.key.connection_id):
                body = self._answer(caller, event.get("body") or "")
        return {"statusCode": 200} if body is None else {"statusCode": 200, "body": body}

    def _answer(self, caller: Caller, body: str) -> str | None:
        now = int(self._clock())
        try:
            responder = self._responder_of(caller.tenant_id)
            limit = caller.messages_per_minute
            attempts = _count_attempt(responder.attempts, caller, now)
            if attempts > limit or _is_player_over(responder.limits, caller, now):
                count("FrameThrottled")
                # A session that floods is deleted: it gets no answer.
                return (
                    throttle_frame(caller.key.connection_id, caller.request_id) if attempts <= FLOOD * limit else None
                )
            frame = codec.decode_object(body, verbatim=VERBATIM_MEMBERS)
            session = responder.sessions.keep_alive(
                caller.tenant_id, caller.session_id, session_seconds=caller.session_seconds, now=now
            )
            if session is None or caller.key not in session.connections:
                return _refused(caller, *(SESSION_OVER if session is None else CONNECTION_OVER))
            return responder.respond(replace(caller, grants=session.grants), frame)
        except codec.NotJsonError as error:
            return _refused(caller, error.code, f"the frame {error}")
        except InvalidFieldError as error:
            return _refused(caller, ErrorCode.INVALID_FIELD, str(error))
        except TransientError:
            count("FrameFailed")
            logger.exception("frame not carried out")
            return caller.refusal(ErrorCode.TRY_AGAIN, "this did not work now: try again")


def _refused(caller: Caller, code: ErrorCode, message: str) -> str:
    count("FrameRefused")
    return caller.refusal(code, message)


def _count_attempt(attempts: Attempts, caller: Caller, now: int) -> int:
    """Count a frame for the caller's session; return the number in this minute so far."""
    tenant, session = caller.tenant_id, caller.session_id
    return attempts.count(
        tenant, session, frames_of_session(tenant, session), limit=caller.messages_per_minute, now=now
    )


def _is_player_over(limits: LimitStore, caller: Caller, now: int) -> bool:
    """Count a frame for the caller's player, if there is one; tell whether the player has sent too many."""
    if caller.player_id is None:
        return False
    counter = messages_of_player(caller.tenant_id, caller.player_id)
    return limits.count_in_minute(counter, now) > caller.messages_per_minute

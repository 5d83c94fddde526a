"""Frames that are answered."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.times import Times

type Frame = dict[str, Any]

_PENDING = 100
_THROTTLED_SECONDS = 60.0
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_FRAME_BYTES = 32 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""


def written(frame: Frame) -> str:
    """Return a frame as it is sent; LoudhailerError `TOO_LONG` if API Gateway would end the connection for it."""
    text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if not text.isascii() and _HALF_PAIR.search(text):  # UTF-8 has none, so it is escaped, and the service refuses it
        text = json.dumps(frame, separators=(",", ":"), allow_nan=False)
    if len(text.encode()) > _FRAME_BYTES:
        raise LoudhailerError("TOO_LONG", f"a frame may have {_FRAME_BYTES} bytes")
    return text


@dataclass(eq=False)
class Request:
    """A frame, and what its answer is and does.

    Attributes:
        text: the frame.
        answers: tells whether a frame is the answer.
        done: takes the answer.
        failed: takes the error in its place.
        is_lasting: it outlives its connection.
        is_once: it is not repeated.
        is_subscription: it is answered on the line that it was sent on.
        deadline: the timer that ends it.
        sent: how often it was sent.
        line: the line that it was sent on last.
        attempt: how often it was to be tried again.
    """

    text: str
    answers: Callable[[Frame], bool]
    done: Callable[[Frame], None]
    failed: Callable[[LoudhailerError], None]
    is_lasting: bool = False
    is_once: bool = False
    is_subscription: bool = False
    deadline: asyncio.TimerHandle | None = None
    sent: int = 0
    line: object = None
    attempt: int = 0


class RequestHooks(Protocol):
    """Needs of requests: the client."""

    def send(self, text: str) -> bool:
        """Send a frame."""

    def line(self) -> object:
        """Return the line that carries."""

    def is_open(self) -> bool:
        """Tell whether there is a connection."""

    def check(self) -> None:
        """Find out whether the connection carries."""

    def next_subscription(self) -> Request | None:
        """Return a request that goes before all others."""


class Requests:
    """One request at a time: an error frame does not name the frame that it refuses, and API Gateway keeps no order."""

    def __init__(self, times: Times, hooks: RequestHooks) -> None:
        self._times = times
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Request] = deque()
        self._current: Request | None = None
        self._answer_by: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._repeated: tuple[str | None, int] = (None, 0)  # errors that may still come of a repeated request

    async def ask(self, text: str, answers: Callable[[Frame], bool]) -> Frame:
        """Send a frame again until it is answered; return the answer, within a minute.

        Raises:
            LoudhailerError: the service refused it, did not answer, or too many requests wait.
        """
        if len(self._queue) >= _PENDING:
            raise LoudhailerError("TOO_MANY_PENDING", f"{_PENDING} requests are waiting")
        if self._pause is not None:
            text = "the limit of this minute is reached"
            raise LoudhailerError("TOO_MANY_REQUESTS", text, retry_after=_THROTTLED_SECONDS)
        answer: asyncio.Future[Frame] = self._loop.create_future()

        def done(frame: Frame) -> None:
            if not answer.done():
                answer.set_result(frame)

        def failed(error: LoudhailerError) -> None:
            if not answer.done():
                answer.set_exception(error)

        def late() -> None:
            self._drop(request)
            code, reason = ("NO_ANSWER", "answered") if request.sent else ("NOT_SENT", "been reached")
            failed(LoudhailerError(code, f"the service has not {reason} in time"))

        request = Request(text, answers, done, failed, is_lasting=True)
        request.deadline = self._loop.call_later(self._times.request, late)
        self._queue.append(request)
        self.pump()
        try:
            return await answer
        finally:
            self._drop(request)  # if the caller was cancelled

    def pump(self) -> None:
        """Send the next request, if none is under way."""
        if self._current is None and self._pause is None and self._hooks.is_open():
            self._current = self._hooks.next_subscription() or (self._queue.popleft() if self._queue else None)
            self._transmit()

    def _transmit(self) -> None:
        if self._current is not None:
            self._current.sent += self._hooks.send(self._current.text)
            self._current.line = self._hooks.line()
            self._answer_by = self._loop.call_later(self._times.answer, self._repeat, self._current)

    def _repeat(self, request: Request) -> None:
        self._hooks.check()
        if request.is_once:
            self._drop(request)
        else:
            self._transmit()

    def _release(self) -> Request | None:
        request, self._current = self._current, None
        if self._answer_by is not None:
            self._answer_by.cancel()
        return request

    def _drop(self, request: Request) -> None:
        if request.deadline is not None:
            request.deadline.cancel()
        if request in self._queue:
            self._queue.remove(request)
        if self._current is request:
            self._release()
            self.pump()

    def answer(self, frame: Frame, line: object) -> None:
        """Take a frame as the answer, if it is."""
        request = self._current
        if (
            request is not None
            and request.answers(frame)
            and not (request.is_subscription and line is not request.line)
        ):
            self._repeated = (None, 0)
            request.done(frame)
            self._drop(request)

    def fail(self, error: LoudhailerError) -> bool:
        """Take an error as the answer; return False if there is no request."""
        code, left = self._repeated
        if error.code == code and left > 0:
            self._repeated = (code, left - 1)
            return True
        request = self._current
        if request is None:
            return False
        if error.code == "TRY_AGAIN" and not request.is_subscription and not request.is_once:
            # An earlier try may still be under way.
            request.attempt += 1
            if self._answer_by is not None:
                self._answer_by.cancel()
            self._answer_by = self._loop.call_later(self._times.backoff(request.attempt), self._transmit)
            return True
        self._repeated = (error.code, request.sent - 1)
        request.failed(error)
        self._drop(request)
        return True

    def throttle(self, error: LoudhailerError) -> bool:
        """Let lasting requests fail, and others wait for the next minute; return False if there is no lasting one."""
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self._loop.call_later(_THROTTLED_SECONDS, self._resume)
        request = self._release()
        if request is not None:
            self._queue.appendleft(request)
        return self._fail_lasting(error)

    def _resume(self) -> None:
        self._pause = None
        self.pump()

    def _fail_lasting(self, error: LoudhailerError) -> bool:
        lasting = [request for request in self._queue if request.is_lasting]
        for request in lasting:
            self._drop(request)
            request.failed(error)
        return bool(lasting)

    def interrupt(self) -> None:
        """Keep the lasting requests: the connection is lost."""
        request = self._release()
        waiting = [*([] if request is None else [request]), *self._queue]
        self._queue = deque(each for each in waiting if each.is_lasting)

    def end(self, error: LoudhailerError) -> None:
        """Let all requests fail."""
        self.interrupt()
        if self._pause is not None:
            self._pause.cancel()
        self._fail_lasting(error)

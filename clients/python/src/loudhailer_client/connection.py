"""Sessions, and sockets that follow one another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.http import Parse, parsed
from loudhailer_client.sockets import Dial, Line
from loudhailer_client.times import Times, delay_of

_RETIRING_SECONDS = 1.0
_LONGEST_KEEPING_SECONDS = 3_600.0


@dataclass(frozen=True)
class Session:
    """A session, as `Server.create_session` returns it.

    Attributes:
        tenant_id: its tenant.
        session_id: a secret: anyone who has it can enter the session.
        websocket_url: the URL that it connects to, without ids.
        http_url: the base of `GET /channel/...`; without it nothing can be recovered.
        expires_in: seconds; the session is renewed at about half of them.
    """

    tenant_id: str
    session_id: str = field(repr=False)
    websocket_url: str
    http_url: str | None = None
    expires_in: float | None = None

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> "Session":
        """The session of a JSON object, with the names that the client in JavaScript uses.

        Raises:
            LoudhailerError: with the code `MALFORMED_ANSWER`, if it is not one.
        """
        match fields:
            case {"tenantId": str(tenant_id), "sessionId": str(session_id), "webSocketUrl": str(websocket_url)}:
                return cls(tenant_id, session_id, websocket_url, fields.get("httpUrl"), fields.get("expiresIn"))
            case _:
                raise LoudhailerError("MALFORMED_ANSWER", "a session needs tenantId, sessionId and webSocketUrl")

    def to_wire(self) -> dict[str, Any]:
        """The JSON object, for a backend's answer."""
        return {
            "tenantId": self.tenant_id,
            "sessionId": self.session_id,
            "webSocketUrl": self.websocket_url,
            "httpUrl": self.http_url,
            "expiresIn": self.expires_in,
        }


@dataclass(frozen=True)
class SessionQuestion:
    """The question that `get_session` answers.

    Attributes:
        session_id: the session that it has had, to be used again; None at first.
        renew: it is connected, and only keeps its session alive.
    """

    session_id: str | None = field(repr=False)
    renew: bool


type GetSession = Callable[[SessionQuestion], Awaitable[Session]]


@dataclass(frozen=True)
class Status:
    """The state of a client.

    Attributes:
        state: `offline` means that the next attempt comes in `delay` seconds.
        delay: see `state`.
        was_open: a connection was lost, not refused.
        error: the error of `get_session`.
    """

    state: Literal["connecting", "open", "offline", "closed"]
    delay: float | None = None
    was_open: bool = False
    error: Exception | None = None


class ConnectionHooks(Protocol):
    """Needs of a connection: the client."""

    def on_status(self, status: Status) -> None:
        """The state is another one, or the next connection has taken over."""

    def on_frame(self, frame: Any, text: str, line: Line) -> None:
        """A frame has come."""

    def on_keep_alive(self) -> None:
        """Several minutes have passed."""

    def is_subscribed(self) -> bool:
        """Tell whether the connection has answered all subscriptions."""

    def on_error(self, error: LoudhailerError) -> None:
        """The session is not renewed any more."""


class Connection:
    """One line that carries, during a renewal its successor, and the lines that are being left."""

    def __init__(self, get_session: GetSession, times: Times, dial: Dial, parse: Parse, hooks: ConnectionHooks) -> None:
        self.session: Session | None = None
        self.is_open = False
        self._get_session = get_session
        self._times = times
        self._dial_socket = dial
        self._parse = parse
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._line: Line | None = None
        self._successor: Line | None = None
        self._leaving: dict[Line, asyncio.TimerHandle] = {}  # with the timers that end them
        self._attempt = 0
        self._overlap = times.overlap
        self._renewed: Line | None = None  # the line for whose successor a session is asked for
        self._turn = 0  # an answer to a question of an earlier turn comes too late
        self._timer: asyncio.TimerHandle | None = None  # of the next attempt, or of the renewal
        self._has_turn = False  # the service has named the time of the next attempt
        self._keeper: asyncio.TimerHandle | None = None  # renews the session
        self._keep_attempt = 0

    @property
    def line(self) -> Line | None:
        """The line that carries."""
        return self._line

    def open(self) -> None:
        """Connect, and stay connected."""
        self._end()
        self._start(self._connect(self._turn))

    def close(self, error: Exception | None = None) -> None:
        """Disconnect, and stay so."""
        self._end()
        self._tell(Status("closed", error=error))

    def send(self, text: str) -> bool:
        """Send a frame; return False if there is no connection."""
        return self._line is not None and self._line.send(text)

    def check(self) -> None:
        """Find out now whether the socket still carries; while it waits for the next attempt, make it now."""
        if self._line is not None:
            self._line.ping()
        elif self._timer is not None and not self._has_turn:
            self._attempt = 0
            self.open()

    def leave(self, line: Line) -> None:
        """End a line whose session or connection is over."""
        line.end()
        self.on_line_end(line, 0)

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        self._turn += 1
        for timer in (self._timer, self._keeper):
            if timer is not None:
                timer.cancel()
        self._timer = None
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        for timer in self._leaving.values():
            timer.cancel()
        for line in (self._line, self._successor, *self._leaving):
            if line is not None:
                line.end()
        self._line = self._successor = None
        self._leaving.clear()
        self._renewed = None
        self._overlap = self._times.overlap

    def _tell(self, status: Status) -> None:
        self.is_open = status.state == "open"
        self._hooks.on_status(status)

    async def _ask(self, turn: int, *, renew: bool) -> None:
        known = None if self.session is None else self.session.session_id
        try:
            async with asyncio.timeout(self._times.session):
                session = await self._get_session(SessionQuestion(known, renew))
        except TimeoutError as error:
            raise LoudhailerError("NO_ANSWER", "get_session has not answered in time") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise LoudhailerError("NO_ANSWER", "get_session was cancelled") from error
        if not isinstance(session, Session):
            raise LoudhailerError("MALFORMED_ANSWER", "get_session has not returned a Session")
        if turn == self._turn:
            self.session = session
            self._keep_attempt = 0
            self._keep(max(session.expires_in or 0, 2) * (0.4 + 0.2 * self._times.random()))

    def _keep(self, seconds: float) -> None:
        """Listening is no activity, so renew the session at about half its time."""
        self._stop_keeping()
        if self.session is not None and self.session.expires_in and self.session.expires_in > 0:
            turn = self._turn
            self._keeper = self._loop.call_later(
                min(seconds, _LONGEST_KEEPING_SECONDS), lambda: self._start(self._renew_session(turn))
            )

    def _stop_keeping(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None

    async def _renew_session(self, turn: int) -> None:
        try:
            await self._ask(turn, renew=True)
        except Exception as error:  # noqa: BLE001  # get_session is the application's
            if turn != self._turn:
                return
            if isinstance(error, LoudhailerError) and error.fatal:
                self._hooks.on_error(error)
                return
            delay = delay_of(error, lambda: self._times.backoff(self._keep_attempt))
            self._keep_attempt += 1
            self._keep(delay)

    async def _connect(self, turn: int) -> None:
        if turn == self._turn:
            self._tell(Status("connecting"))
        if turn != self._turn:
            return  # the client was closed, perhaps by a handler
        try:
            await self._ask(turn, renew=False)
            if turn == self._turn:
                self._line = self._dial()
        except Exception as error:  # noqa: BLE001  # get_session is the application's
            if turn != self._turn:
                return
            if isinstance(error, LoudhailerError) and error.fatal:
                self.close(error)
            else:
                self._retry(was_open=False, error=error)

    def _retry(self, *, was_open: bool, error: Exception | None = None) -> None:
        delay = self._delay(error)
        self._stop_keeping()  # it is for a client that is connected
        self._has_turn = isinstance(error, LoudhailerError) and bool(error.retry_after)
        self._after(delay, lambda: self._start(self._connect(self._turn)))
        self._tell(Status("offline", delay, was_open, error))

    def _delay(self, error: Exception | None = None) -> float:
        def spread() -> float:
            self._attempt += 1
            return self._times.backoff(self._attempt - 1)

        return delay_of(error, spread)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        def due() -> None:
            self._timer = None
            act()

        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, due)

    def _dial(self) -> Line:
        if self.session is None:
            raise RuntimeError("a line is dialled before there is a session")
        query = urlencode({"tenantId": self.session.tenant_id, "sessionId": self.session.session_id})
        return Line(f"{self.session.websocket_url}?{query}", self._times, self._dial_socket, self)

    def on_line_idle(self, line: Line) -> None:
        """Keep the line alive."""
        line.ping()
        if line is self._line:
            self._hooks.on_keep_alive()

    def on_line_open(self, line: Line) -> None:
        """Let the line carry, and retire the one before it."""
        if line is self._successor and self._line is not None:
            self._retire(self._line, self._overlap)
            self._line = line
            self._successor = None
            self._attempt = 0
        self._overlap = self._times.overlap
        self._after(self._times.between(self._times.renewal), self._renew)
        self._tell(Status("open"))

    def _retire(self, line: Line, seconds: float) -> None:
        """End a line after a time, and not before its successor has subscribed."""

        def due() -> None:
            if self._hooks.is_subscribed():
                del self._leaving[line]
                line.end()
            else:
                self._retire(line, _RETIRING_SECONDS)

        self._leaving[line] = self._loop.call_later(seconds, due)

    def _renew(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._renewed = self._line
        self._start(self._replace(self._line, self._turn))

    async def _replace(self, line: Line | None, turn: int) -> None:
        try:
            await self._ask(turn, renew=False)
            if line is self._line:
                self._successor = self._dial()
        except Exception as error:  # noqa: BLE001  # get_session is the application's
            # A line that was lost meanwhile is opened again by a timer of its own.
            if line is self._line:
                self._after(self._delay(error), self._renew)
        finally:
            if line is self._line:
                self._renewed = None

    def on_line_text(self, line: Line, text: str) -> None:
        """Move as the service asks, and hand on all other frames."""
        frame = parsed(text, self._parse)
        if not isinstance(frame, dict) or frame.get("type") != "move":
            self._hooks.on_frame(frame, text, line)
        elif line is self._line and not self._leaving:
            seconds = frame.get("overlapSeconds")
            wanted = seconds if isinstance(seconds, int | float) and seconds > 0 else 0
            self._overlap = min(max(wanted, self._times.overlap), self._times.longest_overlap)
            if self._successor is None and self._renewed is not line:
                self._renew()

    def on_line_end(self, line: Line, seconds: float | None) -> None:
        """Open the next line in the place of one that has ended."""
        if line is self._successor:
            self._successor = None
            self._after(self._delay(), self._renew)
        elif line is self._line and self._successor is not None:
            self._line = self._successor  # which is on its way already
            self._successor = None
            self._tell(Status("connecting"))
        elif line is self._line:
            self._line = None
            if seconds is not None and seconds >= self._times.stable:
                self._attempt = 0
            self._retry(was_open=seconds is not None)
        elif line in self._leaving:
            self._leaving.pop(line).cancel()

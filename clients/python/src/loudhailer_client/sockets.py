"""One socket: the package `websockets` behind three callbacks, and its life from handshake to end."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from loudhailer_client.times import Times

_logger = logging.getLogger("loudhailer_client")

_PING = '{"action":"ping"}'
_PONG = '{"action":"pong"}'
_LARGEST_FRAME = 1024 * 1024
_UNSENT = 1_000
"""Frames that may wait until the network takes them."""


class Socket(Protocol):
    """A socket that is opening or open."""

    def send(self, text: str) -> bool:
        """Send a frame; return False if too many are waiting."""

    def close(self) -> None:
        """Close it."""


class Hooks(Protocol):
    """The events of a socket."""

    def on_open(self) -> None:
        """The handshake is done."""

    def on_text(self, text: str) -> None:
        """A frame has come."""

    def on_close(self) -> None:
        """The socket is closed, or could not be opened."""


type Dial = Callable[[str, Hooks], Socket]
"""Opens a socket."""


TASK = "loudhailer_client socket"
"""The name of the task of each open socket, and of each one that is being closed."""


class WebSocket:
    """A socket of the package `websockets`."""

    def __init__(self, url: str, hooks: Hooks) -> None:
        self._unsent: deque[str] = deque()
        self._wanted = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(url, hooks), name=TASK)

    def send(self, text: str) -> bool:
        """Queue a frame for the network."""
        if len(self._unsent) >= _UNSENT:
            return False
        self._unsent.append(text)
        self._wanted.set()
        return True

    def close(self) -> None:
        """Close the socket; the handshake of the close may take two seconds."""
        self._task.cancel()

    async def _run(self, url: str, hooks: Hooks) -> None:
        # Pings of the protocol are off: frames are pinged, so that API Gateway counts them as traffic.
        opening = connect(
            url, ping_interval=None, compression=None, max_size=_LARGEST_FRAME, close_timeout=2, open_timeout=None
        )
        try:
            async with opening as socket:
                hooks.on_open()
                writer = asyncio.create_task(self._write(socket))
                try:
                    async for data in socket:
                        hooks.on_text(data if isinstance(data, str) else data.decode(errors="replace"))
                except asyncio.CancelledError:
                    pass  # `close` ends it: the end of the block says goodbye
                finally:
                    writer.cancel()
        except (OSError, WebSocketException) as error:
            _logger.debug("the socket has ended: %s", error)
        finally:
            hooks.on_close()

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException):  # the reader ends as well
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                while self._unsent:
                    await socket.send(self._unsent.popleft())


class LineHooks(Protocol):
    """The events of a line."""

    def on_line_open(self, line: "Line") -> None:
        """The handshake is done."""

    def on_line_text(self, line: "Line", text: str) -> None:
        """A frame has come that is neither empty nor a pong."""

    def on_line_idle(self, line: "Line") -> None:
        """It is time for a sign of life."""

    def on_line_end(self, line: "Line", seconds: float | None) -> None:
        """The line has ended by itself, once; it was open for so many seconds, or never."""


class Line:
    """A socket from its handshake to its end."""

    def __init__(self, url: str, times: Times, dial: Dial, hooks: LineHooks) -> None:
        self._loop = asyncio.get_running_loop()
        self._times = times
        self._hooks = hooks
        self._opened: float | None = None
        self._ended = False
        self._keep_alive: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = self._loop.call_later(times.handshake, self.on_close)
        self._socket = dial(url, self)

    def send(self, text: str) -> bool:
        """Send a frame; return False if the line is not open."""
        return self._opened is not None and not self._ended and self._socket.send(text)

    def ping(self) -> None:
        """Ask for a sign of life: a socket that gives none in time is half-open, and ends."""
        if self.send(_PING) and self._deadline is None:
            self._deadline = self._loop.call_later(self._times.answer, self.on_close)

    def end(self) -> None:
        """Close the socket, without a word to the hooks."""
        if not self._ended:
            self._ended = True
            for timer in (self._deadline, self._keep_alive):
                if timer is not None:
                    timer.cancel()
            self._socket.close()

    def on_open(self) -> None:
        """Begin to keep the connection alive."""
        if not self._ended:
            self._opened = self._loop.time()
            self.on_text(_PONG)
            self._wait(self._times.between(self._times.keep_alive))
            self._hooks.on_line_open(self)

    def _wait(self, seconds: float) -> None:
        def idle() -> None:
            self._wait(seconds)
            self._hooks.on_line_idle(self)

        self._keep_alive = self._loop.call_later(seconds, idle)

    def on_text(self, text: str) -> None:
        """Take any frame as a sign of life. API Gateway may send an empty one after a request without a response."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if text not in {_PONG, ""} and not self._ended:
            self._hooks.on_line_text(self, text)

    def on_close(self) -> None:
        """End, and say so."""
        if not self._ended:
            self.end()
            self._hooks.on_line_end(self, None if self._opened is None else self._loop.time() - self._opened)

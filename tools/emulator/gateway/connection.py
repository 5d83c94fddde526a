"""One client's connection: its states, and the frames on its socket."""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto

from tools.emulator.gateway.api import DeployedStage, Integration, Route
from tools.emulator.gateway.frames import (
    Close,
    FrameReader,
    Opcode,
    Ping,
    ProtocolViolation,
    Text,
    encode,
    encode_close,
)
from tools.emulator.gateway.handshake import Handshake, new_id
from tools.emulator.gateway.limits import CloseCode, Limits

_CLOSING_SECONDS = 5.0
_KERNEL_BUFFER_BYTES = 64 * 1024


class ConnectionState(Enum):
    """CONNECTING until `$connect` has answered, CLOSING between the first close frame and the socket's end."""

    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


_NEXT_STATES = {
    ConnectionState.CONNECTING: {ConnectionState.OPEN, ConnectionState.CLOSED},
    ConnectionState.OPEN: {ConnectionState.CLOSING, ConnectionState.CLOSED},
    ConnectionState.CLOSING: {ConnectionState.CLOSED},
    ConnectionState.CLOSED: set[ConnectionState](),
}


class OpenConnection:
    """A connection from its handshake to its end.

    `on_text` is called with each message, `on_end` once, when a connection that was accepted is over; `ended` then
    says how. A client's close frame is answered `later`, when that is called. `waiting` holds the messages whose route
    has not been called yet, `in_flight` counts those being called. `full` makes its buffer count as full, whatever is
    in it.
    """

    def __init__(
        self,
        deployment: DeployedStage,
        handshake: Handshake,
        limits: Limits,
        on_text: Callable[["OpenConnection", str], None],
        on_end: Callable[["OpenConnection"], None],
        *,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.connection_id = new_id()
        self.deployment = deployment
        self.handshake = handshake
        self.authorizer: Mapping[str, str] | None = None
        self.connected_at = self.last_active_at = time.time()
        self.state = ConnectionState.CONNECTING
        self.ended: tuple[int, str] = (CloseCode.ABNORMAL, "Connection Closed Abnormally")
        self.waiting: deque[tuple[Route, Integration, str]] = deque()
        self.in_flight = 0
        self.full = False
        self._held = False
        self._limits = limits
        self._on_text = on_text
        self._on_end = on_end
        self._later = later
        self._reader: FrameReader | None = FrameReader(limits.frame_bytes, limits.message_bytes)
        self._transport: asyncio.Transport | None = None

    def open(self, transport: asyncio.Transport) -> None:
        """The handshake is done and its 101 is written."""
        self._move(ConnectionState.OPEN)
        self._transport = transport
        # A kernel buffer that grows by itself would hide a slow client behind megabytes.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)

    def refuse(self) -> None:
        """The handshake ends without a connection."""
        self._move(ConnectionState.CLOSED)

    def lose(self) -> None:
        """The socket is gone; before its time unless a close frame was exchanged."""
        if self.state is not ConnectionState.CLOSED:
            self._move(ConnectionState.CLOSED)
            self._on_end(self)

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._reader is None:
            return  # data after a broken frame or a close frame is ignored
        try:
            for event in self._reader.feed(data):
                match event:
                    case Text(text) if self.state is ConnectionState.OPEN:
                        self.last_active_at = time.time()
                        self._on_text(self, text)
                    case Ping(payload):
                        self._write(encode(Opcode.PONG, payload))
                    case Close(code, reason):
                        self._reader = None
                        if self.state is ConnectionState.OPEN:
                            self.ended = (code, reason)
                        self._later(self._answer_close)
                        return
        except ProtocolViolation as violation:
            self._reader = None
            self.close(violation.code, violation.reason)

    def deliver(self, message: bytes) -> bool:
        """Send a message as one text frame; refused (False) when too much waits for the client already.

        Only while OPEN.
        """
        transport = self._transport
        if self.state is not ConnectionState.OPEN or transport is None:
            raise AssertionError(f"a {self.state.name} connection takes no message")
        waiting = transport.get_write_buffer_size()
        if self.full or (waiting and waiting + len(message) > self._limits.client_buffer_bytes):
            return False
        transport.write(encode(Opcode.TEXT, message))
        self.last_active_at = time.time()
        return True

    def close(self, code: int, reason: str) -> None:
        """Close from this side; the socket follows when the client has answered, or in 5 s."""
        if self.state is not ConnectionState.OPEN:
            return
        self._move(ConnectionState.CLOSING)
        self.ended = (code, reason)
        self._write(encode_close(code, reason))
        asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.abort)

    def abort(self) -> None:
        """Drop the socket without a word."""
        if self._transport is not None:
            self._transport.abort()

    def hold(self, *, held: bool) -> None:
        """Pause or resume reading from the client's socket."""
        if held == self._held or self._transport is None or self._transport.is_closing():
            return
        self._held = held
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _answer_close(self) -> None:
        if self.state is ConnectionState.OPEN:
            self._move(ConnectionState.CLOSING)
            self._write(encode_close(self.ended[0], ""))
            asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.abort)  # it may never read the answer
        if self._transport is not None:
            self._transport.close()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def _move(self, state: ConnectionState) -> None:
        if state not in _NEXT_STATES[self.state]:
            raise AssertionError(f"a {self.state.name} connection cannot become {state.name}")
        self.state = state


class Connections:
    """The connections by id, from before `$connect` is called until their end."""

    def __init__(self) -> None:
        self._by_id: dict[str, OpenConnection] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(list(self._by_id.values()))

    def add(self, connection: OpenConnection) -> None:
        """Know a connection."""
        self._by_id[connection.connection_id] = connection

    def discard(self, connection: OpenConnection) -> None:
        """Forget a connection."""
        self._by_id.pop(connection.connection_id, None)

    def find_open(self, connection_id: str, deployment_key: tuple[str, str]) -> OpenConnection | None:
        """The open connection with this id at this API and stage."""
        found = self._by_id.get(connection_id)
        if found is None or found.state is not ConnectionState.OPEN or found.deployment.key != deployment_key:
            return None
        return found

    def count(self, state: ConnectionState) -> int:
        """Return how many are in a state."""
        return sum(connection.state is state for connection in self._by_id.values())

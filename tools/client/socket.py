"""One WebSocket on picows: the parts that a single client and a member of a crowd have in common."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.types import WSError, WSHandshakeError

_HANDSHAKE_TIMEOUT_SECONDS = 30.0
"""API Gateway gives `$connect` 29 s."""

_READ_BUFFER_BYTES = 2_048
"""Small, as there may be ten thousand; it grows with the frames that come."""

_CLOSE_TIMEOUT_SECONDS = 5.0
_ABNORMAL_CLOSURE = 1006
_NO_CODE = 1005


class Departure(Enum):
    """Way in which a client leaves."""

    CLOSE = "a close frame, as browsers do"
    RESET = "a TCP reset and no close frame, as a phone that loses its network"


@dataclass(frozen=True)
class Refusal:
    """A failed handshake: the HTTP status, 0 without an answer, and the reason."""

    status: int
    reason: str


class HandshakeRefusedError(Exception):
    """The server did not open the WebSocket; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.status} {refusal.reason}")
        self.refusal = refusal


def socket_url(base: str, **query: str | None) -> str:
    """The WebSocket's URL with its query (`tenantId`, `sessionId`, `playerId`), absent ones left out."""
    present = {name: value for name, value in query.items() if value is not None}
    return f"{base}?{urlencode(present)}" if present else base


class Socket(WSListener):
    """An open WebSocket. Subclasses handle messages.

    Attributes:
        close_code: the code it was closed with; None while it is open, 1006 when there was no close frame.
    """

    def __init__(self) -> None:
        super().__init__()
        self.close_code: int | None = None
        self._received_code = _ABNORMAL_CLOSURE
        self._transport: WSTransport | None = None
        self._fragments: list[bytes] = []

    @property
    def transport(self) -> WSTransport:
        """The connection; only once it has been opened."""
        if self._transport is None:
            raise RuntimeError("the WebSocket was never opened")
        return self._transport

    @property
    def is_open(self) -> bool:
        """True if the socket has been opened, and not closed since."""
        return self._transport is not None and self.close_code is None

    def on_message(self, payload: bytes) -> None:
        """A whole text or binary message has arrived."""

    def on_closed(self) -> None:
        """The socket is closed, by either side."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Part of picows' interface."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Part of picows' interface."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            self._received_code = int.from_bytes(payload[:2]) if len(payload) >= 2 else _NO_CODE
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            payload = frame.get_payload_as_bytes()
            if not frame.fin:
                self._fragments.append(payload)
                return
            if self._fragments:
                payload = b"".join((*self._fragments, payload))
                self._fragments.clear()
            self.on_message(payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' interface
        """Part of picows' interface."""
        self.close_code = self._received_code
        self.on_closed()

    def leave(self, manner: Departure = Departure.CLOSE) -> None:
        """Begin to close the socket; nothing happens if it is closed already."""
        if not self.is_open:
            return
        if manner is Departure.CLOSE:
            self.transport.send_close(WSCloseCode.OK)
            # The server's close frame ends the connection; if none comes, this does.
            asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT_SECONDS, self.transport.disconnect, False)
            return
        connection = self.transport.underlying_transport
        # Lingering for no time makes the kernel send RST and drop what is unsent.
        connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()

    def stop_reading(self) -> None:
        """Stop reading, so that the server's data fills the network's buffers."""
        self.transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Take up reading again."""
        self.transport.underlying_transport.resume_reading()


async def open_socket[S: Socket](make: Callable[[], S], url: str, headers: dict[str, str] | None = None) -> S:
    """Open a WebSocket with the given listener; HandshakeRefusedError if the server does not."""
    listener: Any
    try:
        _, listener = await ws_connect(
            make,
            url,
            websocket_handshake_timeout=_HANDSHAKE_TIMEOUT_SECONDS,
            read_buffer_init_size=_READ_BUFFER_BYTES,
            extra_headers=headers,
            max_redirects=0,
        )
    except WSHandshakeError as error:
        status = int(error.response.status) if error.response is not None else 0
        body = error.raw_body.decode(errors="replace") if error.raw_body else str(error)
        raise HandshakeRefusedError(Refusal(status, body)) from error
    except (OSError, WSError) as error:
        raise HandshakeRefusedError(Refusal(0, str(error) or type(error).__name__)) from error
    return listener  # type: ignore[no-any-return]

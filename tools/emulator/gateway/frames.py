"""WebSocket frames as RFC 6455 writes them, seen from the server; no sockets here.

API Gateway takes text only (a binary frame closes with 1003) and closes with 1009 what is over its limits:
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html
"""

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from tools.emulator.gateway.limits import CloseCode

_HANDSHAKE_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTROL_BYTES = 125
_FIN = 0x80
_RESERVED_BITS = 0x70
_MASKED = 0x80


class Opcode(IntEnum):
    """Kind of a frame's content."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True, slots=True)
class Text:
    """A whole message."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The client's close frame; 1005 when it carries no code."""

    code: int
    reason: str


class ProtocolViolation(Exception):  # noqa: N818 - RFC 6455 speaks of violations
    """The client broke the protocol; the gateway answers with a close frame."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def accept_key(key: bytes) -> bytes:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key + _HANDSHAKE_GUID, usedforsecurity=False).digest())


def encode(opcode: Opcode, payload: bytes) -> bytes:
    """One whole unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65_536:
        return struct.pack(">BBH", _FIN | opcode, 126, size) + payload
    return struct.pack(">BBQ", _FIN | opcode, 127, size) + payload


def encode_close(code: int, reason: str) -> bytes:
    """A close frame; 1005 may not be sent, so it becomes an empty one."""
    if code == CloseCode.NO_STATUS:
        return encode(Opcode.CLOSE, b"")
    text = reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore")
    return encode(Opcode.CLOSE, struct.pack(">H", code) + text.encode())


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Undo the client's masking; as one long exclusive or, which is fast enough for 32 KB."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


class FrameReader:
    """Turns a client's bytes into messages and control frames.

    `feed` yields complete frames and raises `ProtocolViolation` as soon as a frame's header shows one; nothing more can
    be read after that.
    """

    def __init__(self, frame_bytes: int, message_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._message_bytes = message_bytes
        self._buffer = bytearray()
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Text | Ping | Close]:
        """Yield the frames that these bytes complete."""
        self._buffer += data
        while (frame := self._take_frame()) is not None:
            event = self._understand(*frame)
            if event is not None:
                yield event

    def _take_frame(self) -> tuple[int, int, bytes] | None:
        """The first whole frame as final bit, opcode and payload."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, opcode, size = buffer[0] & _FIN, buffer[0] & 0x0F, buffer[1] & 0x7F
        if buffer[0] & _RESERVED_BITS or not buffer[1] & _MASKED:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "Protocol error")
        extended = {126: 2, 127: 8}.get(size, 0)
        start = 2 + extended + 4
        if len(buffer) < start:
            return None
        if extended:
            size = int.from_bytes(buffer[2 : 2 + extended], "big")
        self._check_header(final, opcode, size)
        if len(buffer) < start + size:
            return None
        payload = unmask(bytes(buffer[start : start + size]), bytes(buffer[start - 4 : start]))
        del buffer[: start + size]
        return final, opcode, payload

    def _check_header(self, final: int, opcode: int, size: int) -> None:
        if opcode >= Opcode.CLOSE:
            if size > _CONTROL_BYTES or not final or opcode not in {Opcode.CLOSE, Opcode.PING, Opcode.PONG}:
                raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "Protocol error")
            return
        if opcode == Opcode.BINARY:
            raise ProtocolViolation(CloseCode.UNSUPPORTED_DATA, "Unsupported data")
        if opcode not in {Opcode.TEXT, Opcode.CONTINUATION} or (opcode == Opcode.CONTINUATION) != bool(self._parts):
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "Protocol error")
        if size > self._frame_bytes or size + sum(map(len, self._parts)) > self._message_bytes:
            raise ProtocolViolation(CloseCode.MESSAGE_TOO_BIG, "Message too big")

    def _understand(self, final: int, opcode: int, payload: bytes) -> Text | Ping | Close | None:
        if opcode == Opcode.PING:
            return Ping(payload)
        if opcode == Opcode.PONG:
            return None
        try:
            if opcode == Opcode.CLOSE:
                return self._understand_close(payload)
            self._parts.append(payload)
            if not final:
                return None
            text = b"".join(self._parts).decode()
        except UnicodeDecodeError as error:
            raise ProtocolViolation(CloseCode.INVALID_PAYLOAD, "Invalid UTF-8") from error
        self._parts.clear()
        return Text(text)

    @staticmethod
    def _understand_close(payload: bytes) -> Close:
        if not payload:
            return Close(CloseCode.NO_STATUS, "")
        code = int.from_bytes(payload[:2], "big")
        valid = code in {1000, 1001, 1002, 1003} or 1007 <= code <= 1014 or 3000 <= code <= 4999
        if len(payload) < 2 or not valid:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "Protocol error")
        return Close(code, payload[2:].decode())

"""As much of HTTP/1.1 as the gateway serves: keep-alive, pipelining, bodies with a length; no sockets here.

A post must cost little: 10,000 of them are answered each second, on a core shared with clients and poster. So a few
searches cut a request out of the bytes, and the raw header lines are kept for the events that need them.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_HEAD_END = b"\r\n\r\n"
_HEAD_BYTES = 64 * 1024
_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's own payload limit
_LENGTH_DIGITS = 20
_KEY_BYTES = 16
_VERSION = b"HTTP/1.1"

WEBSOCKET_VERSION = "13"
"""The one there is: https://www.rfc-editor.org/rfc/rfc6455#section-4.1."""


class BadRequest(Exception):  # noqa: N818 - HTTP's own name for it
    """Bytes that are no request this server reads; carries the status to answer before closing."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are lower case in `headers` and as sent in `raw_headers`."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    lines: tuple[bytes, ...]
    body: bytes

    def raw_headers(self) -> list[tuple[str, str]]:
        """Names as the client wrote them, repeated headers in order."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines)
        return [(name, value.strip()) for name, _, value in pairs]

    @property
    def keeps_alive(self) -> bool:
        """Tell whether the client wants to send another request on this socket."""
        return b"connection" not in self.headers or b"close" not in self._tokens(b"connection")

    @property
    def wants_websocket(self) -> bool:
        """Tell whether the client asks for a WebSocket, rightly or not."""
        return b"websocket" in self._tokens(b"upgrade")

    @property
    def handshake_fault(self) -> HTTPStatus | None:
        """Why this is no WebSocket handshake, as a status; None if it is one.

        AWS does not say what API Gateway answers, so these are the RFC's: 426 for another version, 400 for the rest.
        https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1 and #section-4.4
        """
        if self.method != b"GET" or b"upgrade" not in self._tokens(b"connection"):
            return HTTPStatus.BAD_REQUEST
        if self.headers.get(b"sec-websocket-version") != WEBSOCKET_VERSION.encode():
            return HTTPStatus.UPGRADE_REQUIRED
        try:
            key = base64.b64decode(self.headers.get(b"sec-websocket-key", b""), validate=True)
        except ValueError:
            key = b""
        return None if len(key) == _KEY_BYTES else HTTPStatus.BAD_REQUEST

    def _tokens(self, name: bytes) -> set[bytes]:
        """The members of a header that holds a list, in lower case."""
        return {token.strip() for token in self.headers.get(name, b"").lower().split(b",")}


class RequestReader:
    """Cuts requests out of a byte stream."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Request | None:
        """The next whole request, if there is one."""
        buffer = self._buffer
        end = buffer.find(_HEAD_END)
        if end < 0:
            if len(buffer) > _HEAD_BYTES:
                raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return None
        first, *lines = buffer[:end].split(b"\r\n")
        try:
            method, target, version = first.split(b" ")
            headers = _headers(lines)
        except ValueError as error:
            raise BadRequest(HTTPStatus.BAD_REQUEST) from error
        if version != _VERSION:
            raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        if b"transfer-encoding" in headers:
            raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
        size = int(length[:_LENGTH_DIGITS])
        if size > _BODY_BYTES:
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        start = end + len(_HEAD_END)
        if len(buffer) < start + size:
            return None
        self._buffer = buffer[start + size :]
        return Request(method, target, headers, tuple(lines), buffer[start : start + size])

    def rest(self) -> bytes:
        """Return the bytes after the last request: a client's first frames after the upgrade."""
        rest, self._buffer = self._buffer, b""
        return rest


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    """Read header lines; values of a header that is delivered again are joined, so that none hides behind another.

    https://www.rfc-editor.org/rfc/rfc9110#section-5.2; a space before the colon is an error:
    https://www.rfc-editor.org/rfc/rfc9112#section-5.1. ValueError for a line that is no header.
    """
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, value = line.split(b":", 1)
        if not name or name != name.strip():
            raise ValueError(name)
        name, value = name.lower(), value.strip()
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def response(status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if status >= HTTPStatus.OK and status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def json_response(status: int, content: Any, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A whole response with a JSON body."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return response(status, [("Content-Type", "application/json"), *headers], body)


def error_response(status: int, error_type: str, message: str) -> bytes:
    """An error as AWS's SDKs read it: they raise the exception that `x-amzn-ErrorType` names."""
    return json_response(status, {"message": message}, [("x-amzn-ErrorType", error_type)])


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

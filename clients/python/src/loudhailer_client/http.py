"""HTTP requests and the meaning of their answers.

urllib is enough for the few requests of a client, and adds no dependency. It blocks, so each request has a thread.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, override

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.times import LONGEST_WAIT

type Parse = Callable[[str], Any]

_LARGEST_BYTES = 8 * 1024 * 1024
"""The bytes of an answer that are read: a page of a history has 4 MB at most."""

_CODES = {
    400: "INVALID_FIELD",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    413: "TOO_LONG",
    429: "TOO_MANY_REQUESTS",
}
_PASSING = {408, 429}
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True)
class Request:
    """An HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they hold secrets
    body: bytes | None = None


@dataclass(frozen=True)
class Response:
    """The answer to a request; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


type Fetch = Callable[[Request, float], Awaitable[Response]]
"""Carries out a request within so many seconds; raises OSError or TimeoutError without an answer."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: another host must not get the headers, which hold secrets."""

    @override
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


async def fetch(request: Request, timeout: float) -> Response:  # noqa: ASYNC109  # of the socket, in another thread
    """Carry out a request in a thread."""
    return await asyncio.to_thread(_fetch, request, timeout)


def _fetch(request: Request, timeout: float) -> Response:
    if not request.url.startswith(("https://", "http://")):
        raise OSError(f"{request.url[:80]} is not an address of HTTP")
    asked = urllib.request.Request(  # noqa: S310  # the scheme is checked above
        request.url, request.body, dict(request.headers), method=request.method
    )
    try:
        with _opener.open(asked, timeout=timeout) as answer:
            return _response(answer.status, answer.headers, answer.read(_LARGEST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return _response(error.code, error.headers, error.read(_LARGEST_BYTES))
    except HTTPException as error:
        raise OSError(str(error)) from error


def _response(status: int, headers: Any, body: bytes) -> Response:
    named = {name.lower(): value for name, value in headers.items()}
    return Response(status, named, body.decode(errors="replace"))


async def reached(request: Request, fetch: Fetch, timeout: float, channel: str | None = None) -> Response:  # noqa: ASYNC109
    """Return the response; LoudhailerError `UNREACHABLE` if there is none."""
    try:
        async with asyncio.timeout(timeout):
            return await fetch(request, timeout)
    except Exception as error:  # `fetch` may be the application's
        raise LoudhailerError("UNREACHABLE", "the service cannot be reached", channel=channel) from error


def answer_of(response: Response, parse: Parse = json.loads, channel: str | None = None) -> dict[str, Any]:
    """Return the JSON object of a response; LoudhailerError for any other answer, and for an error status."""
    body = parsed(response.text, parse)
    status = response.status
    if status < 300:  # noqa: PLR2004  # the end of the statuses of success
        if isinstance(body, dict):
            return body
        raise LoudhailerError("MALFORMED_ANSWER", "the answer is not a JSON object", status=status, channel=channel)
    fields = body if isinstance(body, dict) else {}
    error = fields.get("error")
    named = error if isinstance(error, dict) else {}
    reason = body if isinstance(body, str) else named.get("message", fields.get("message", f"HTTP status {status}"))
    raise LoudhailerError(
        _CODES.get(status, "UNAVAILABLE"),
        str(reason),
        channel=channel,
        status=status,
        field=named.get("field"),
        retry_after=_wait(fields.get("retryAfterMs"), response.headers.get("retry-after", "")),
        fatal=status < _FIRST_SERVER_ERROR and status not in _PASSING,
    )


def _wait(milliseconds: object, header: str) -> float | None:
    if isinstance(milliseconds, int | float) and milliseconds > 0:
        return min(milliseconds / 1_000, LONGEST_WAIT)
    return min(float(header), LONGEST_WAIT) if header.isdecimal() and int(header) > 0 else None


def parsed(text: str, parse: Parse) -> Any:
    """Return the value of a JSON text; None if it is not JSON."""
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None

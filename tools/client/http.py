"""The HTTP API of a deployment, as a client sees it.

aiohttp and yarl are imported when the API is called: they take a third of a second, and few commands call it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from loudhailer import codec
from loudhailer.broadcast.report import Report

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT_SECONDS = 35
_REPORT_POLL_SECONDS = 0.25
_TOO_MANY = 429
_LONGEST_BODY = 500
_LONGEST_WAIT_SECONDS = 3_600.0

type Sign = Callable[[str, str, bytes | None], Mapping[str, str]]


class ApiError(Exception):
    """The API answered with another status than the one that means success.

    Attributes:
        status: the HTTP status.
        body: the answer's JSON value, or its text.
        retry_after: seconds after which the client's turn comes, if the API has answered with them.
    """

    def __init__(self, status: int, body: Any, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {str(body)[:_LONGEST_BODY]}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class UnreachableError(Exception):
    """The API cannot be reached, or the connection broke before it answered."""


class HttpApi:
    """Sessions, broadcasts, reports. Use it as an async context manager.

    `sign` answers the headers that say who is calling, for a method, a URL and a body; without it nobody is.
    """

    def __init__(self, url: str, sign: Sign = lambda *_: {}) -> None:
        self._url = url.rstrip("/")
        self._sign = sign
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp  # noqa: PLC0415

        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def open_session(
        self, tenant: str, session: str, player: str | None = None, *, grants: dict[str, str] | None = None
    ) -> str:
        """Create or refresh a session, with other grants if any are given; the WebSocket URL that it is to connect to.

        If more clients come than may connect, this one waits for its turn.
        """
        query = {"tenantId": tenant, "sessionId": session} | ({} if player is None else {"playerId": player})
        document = None if grants is None else {"grants": grants}
        while True:
            try:
                body = await self.call("PUT", "/session", query=query, document=document)
            except ApiError as error:
                if error.retry_after is None:
                    raise
                await asyncio.sleep(error.retry_after)
            else:
                return str(body["webSocketUrl"])

    async def publish(
        self, audience: dict[str, Any], message: Any, broadcast_id: str | None = None, *, priority: str | None = None
    ) -> str:
        """Publish a broadcast; its id. A message that is `codec.verbatim(...)` is sent as it is written."""
        accepted = await self.accepted(audience, message, broadcastId=broadcast_id, priority=priority)
        return str(accepted["broadcastId"])

    async def accepted(self, audience: dict[str, Any], message: Any, **fields: Any) -> dict[str, Any]:
        """Publish a broadcast and return the answer; further fields of the request are left out if they are None."""
        chosen = {name: value for name, value in fields.items() if value is not None}
        document = {"audience": audience, "message": message, **chosen}
        answer: dict[str, Any] = await self.call("POST", "/broadcast", document=document, success=202)
        return answer

    async def report(self, broadcast_id: str) -> Report:
        """Return how far a broadcast has come."""
        return Report.from_wire(await self.call("GET", f"/broadcast/{broadcast_id}"))

    async def finished_report(
        self,
        broadcast_id: str,
        timeout: float,  # noqa: ASYNC109 - running out of time is an answer here, not an error
        progressed: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """Return the report once it is finished, or its state when time runs out."""
        deadline = time.monotonic() + timeout
        while True:
            report = await self.report(broadcast_id)
            progressed(report)
            if report.status == "finished" or time.monotonic() > deadline:
                return report
            await asyncio.sleep(_REPORT_POLL_SECONDS)

    async def call(
        self, method: str, path: str, query: dict[str, str] | None = None, document: Any = None, success: int = 200
    ) -> Any:
        """Any call; the answer's JSON value, or ApiError for another status than the expected one.

        UnreachableError if there is no answer, TimeoutError if there is none in time.
        """
        from aiohttp import ClientError  # noqa: PLC0415
        from yarl import URL  # noqa: PLC0415

        if self._session is None:
            raise RuntimeError("HttpApi is used outside its `async with`")
        url = URL(f"{self._url}{path}").extend_query(query or {})
        body = None if document is None else codec.encode(document)
        headers = {} if body is None else {"Content-Type": "application/json"}
        headers |= self._sign(method, str(url), body)
        try:
            async with self._session.request(method, url, data=body, headers=headers) as response:
                text, status = await response.text(), response.status
                header = response.headers.get("Retry-After", "")
        except ClientError as error:
            raise UnreachableError(str(error)) from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        if status != success:
            raise ApiError(status, answer, _turn(answer, header) if status == _TOO_MANY else None)
        return answer


def _turn(answer: Any, header: str) -> float | None:
    """The seconds until a client's turn; the header has whole ones."""
    exact = answer.get("retryAfterMs") if isinstance(answer, dict) else None
    if isinstance(exact, int):
        return min(exact / 1000, _LONGEST_WAIT_SECONDS)
    return min(float(header), _LONGEST_WAIT_SECONDS) if header.isdecimal() else None

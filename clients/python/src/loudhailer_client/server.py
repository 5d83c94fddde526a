"""The side of your backend: sessions, broadcasts and their reports."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from loudhailer_client import http
from loudhailer_client.connection import Session
from loudhailer_client.errors import LoudhailerError
from loudhailer_client.http import Fetch, Request, Response
from loudhailer_client.times import Times

type Signer = Callable[[Request], Mapping[str, str]]
"""Returns the headers of a signed request."""

_TRIES = 3
_LONGEST_PAUSE_SECONDS = 10.0
_TOO_MANY = 429


def sigv4(region: str, credentials: Any = None, service: str = "execute-api") -> Signer:
    """Sign with SigV4 by botocore, which the extra `iam` installs.

    Args:
        region: the Region of the HTTP API.
        credentials: those of botocore; None for the ones that botocore finds, such as a role's.
        service: the name of the service in signatures.
    """
    from botocore.auth import SigV4Auth  # noqa: PLC0415  # optional
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.session import Session as BotocoreSession  # noqa: PLC0415

    chosen = BotocoreSession().get_credentials() if credentials is None else credentials
    if chosen is None:
        raise LoudhailerError("UNAUTHORIZED", "botocore finds no credentials", fatal=True)

    def sign(request: Request) -> Mapping[str, str]:
        unsigned = AWSRequest(request.method, request.url, data=request.body, headers=dict(request.headers))
        SigV4Auth(chosen, service, region).add_auth(unsigned)
        return dict(unsigned.headers.items())

    return sign


class Server:
    """The HTTP API of a deployment. Each method raises LoudhailerError.

    Args:
        url: its base.
        token: the bearer token of an API with `jwt`.
        signer: signs each request for an API with `iam`, as `sigv4` does.
        timeout: seconds that a request may take.
        fetch: carries out HTTP requests.
        pause: waits so many seconds before another try.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        signer: Signer | None = None,
        timeout: float = 30,
        fetch: Fetch = http.fetch,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._signer = signer
        self._timeout = timeout
        self._fetch = fetch
        self._pause = pause

    async def create_session(
        self,
        tenant_id: str,
        *,
        player_id: str | None = None,
        session_id: str | None = None,
        renew: bool = False,
        grants: Mapping[str, str] | None = None,
    ) -> Session:
        """Open a session, or with `renew` refresh that of a client that is connected.

        Args:
            tenant_id: the session's tenant.
            player_id: the player that it is bound to.
            session_id: its secret, to refresh it; made up if it is None.
            renew: the client is connected.
            grants: patterns of channels, with `s` to subscribe and `p` to publish.
        """
        chosen = str(uuid.uuid4()) if session_id is None else session_id
        query = {"tenantId": tenant_id, "sessionId": chosen, "playerId": player_id, "renew": "true" if renew else None}
        body = None if grants is None else {"grants": dict(grants)}
        answer, now = await self._call("PUT", "/session", query, body)
        match answer:
            case {"webSocketUrl": str(websocket_url), "Attributes": {"sessionTTL": int(expires)}}:
                return Session(tenant_id, chosen, websocket_url, self._url, expires - now)
            case _:
                raise _malformed(answer)

    async def end_session(self, tenant_id: str, session_id: str, *, player_id: str | None = None) -> None:
        """End a session, and close its connections."""
        query = {"tenantId": tenant_id, "sessionId": session_id, "playerId": player_id}
        await self._call("DELETE", "/session", query)

    async def publish(
        self,
        audience: Mapping[str, Any],
        message: object,
        *,
        broadcast_id: str | None = None,
        priority: str | None = None,
        deadline_seconds: int | None = None,
        supersedes: str | None = None,
    ) -> dict[str, Any]:
        """Send JSON to an audience, once: a request without an answer is repeated with the same id.

        Returns:
            `{broadcastId, expected, estimatedSeconds, priority, note?, offset?, epoch?}`.
        """
        optional = {"priority": priority, "deadlineSeconds": deadline_seconds, "supersedes": supersedes}
        body = {
            "audience": dict(audience),
            "message": message,
            "broadcastId": str(uuid.uuid4()) if broadcast_id is None else broadcast_id,
            **{name: value for name, value in optional.items() if value is not None},
        }
        answer = await self._repeated("/broadcast", body)
        if not isinstance(answer.get("broadcastId"), str):
            raise _malformed(answer)
        return answer

    async def publish_all(self, broadcasts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Send up to 100 broadcasts, each once; a refused one does not stop the others.

        Broadcasts to one channel are published in their order.

        Args:
            broadcasts: `{audience, message, broadcastId?, priority?, deadlineSeconds?, supersedes?}` each.

        Returns:
            `{status, body}` for each, in their order; `body` has what `publish` returns, or `error`. One with the
            status 503 can be published again under the `broadcastId` that was given for it.
        """
        body = {"broadcasts": [_with_id(one) for one in broadcasts]}
        answer = await self._repeated("/broadcasts", body)
        results = answer.get("results")
        if not isinstance(results, list) or len(results) != len(broadcasts):
            raise _malformed(answer)
        return results

    async def _repeated(self, path: str, body: object) -> dict[str, Any]:
        """Post a body whose broadcasts have ids; post it again if there is no answer."""
        attempt = 0
        while True:
            try:
                answer, _ = await self._call("POST", path, {}, body)
            except LoudhailerError as error:
                seconds = (error.retry_after or 0) + Times().backoff(attempt)
                is_last = attempt + 1 == _TRIES or seconds > _LONGEST_PAUSE_SECONDS
                if error.fatal or error.status == _TOO_MANY or is_last:
                    raise
                await self._pause(seconds)
                attempt += 1
            else:
                return answer

    async def report(self, broadcast_id: str) -> dict[str, Any]:
        """Return the report of a broadcast, as far as it is known by now: `{status, delivered, gone, failed, ...}`."""
        answer, _ = await self._call("GET", f"/broadcast/{quote(broadcast_id, safe='')}", {})
        if not isinstance(answer.get("status"), str):
            raise _malformed(answer)
        return answer

    async def _call(
        self, method: str, path: str, query: Mapping[str, str | None], body: object = None
    ) -> tuple[dict[str, Any], float]:
        """Return the answer, and the time of the service in epoch seconds."""
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self._url}{path}" + (f"?{urlencode(given, quote_via=quote)}" if given else "")
        text = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        headers = ({"content-type": "application/json"} if text else {}) | (
            {"authorization": f"Bearer {self._token}"} if self._token else {}
        )
        request = Request(method, url, headers, text)
        if self._signer is not None:
            # Credentials may be fetched over the network, by code that blocks.
            try:
                request = Request(method, url, await asyncio.to_thread(self._signer, request), text)
            except LoudhailerError:
                raise
            except Exception as error:
                raise LoudhailerError("UNAUTHORIZED", f"the request cannot be signed: {error}", fatal=True) from error
        response = await http.reached(request, self._fetch, self._timeout)
        return http.answer_of(response), _time_of(response)


def _time_of(response: Response) -> float:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()


def _with_id(broadcast: Mapping[str, Any]) -> dict[str, Any]:
    """A broadcast with an id of its own if it has none, so that a repetition is the same one."""
    given = {name: value for name, value in broadcast.items() if value is not None or name == "message"}
    return {"broadcastId": str(uuid.uuid4()), **given}


def _malformed(answer: object) -> LoudhailerError:
    text = json.dumps(answer)[:200]
    return LoudhailerError("MALFORMED_ANSWER", f"not an answer of the service: {text}", fatal=True)

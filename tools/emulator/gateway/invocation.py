"""Invokes Lambda functions through the Lambda API, without blocking.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tools.emulator.gateway.api import FunctionRef
from tools.emulator.gateway.counters import Counters

# Shorter than the servers' own (5 s is common), so that no request is written to a socket that is just being closed.
_KEEPALIVE_SECONDS = 2.0


class InvocationStatus(Enum):
    """End of an invocation."""

    RETURNED = "returned"
    FAILED = "failed"  # the function raised, or ended without an answer
    THROTTLED = "throttled"
    TIMED_OUT = "timed_out"
    UNAVAILABLE = "unavailable"  # the function or the Lambda API is not there


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation's outcome. `payload` is what the function returned, or its error; `size` its bytes."""

    status: InvocationStatus
    payload: Any = None
    size: int = 0


class Invoker(Protocol):
    """Invokes functions."""

    async def invoke(self, function: FunctionRef, event: dict[str, Any], timeout_seconds: float) -> Invocation:
        """Invoke and wait, at most `timeout_seconds`."""


class LambdaInvoker:
    """Calls functions as their own account; locally an access key is its account's id."""

    def __init__(self, endpoint: str, secret: str, concurrency: int, counters: Counters) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._secret = secret
        self._counters = counters
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=_KEEPALIVE_SECONDS)
        )

    async def invoke(self, function: FunctionRef, event: dict[str, Any], timeout_seconds: float) -> Invocation:
        """Invoke and wait, at most `timeout_seconds`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                invocation = await self._post(function, json.dumps(event).encode())
        except TimeoutError:
            invocation = Invocation(InvocationStatus.TIMED_OUT)
        except (aiohttp.ClientError, OSError) as error:
            invocation = Invocation(InvocationStatus.UNAVAILABLE, repr(error))
        self._counters.invocations[invocation.status.value] += 1
        return invocation

    async def close(self) -> None:
        """Drop the connections to the Lambda API."""
        await self._session.close()

    async def _post(self, function: FunctionRef, body: bytes) -> Invocation:
        url = f"{self._endpoint}/2015-03-31/functions/{quote(function.name)}/invocations"
        if function.qualifier:
            url += f"?Qualifier={quote(function.qualifier, safe='')}"
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        SigV4Auth(Credentials(function.account, self._secret), "lambda", function.region).add_auth(request)
        async with self._session.post(url, data=body, headers=dict(request.headers.items())) as answer:
            content = await answer.read()
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                return Invocation(InvocationStatus.THROTTLED)
            if answer.status != HTTPStatus.OK:
                return Invocation(InvocationStatus.UNAVAILABLE, content.decode(errors="replace"))
            failed = "X-Amz-Function-Error" in answer.headers
        try:
            payload = json.loads(content) if content else None
        except ValueError:
            return Invocation(InvocationStatus.FAILED, content.decode(errors="replace"))
        return Invocation(InvocationStatus.FAILED if failed else InvocationStatus.RETURNED, payload, len(content))

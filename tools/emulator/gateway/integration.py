"""Integrations that answer routes. Kinds are apigatewayv2's integration types; another one is another entry here."""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from tools.emulator.gateway.api import FunctionRef, Integration
from tools.emulator.gateway.events import GatewayEvent
from tools.emulator.gateway.invocation import Invocation, InvocationStatus, Invoker

TOGETHER = 10
"""Events that are handed over together at most: entries of one SendMessageBatch."""

INTERNAL_SERVER_ERROR = "Internal server error"
TIMED_OUT = "Endpoint request timed out"


@dataclass(frozen=True, slots=True)
class Reply:
    """An integration's answer: a status, and what may go back to the client."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegrationFailure:
    """An integration that did not answer.

    `message` is what API Gateway tells the client, `cause` is for the log; `again` when it was not even called, so that
    another try is worth it.
    """

    status: int
    message: str
    cause: str
    again: bool = False


class IntegrationKind(Protocol):
    """Call of integrations of one type."""

    async def call(
        self, integration: Integration, event: GatewayEvent, timeout_seconds: float
    ) -> Reply | IntegrationFailure:
        """Hand the event to the integration."""

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
    ) -> Sequence[Reply | IntegrationFailure]:
        """Hand events to the integration that nobody waits for; the answer to each."""


class LambdaProxy:
    """`AWS_PROXY`: the whole event goes to a function, which returns status, headers and body.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-integrations.html
    """

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    async def call(
        self, integration: Integration, event: GatewayEvent, timeout_seconds: float
    ) -> Reply | IntegrationFailure:
        """Invoke the integration's function."""
        function = FunctionRef.parse(integration.uri)
        return read_proxy_answer(await self._invoker.invoke(function, event, timeout_seconds))

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
    ) -> Sequence[Reply | IntegrationFailure]:
        """Invoke the integration's function for each event, side by side."""
        return await asyncio.gather(*(self.call(integration, event, timeout_seconds) for event in events))


class Integrations:
    """All kinds by IntegrationType."""

    def __init__(self, kinds: Mapping[str, IntegrationKind], timeout_seconds: float) -> None:
        self._kinds = kinds
        self._timeout_seconds = timeout_seconds

    async def call(self, integration: Integration, event: GatewayEvent) -> Reply | IntegrationFailure:
        """Hand the event to whatever answers this integration's kind."""
        kind = self._kinds.get(integration.kind)
        if kind is None:
            return _not_served(integration)
        return await kind.call(integration, event, self._timeout(integration))

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent]
    ) -> Sequence[Reply | IntegrationFailure]:
        """Hand up to `TOGETHER` events to whatever answers this integration's kind; the answer to each."""
        kind = self._kinds.get(integration.kind)
        if kind is None:
            return [_not_served(integration)] * len(events)
        return await kind.call_together(integration, events, self._timeout(integration))

    def _timeout(self, integration: Integration) -> float:
        return min(integration.timeout_seconds, self._timeout_seconds)


def _not_served(integration: Integration) -> IntegrationFailure:
    cause = f"integrations of type {integration.kind} are not served"
    return IntegrationFailure(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR, cause)


def read_proxy_answer(invocation: Invocation) -> Reply | IntegrationFailure:
    """Read a proxy function's answer as API Gateway does: an error or a malformed answer is a 502."""
    match invocation.status:
        case InvocationStatus.RETURNED:
            return _read_proxy_payload(invocation.payload)
        case InvocationStatus.FAILED:
            return IntegrationFailure(
                HTTPStatus.BAD_GATEWAY, INTERNAL_SERVER_ERROR, f"the function failed: {invocation.payload}"
            )
        case InvocationStatus.TIMED_OUT:
            return IntegrationFailure(HTTPStatus.GATEWAY_TIMEOUT, TIMED_OUT, "the function timed out")
        case InvocationStatus.THROTTLED:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return IntegrationFailure(status, INTERNAL_SERVER_ERROR, "the function is throttled", again=True)
        case InvocationStatus.UNAVAILABLE:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return IntegrationFailure(
                status, INTERNAL_SERVER_ERROR, f"the function is unavailable: {invocation.payload}", again=True
            )


def _read_proxy_payload(payload: Any) -> Reply | IntegrationFailure:
    malformed = IntegrationFailure(HTTPStatus.BAD_GATEWAY, INTERNAL_SERVER_ERROR, "malformed Lambda proxy response")
    if not isinstance(payload, dict):
        return malformed
    body, headers = payload.get("body"), payload.get("headers")
    try:
        status = int(payload["statusCode"])
        text = "" if body is None else body
        if payload.get("isBase64Encoded"):
            text = base64.b64decode(text, validate=True).decode()
    except (KeyError, TypeError, ValueError, binascii.Error):
        return malformed
    if not isinstance(text, str) or not isinstance(headers, dict | None) or not 100 <= status <= 599:
        return malformed
    return Reply(status, text, {str(name): str(value) for name, value in (headers or {}).items()})

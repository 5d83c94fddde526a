"""The `@connections` commands: post to a connection, look at it, close it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html and,
for the errors, https://docs.aws.amazon.com/apigatewaymanagementapi/latest/reference/API_PostToConnection.html
"""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

from tools.emulator.gateway.api import DeployedStage, Directory
from tools.emulator.gateway.callers import Callers
from tools.emulator.gateway.connection import Connections, OpenConnection
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.faults import FaultInjector, PostFault
from tools.emulator.gateway.http1 import Request, error_response, json_response, response
from tools.emulator.gateway.limits import AccountBuckets, CloseCode, Limits

SEGMENTS = (b"@connections", b"%40connections")

# Ready-made, because a post must cost little.
_OK = response(HTTPStatus.OK)
_DELETED = response(HTTPStatus.NO_CONTENT)
_MISSING_TOKEN = error_response(
    HTTPStatus.FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token"
)
_FORBIDDEN = error_response(
    HTTPStatus.FORBIDDEN, "ForbiddenException", "The caller is not authorized to invoke this operation."
)
_GONE = error_response(HTTPStatus.GONE, "GoneException", "The connection with the provided id no longer exists.")
_LIMIT_EXCEEDED = error_response(
    HTTPStatus.TOO_MANY_REQUESTS,
    "LimitExceededException",
    "The client is sending more than the allowed number of requests per unit of time"
    " or the WebSocket client side buffer is full.",
)
_TOO_LARGE = error_response(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "PayloadTooLargeException",
    "The data has exceeded the maximum size allowed.",
)
_INTERNAL_ERROR = error_response(
    HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerErrorException", "Internal server error"
)


class Requester(Protocol):
    """The client that sent the request and waits for its answer."""

    def respond(self, answer: bytes) -> None:
        """Send the answer."""

    def reset(self) -> None:
        """Drop the socket instead."""

    def wait_for(self, work: Coroutine[None, None, None]) -> None:
        """Let a coroutine answer."""


class Management:
    """Answers the commands of all APIs."""

    def __init__(
        self,
        *,
        limits: Limits,
        faults: FaultInjector,
        counters: Counters,
        directory: Directory,
        connections: Connections,
        requests: AccountBuckets,
        callers: Callers,
    ) -> None:
        self._limits = limits
        self._faults = faults
        self._posts = counters.posts
        self._counters = counters
        self._directory = directory
        self._connections = connections
        self._requests = requests
        self._callers = callers

    def handle(self, request: Request, client: Requester) -> None:
        """Answer `/<api>/<stage>/@connections/<id>`, now or when what is missing has been looked up."""
        latency = self._faults.current.latency_ms
        if latency and request.method == b"POST":
            asyncio.get_running_loop().call_later(latency / 1_000, self._admit, request, client)
        else:
            self._admit(request, client)

    def _admit(self, request: Request, client: Requester) -> None:
        """Find the deployment and the caller; answer at once if both are known."""
        _, api_id, stage, _, quoted_id = request.target.decode("latin-1").split("/", 4)
        if b"authorization" not in request.headers:
            self._respond(request, client, HTTPStatus.FORBIDDEN, _MISSING_TOKEN)
            return
        deployment = self._directory.find(api_id, stage)
        account = self._callers.known(request)
        if deployment is None or account is None:
            client.wait_for(self._look_up(request, client))
        else:
            self._authorize(request, client, deployment, account, quoted_id)

    async def _look_up(self, request: Request, client: Requester) -> None:
        _, api_id, stage, _, quoted_id = request.target.decode("latin-1").split("/", 4)
        deployment = await self._directory.resolve(api_id, stage)
        account = await self._callers.resolve(request)
        self._authorize(request, client, deployment, account, quoted_id)

    def _authorize(
        self, request: Request, client: Requester, deployment: DeployedStage | None, account: str, quoted_id: str
    ) -> None:
        if deployment is None or account != deployment.api.account:
            self._respond(request, client, HTTPStatus.FORBIDDEN, _FORBIDDEN)
        elif not self._requests.take(account):
            self._respond(request, client, HTTPStatus.TOO_MANY_REQUESTS, _LIMIT_EXCEEDED)
        else:
            connection_id = unquote(quoted_id)
            connection = self._connections.find_open(connection_id, deployment.key)
            if request.method == b"POST":
                self._post(request, client, connection)
            elif connection is None:
                client.respond(_GONE)
            elif request.method == b"GET":
                client.respond(_describe(connection))
            elif request.method == b"DELETE":
                connection.close(CloseCode.NORMAL, "Connection Closed Normally")
                client.respond(_DELETED)
            else:
                client.respond(_FORBIDDEN)

    def _post(self, request: Request, client: Requester, connection: OpenConnection | None) -> None:
        fault = self._faults.draw_post_fault() if self._faults.posts_are_faulty else None
        if fault is PostFault.THROTTLE:
            self._respond(request, client, HTTPStatus.TOO_MANY_REQUESTS, _LIMIT_EXCEEDED)
        elif fault is PostFault.ERROR:
            self._respond(request, client, HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_ERROR)
        elif fault is PostFault.RESET:
            self._reset(client)
        elif len(request.body) > self._limits.message_bytes:
            self._respond(request, client, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        elif connection is None:
            self._respond(request, client, HTTPStatus.GONE, _GONE)
        elif not connection.deliver(request.body):
            self._respond(request, client, HTTPStatus.TOO_MANY_REQUESTS, _LIMIT_EXCEEDED)
        else:
            self._counters.frames_sent += 1
            if fault is PostFault.LOST_RESPONSE:
                self._reset(client)
            else:
                self._respond(request, client, HTTPStatus.OK, _OK)

    def _respond(self, request: Request, client: Requester, status: int, answer: bytes) -> None:
        if request.method == b"POST":
            self._posts[status] += 1
        client.respond(answer)

    def _reset(self, client: Requester) -> None:
        self._counters.posts_reset += 1
        client.reset()


def _describe(connection: OpenConnection) -> bytes:
    """GetConnection's answer."""
    identity = {"sourceIp": connection.handshake.source_ip}
    if user_agent := connection.handshake.header("User-Agent"):
        identity["userAgent"] = user_agent
    return json_response(
        HTTPStatus.OK,
        {
            "connectedAt": _timestamp(connection.connected_at),
            "lastActiveAt": _timestamp(connection.last_active_at),
            "identity": identity,
        },
    )


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

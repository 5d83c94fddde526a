"""The gateway's socket server: HTTP/1.1 with keep-alive until a client upgrades to a WebSocket, frames after that."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self, cast
from urllib.parse import unquote

from tools.emulator.gateway import control, management
from tools.emulator.gateway.api import LOG, ApiSource, Directory
from tools.emulator.gateway.authorization import AuthorizationRefusal
from tools.emulator.gateway.callers import Callers, RootKeys, SigningKeys
from tools.emulator.gateway.connection import Connections, OpenConnection
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.faults import FaultInjector, Faults
from tools.emulator.gateway.frames import accept_key
from tools.emulator.gateway.handshake import Handshake
from tools.emulator.gateway.http1 import WEBSOCKET_VERSION, BadRequest, Request, RequestReader, error_response, response
from tools.emulator.gateway.integration import INTERNAL_SERVER_ERROR, IntegrationKind, Integrations, LambdaProxy, Reply
from tools.emulator.gateway.invocation import LambdaInvoker
from tools.emulator.gateway.lifecycle import Accepted, Lifecycle
from tools.emulator.gateway.limits import AccountBuckets, CloseCode, Limits
from tools.emulator.gateway.mock import MockIntegration
from tools.emulator.gateway.service import ServiceIntegration, StsRoleSessions
from tools.emulator.perimeter.pages import PageFilter
from tools.emulator.perimeter.signature import ADMINISTRATION

_HOST = "127.0.0.1"
_BACKLOG = 4_096
_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that answer the requests of a protocol, and the filter that requests pass first."""

    pages: PageFilter
    lifecycle: Lifecycle
    management: management.Management
    control: control.Control
    counters: Counters


class ClientProtocol(asyncio.Protocol):
    """One TCP connection. Requests on it are answered one after the other, in order."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._requests = RequestReader()
        self._connection: OpenConnection | None = None
        self._busy = False
        self._serving = False
        self._keeps_alive = True
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Frames once there is a connection, requests before."""
        if self._connection is not None:
            self._connection.receive(data)
            return
        self._requests.feed(data)
        self._serve()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the connection, if there is one."""
        if self._connection is not None:
            self._connection.lose()

    def respond(self, answer: bytes) -> None:
        """Answer the current request, and continue with the next."""
        self._busy = False
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if not self._keeps_alive:
            self._transport.close()
        elif not self._serving:
            self._serve()

    def reset(self) -> None:
        """Drop the socket."""
        self._transport.abort()

    def wait_for(self, work: Coroutine[None, None, None]) -> None:
        """Let a coroutine answer; should it fail, the answer is a 500."""
        self._task = asyncio.get_running_loop().create_task(self._guard(work))

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - whatever went wrong, the client must get an answer
            LOG.exception("a request could not be handled")
            self._keeps_alive = False
            self.respond(
                error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerErrorException", INTERNAL_SERVER_ERROR)
            )

    def _serve(self) -> None:
        self._serving = True
        try:
            while not self._busy and (request := self._requests.next()) is not None:
                self._busy = True
                self._keeps_alive = request.keeps_alive
                self._dispatch(request)
        except BadRequest as error:
            self._keeps_alive = False
            self.respond(error_response(error.status, "BadRequestException", str(error)))
        finally:
            self._serving = False

    def _dispatch(self, request: Request) -> None:
        segments = request.target.split(b"/", 4)
        is_command = len(segments) == 5 and segments[3] in management.SEGMENTS
        is_order = request.target.startswith(control.PREFIX)
        # A page of any origin may open a WebSocket, as with API Gateway; an authorizer decides about the origin.
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-control-access.html
        pages = self._parts.pages
        refusal = pages.host_refusal(request.headers)
        if refusal is None and (is_command or is_order):
            refusal = pages.page_refusal(request.headers)
        if refusal is not None:
            self._refuse(HTTPStatus.FORBIDDEN, error_response(HTTPStatus.FORBIDDEN, "ForbiddenException", refusal))
        elif is_command:
            self._parts.management.handle(request, self)
        elif is_order:
            self.wait_for(self._control(request))
        elif request.wants_websocket and (fault := request.handshake_fault) is not None:
            headers = [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", WEBSOCKET_VERSION)]
            self._refuse(fault, response(fault, headers, fault.phrase.encode()))
        elif request.wants_websocket:
            self.wait_for(self._upgrade(request))
        else:
            self.respond(error_response(HTTPStatus.UPGRADE_REQUIRED, "BadRequestException", "Upgrade Required"))

    async def _control(self, request: Request) -> None:
        self.respond(await self._parts.control.handle(request))

    async def _upgrade(self, request: Request) -> None:
        path, _, query = request.target.decode("latin-1").partition("?")
        api_id, _, stage = unquote(path).strip("/").partition("/")
        peer, port = self._transport.get_extra_info("peername")[0], self._transport.get_extra_info("sockname")[1]
        handshake = Handshake.read(request.raw_headers(), query, peer, port)
        decision = await self._parts.lifecycle.connect(api_id, stage, handshake)
        match decision:
            case Accepted(connection, subprotocol):
                self._accept(connection, request, subprotocol)
            case Reply(status, body):
                self._refuse(status, response(status, [("Content-Type", "text/plain")], body.encode()))
            case AuthorizationRefusal(status, error_type, message):
                self._refuse(status, error_response(status, error_type, message))

    def _accept(self, connection: OpenConnection, request: Request, subprotocol: str | None) -> None:
        self._parts.counters.handshakes[HTTPStatus.SWITCHING_PROTOCOLS] += 1
        if self._transport.is_closing():
            connection.lose()  # the client did not wait, but `$connect` has run: `$disconnect` follows
            return
        accepted = accept_key(request.headers[b"sec-websocket-key"]).decode()
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accepted)]
        if subprotocol:
            headers.append(("Sec-WebSocket-Protocol", subprotocol))
        self._transport.write(response(HTTPStatus.SWITCHING_PROTOCOLS, headers))
        self._connection = connection
        connection.open(self._transport)
        if early := self._requests.rest():
            connection.receive(early)

    def _refuse(self, status: int, answer: bytes) -> None:
        self._parts.counters.handshakes[status] += 1
        self._keeps_alive = False
        self.respond(answer)


class Gateway:
    """A running gateway; an asynchronous context manager that serves from entry to exit."""

    def __init__(
        self,
        *,
        source: ApiSource,
        signing_keys: SigningKeys,
        aws_endpoint: str,
        secret: str,
        limits: Limits,
        faults: Faults,
        port: int = 0,
        drain_seconds: float = 2.0,
    ) -> None:
        self._source = source
        self._signing_keys = signing_keys
        self._aws_endpoint = aws_endpoint
        self._secret = secret
        self._limits = limits
        self._faults = faults
        self._port = port
        self._drain_seconds = drain_seconds

    @property
    def port(self) -> int:
        """The port that is served."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        """Read the APIs and serve."""
        limits, counters, faults, clock = self._limits, Counters(), FaultInjector(self._faults), time.monotonic
        directory = Directory(self._source, clock)
        await directory.reload()
        self._connections = Connections()
        self._invoker = LambdaInvoker(self._aws_endpoint, self._secret, limits.invocations, counters)
        requests = AccountBuckets(limits.rate, limits.burst, clock)
        roles = StsRoleSessions(self._aws_endpoint, self._secret)
        self._services = ServiceIntegration(self._aws_endpoint, roles, limits.invocations)
        kinds: dict[str, IntegrationKind] = {
            "AWS_PROXY": LambdaProxy(self._invoker),
            "AWS": self._services,
            "MOCK": MockIntegration(),
        }
        integrations = Integrations(kinds, limits.integration_seconds)
        self._lifecycle = Lifecycle(
            limits=limits,
            faults=faults,
            counters=counters,
            directory=directory,
            connections=self._connections,
            requests=requests,
            invoker=self._invoker,
            integrations=integrations,
            clock=clock,
        )
        commands = management.Management(
            limits=limits,
            faults=faults,
            counters=counters,
            directory=directory,
            connections=self._connections,
            requests=requests,
            callers=Callers(self._signing_keys),
        )
        orders = control.Control(
            Callers(RootKeys(self._secret), ADMINISTRATION), faults, counters, directory, self._connections
        )
        listener = socket.create_server((_HOST, self._port), backlog=_BACKLOG)
        pages = PageFilter(listener.getsockname()[1])
        parts = Parts(pages, self._lifecycle, commands, orders, counters)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ClientProtocol(parts), sock=listener, backlog=_BACKLOG)
        self._sweeper = loop.create_task(self._sweep())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Take no more clients, close the connections with 1001, and give their events a moment."""
        self._server.close()
        self._sweeper.cancel()
        for connection in self._connections:
            connection.close(CloseCode.GOING_AWAY, "Going away")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._lifecycle.drain(), self._drain_seconds)
        await self._lifecycle.stop()
        await self._invoker.close()
        await self._services.close()

    async def _sweep(self) -> None:
        pause = min(_SWEEP_SECONDS, self._limits.idle_seconds / 10, self._limits.connection_seconds / 10)
        while True:
            await asyncio.sleep(pause)
            self._lifecycle.sweep(time.time())

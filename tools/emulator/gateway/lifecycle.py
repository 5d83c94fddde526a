"""Steps of a connection's life: authorizer and `$connect`, a route for each message, `$disconnect`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

import asyncio
import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from http import HTTPStatus

from tools.emulator.gateway.api import CONNECT, DISCONNECT, LOG, DeployedStage, Directory, Integration, Route
from tools.emulator.gateway.authorization import (
    UNAUTHORIZED,
    AuthorizationRefusal,
    identity_is_complete,
    read_authorizer_answer,
)
from tools.emulator.gateway.connection import Connections, OpenConnection
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.ends import ClosedConnection, Ends
from tools.emulator.gateway.events import authorizer_event, connect_event, message_event
from tools.emulator.gateway.faults import FaultInjector
from tools.emulator.gateway.handshake import Handshake, new_id
from tools.emulator.gateway.integration import IntegrationFailure, Integrations, Reply
from tools.emulator.gateway.invocation import Invoker
from tools.emulator.gateway.limits import AccountBuckets, Clock, CloseCode, Limits
from tools.emulator.gateway.turns import Turns

FORBIDDEN = AuthorizationRefusal(HTTPStatus.FORBIDDEN, "ForbiddenException", "Forbidden")
TOO_MANY_REQUESTS = AuthorizationRefusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Too Many Requests")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A handshake that may be answered with 101."""

    connection: OpenConnection
    subprotocol: str | None


class Lifecycle:
    """Leads connections through their life."""

    def __init__(
        self,
        *,
        limits: Limits,
        faults: FaultInjector,
        counters: Counters,
        directory: Directory,
        connections: Connections,
        requests: AccountBuckets,
        invoker: Invoker,
        integrations: Integrations,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._faults = faults
        self._counters = counters
        self._directory = directory
        self._connections = connections
        self._requests = requests
        self._connects = AccountBuckets(limits.connect_rate, limits.connect_burst, clock)
        self._invoker = invoker
        self._integrations = integrations
        self._ends = Ends(integrations, counters, self._start)
        self._turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._stopped = False

    async def connect(self, api_id: str, stage: str, handshake: Handshake) -> Accepted | Reply | AuthorizationRefusal:
        """Decide on a handshake: `Accepted`, a `Reply` with the status that `$connect` gave instead, or a `Refusal`."""
        deployment = await self._directory.resolve(api_id, stage)
        if deployment is None:
            return FORBIDDEN
        if self._faults.current.skip_connect:
            unasked = self._connection(deployment, handshake)
            self._connections.add(unasked)
            return Accepted(unasked, None)
        route = deployment.api.routes.get(CONNECT, Route(CONNECT))
        if not self._connects.take(deployment.api.account) or not deployment.admits(CONNECT):
            return TOO_MANY_REQUESTS
        connection = self._connection(deployment, handshake)
        self._connections.add(connection)
        decision: Accepted | Reply | AuthorizationRefusal | None = None
        try:
            refusal = await self._authorize(connection, route)
            decision = refusal or await self._call_connect(connection, route)
        finally:
            if not isinstance(decision, Accepted):
                connection.refuse()
                self._connections.discard(connection)
        if isinstance(decision, AuthorizationRefusal) and decision.cause:
            LOG.warning("%s of %s: %s", CONNECT, deployment.key, decision.cause)
        return decision

    def sweep(self, now: float) -> None:
        """Close connections that are idle or too old."""
        for connection in self._connections:
            if now - connection.connected_at >= self._limits.connection_seconds:
                connection.close(CloseCode.GOING_AWAY, "Connection duration exceeded")
            elif now - connection.last_active_at >= self._limits.idle_seconds:
                connection.close(CloseCode.GOING_AWAY, "Going away")

    async def drain(self) -> None:
        """Wait for every connection to end and every event to be delivered."""
        self._look_for_quiet()
        await self._quiet.wait()

    async def stop(self) -> None:
        """Drop all remaining connections and events."""
        self._stopped = True
        for connection in self._connections:
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connection(self, deployment: DeployedStage, handshake: Handshake) -> OpenConnection:
        return OpenConnection(deployment, handshake, self._limits, self._receive, self._end, later=self._turns.add)

    async def _authorize(self, connection: OpenConnection, route: Route) -> AuthorizationRefusal | None:
        if route.authorization == "NONE":
            return None
        if route.authorization != "CUSTOM" or route.authorizer is None:
            return AuthorizationRefusal(
                FORBIDDEN.status, FORBIDDEN.error_type, FORBIDDEN.message, "only CUSTOM is served"
            )
        event = authorizer_event(connection, time.time())
        if not identity_is_complete(route.authorizer, event):
            return UNAUTHORIZED
        timeout = self._limits.integration_seconds
        invocation = await self._invoker.invoke(route.authorizer.function, event, timeout)
        answer = read_authorizer_answer(connection, invocation)
        if isinstance(answer, AuthorizationRefusal):
            return answer
        connection.authorizer = answer
        return None

    async def _call_connect(self, connection: OpenConnection, route: Route) -> Accepted | Reply | AuthorizationRefusal:
        reply: Reply | IntegrationFailure = Reply(HTTPStatus.OK)
        if route.integration is not None:
            reply = await self._integrations.call(route.integration, connect_event(connection, time.time()))
        if self._faults.current.connect_delay_ms:
            await asyncio.sleep(self._faults.current.connect_delay_ms / 1_000)
        if isinstance(reply, IntegrationFailure):
            return AuthorizationRefusal(reply.status, "InternalServerErrorException", reply.message, reply.cause)
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            # The body is passed on only through a response of the route, and `$connect` has none:
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html
            return Reply(reply.status)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Accepted(connection, headers.get("sec-websocket-protocol"))

    def _receive(self, connection: OpenConnection, text: str) -> None:
        """Take a message: throttle it, or find its route and call that in the background."""
        self._counters.frames_received += 1
        deployment = self._directory.current(connection.deployment)
        route = deployment.route_of(text)
        if not self._requests.take(deployment.api.account) or not (route is None or deployment.admits(route.key)):
            self._counters.frames_throttled += 1
            self._tell(connection, "Too Many Requests", new_id())
        elif route is None:
            self._tell(connection, "Forbidden", new_id())
        elif route.integration is not None:
            connection.waiting.append((route, route.integration, text))
            self._work_on(connection)

    def _work_on(self, connection: OpenConnection) -> None:
        """Call the routes of waiting messages, side by side, as AWS promises no order; more wait in the socket."""
        while connection.waiting and connection.in_flight < self._limits.frames_in_flight and not self._stopped:
            connection.in_flight += 1
            self._start(self._call_route(connection, *connection.waiting.popleft()))
        connection.hold(held=bool(connection.waiting))

    async def _call_route(self, connection: OpenConnection, route: Route, integration: Integration, text: str) -> None:
        if self._faults.current.frame_delay_ms:
            await asyncio.sleep(self._faults.draw_frame_delay())
        request_id = new_id()
        event = message_event(connection, route.key, text, request_id, time.time())
        try:
            reply = await self._integrations.call(integration, event)
        finally:
            connection.in_flight -= 1
            self._work_on(connection)
        if isinstance(reply, IntegrationFailure):
            LOG.warning("%s of %s: %s", route.key, connection.deployment.key, reply.cause)
            self._tell(connection, reply.message, request_id)
        elif route.answers and reply.body:
            self._send(connection, reply.body)
        elif self._faults.current.empty_frames:
            self._send(connection, "")

    def _tell(self, connection: OpenConnection, message: str, request_id: str) -> None:
        """An error of the gateway itself, in the form API Gateway gives it."""
        content = {"message": message, "connectionId": connection.connection_id, "requestId": request_id}
        self._send(connection, json.dumps(content))

    def _send(self, connection: OpenConnection, text: str) -> None:
        found = self._connections.find_open(connection.connection_id, connection.deployment.key)
        if found and found.deliver(text.encode()):
            self._counters.frames_sent += 1

    def _end(self, connection: OpenConnection) -> None:
        """The connection is over: forget it and say so to `$disconnect`, as well as that can be done."""
        self._connections.discard(connection)
        self._counters.close_codes[connection.ended[0]] += 1
        route = self._directory.current(connection.deployment).api.routes.get(DISCONNECT)
        if route is not None and route.integration is not None:
            if self._stopped or self._faults.drops_disconnect():
                self._counters.disconnects_dropped += 1
            else:
                with_authorizer = not self._faults.current.drop_authorizer_context
                self._ends.tell(ClosedConnection(connection, route.integration, time.time(), with_authorizer))
        self._look_for_quiet()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._look_for_quiet()

    def _look_for_quiet(self) -> None:
        """Quiet is when there is no connection and nothing left to deliver."""
        if self._connections or self._tasks:
            self._quiet.clear()
        else:
            self._quiet.set()

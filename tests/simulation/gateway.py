"""API Gateway: handshakes, frames, and what is posted to connections.

A connection is open from the end of its handshake until its client, a function or its time ends it. Before and after
that a post is answered 410. `$disconnect` puts the key of its row into a queue, if it is not lost.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, override

from loudhailer.delivery.outcome import BY_STATUS, Outcome
from loudhailer.delivery.sender import OrderedSender, Sender
from loudhailer.delivery.throttling import FEW_TRIES
from loudhailer.ids import ConnectionId
from tests.simulation import faults

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

ENDPOINT = "https://cell.test/live"

LONGEST_SECONDS = 7_200.0
"""Seconds for which API Gateway lets a connection live."""

_ARN = "arn:aws:execute-api:eu-west-1:111111111111:cell/live/$connect"
_POST_FAULTS = (
    faults.KILLED_BEFORE,
    faults.POST_FAILS,
    faults.POST_LOST,
    faults.SLOW_CALL,
    faults.KILLED_AFTER,
    faults.ACCOUNT_THROTTLED,
    faults.CLIENT_SLOW,
)

MOVED = "has moved"
"""Why a client closes its former connection."""

type ClientState = Literal["connecting", "open", "closed"]


_FUNCTIONS = {
    "joinroom": "join_room",
    "sendmessage": "send_message",
    "publish": "publish_frame",
    "subscribe": "subscribe",
    "unsubscribe": "subscribe",
}
"""The functions behind the routes; all others go to the default route."""


@dataclass
class SimulatedClient:
    """A client and its connection.

    Attributes:
        number: its number in the plan.
        tenant: the tenant's id.
        session: the session's id, as clients have it.
        player: the player that it says it is.
        connection: the connection's id.
        state: how far the connection has come.
        context: the authorizer's context of the connection.
        opened_at: when the handshake was over.
        closed_at: when the connection ended.
        closed_by: why it ended.
        received: the frames that it got, with the times.
        slow_until: until when it does not read.
        reads: what it does with a frame.
    """

    number: int
    tenant: str
    session: str
    player: str | None
    connection: ConnectionId
    state: ClientState = "connecting"
    context: Mapping[str, str] = field(default_factory=dict)
    opened_at: float = 0.0
    closed_at: float = float("inf")
    closed_by: str = ""
    received: list[tuple[float, str]] = field(default_factory=list)
    slow_until: float = 0.0
    reads: Callable[[str], None] = lambda _: None

    @property
    def is_closed(self) -> bool:
        """True if it has no connection any more."""
        return self.state == "closed"

    def __str__(self) -> str:
        return f"client {self.number}"


class SimulatedGateway:
    """All connections; `throttled_seconds` is how long the account's quota may be used up, one of these each time."""

    throttled_seconds: Sequence[float] = (0.5, 3.0, 30.0)

    def __init__(self, system: "SimulatedSystem") -> None:
        self.clients: dict[ConnectionId, SimulatedClient] = {}
        self.throttled_until = 0.0
        self._system = system
        self._requests = 0

    def connect(self, client: SimulatedClient) -> None:
        """Carry out a handshake, in a task of its own."""
        system = self._system
        self.clients[client.connection] = client
        if system.scheduler.now < system.lost_until:
            self._refuse(client, f"{system.name}, which is lost")
            return
        if system.dice.strikes(faults.GOES_EARLY):
            system.scheduler.after(system.scheduler.random.random() * 0.3, lambda: self.close(client, "goes early"))
        system.scheduler.start(lambda: self._handshake(client))

    def _handshake(self, client: SimulatedClient) -> None:
        system = self._system
        query = {"tenantId": client.tenant, "sessionId": client.session}
        if client.player is not None:
            query["playerId"] = client.player
        policy = system.answer_of("authorizer", {"queryStringParameters": query, "methodArn": _ARN})
        allowed = policy is not None and policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        if not allowed or client.is_closed:
            self._refuse(client, "the authorizer")
            return
        client.context = {name: str(value) for name, value in policy["context"].items()}
        slow = system.scheduler.random.choice((1.0, 3.0, 8.0)) if system.dice.strikes(faults.SLOW_CALL) else 0.0
        system.scheduler.sleep(system.latency() + slow)
        answer = system.answer_of("connect", {"requestContext": self._request(client)})
        system.scheduler.sleep(system.latency())
        if answer is None or answer["statusCode"] != 200 or client.is_closed:
            self._refuse(client, "connect")
            return
        client.state, client.opened_at = "open", system.scheduler.now
        system.say(f"{client} is connected as {client.connection}")
        system.watch.opened(client)
        system.scheduler.after(LONGEST_SECONDS, lambda: self.close(client, "has been connected for two hours"))

    def _refuse(self, client: SimulatedClient, by: str) -> None:
        if client.state != "closed":
            self._system.say(f"{client} is not let in by {by}")
            client.state, client.closed_at = "closed", self._system.scheduler.now

    def close(self, client: SimulatedClient, why: str) -> None:
        """End a connection; API Gateway tells of it, as well as it can."""
        if client.state == "closed":
            return
        system = self._system
        now = system.scheduler.now
        system.say(f"{client} {why}")
        client.state, client.closed_at, client.closed_by = "closed", now, why
        if "partition" in client.context and not system.dice.strikes(faults.NO_DISCONNECT):
            system.queues["disconnect"].put(f"{client.context['partition']} {client.connection}")

    def frame(self, client: SimulatedClient, frame: Mapping[str, Any]) -> None:
        """Take a frame of a client, in a task of its own."""
        if client.state != "open":
            return
        self._system.say(f"{client} sends {json.dumps(frame)}")
        self._system.watch.sent(client, frame)
        if frame["action"] in {"SiloSQS", "PooledSQS"}:
            self._queue(client, frame)
        else:
            self._system.scheduler.start(lambda: self._route(client, frame))

    def _queue(self, client: SimulatedClient, frame: Mapping[str, Any]) -> None:
        request = self._request(client)
        names = (
            *("tenantId", "sessionId", "sessionPerMinute", "tenantPerMinute", "connectionsPerSession"),
            *("sessionTTL", "tenantConnections", "messagesPerMinute"),
        )
        attributes = {name: client.context[name] for name in names}
        self._system.queues["pool"].put(
            json.dumps(frame),
            group=f"{client.context['tenantId']}:{client.context['sessionId']}",
            deduplication=request["requestId"],
            attributes={**attributes, "connectionId": client.connection, "requestId": request["requestId"]},
        )

    def _route(self, client: SimulatedClient, frame: Mapping[str, Any]) -> None:
        function = _FUNCTIONS.get(frame["action"], "default_route")
        event = {"requestContext": self._request(client), "body": json.dumps(frame)}
        answer = self._system.answer_of(function, event)
        if answer is not None and "body" in answer and client.state == "open":
            self._deliver(client, answer["body"])

    def _request(self, client: SimulatedClient) -> dict[str, Any]:
        self._requests += 1
        return {
            "connectionId": client.connection,
            "requestId": f"r{self._requests:06d}",
            "requestTimeEpoch": int(self._system.scheduler.now * 1000),
            "authorizer": client.context,
        }

    def status_of_post(self, connection: ConnectionId, frame: bytes) -> int:
        """Post a frame to a connection; the status of the answer."""
        client = self.clients.get(connection)
        now = self._system.scheduler.now
        if client is None or client.state != "open":
            return 410
        if now < self.throttled_until or now < client.slow_until:
            return 429
        self._deliver(client, frame.decode())
        return 200

    def status_of_close(self, connection: ConnectionId) -> int:
        """Close a connection, as DELETE @connections does; the status of the answer."""
        client = self.clients.get(connection)
        if client is None or client.state != "open":
            return 410
        if self._system.scheduler.now < self.throttled_until:
            return 429
        self.close(client, "is closed")
        return 204

    def status_of_look(self, connection: ConnectionId) -> int:
        """Look for a connection, as GET @connections does; the status of the answer."""
        client = self.clients.get(connection)
        if client is None or client.state != "open":
            return 410
        return 429 if self._system.scheduler.now < self.throttled_until else 200

    def _deliver(self, client: SimulatedClient, frame: str) -> None:
        self._system.say(f"{client} receives {frame[:120]}")
        client.received.append((self._system.scheduler.now, frame))
        self._system.watch.received(client, frame)
        client.reads(frame)


class SimulatedSender(Sender, OrderedSender):
    """The senders, which pass the same contract as those on libcurl; see `Sender` and `OrderedSender`."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._handed_on: dict[ConnectionId, float] = {}

    @override
    def post(
        self,
        endpoint: str,  # there is one
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        starts_within: float = math.inf,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        begun = self._system.scheduler.now
        ends = begun + seconds
        outcomes = [Outcome.UNSENT] * len(connections)
        for place in self._shuffled(range(len(connections))):
            if self._system.scheduler.now >= begun + starts_within:
                break
            outcomes[place] = self._posted(connections[place], payload, ends, most_failures=2, tries=tries)
        return outcomes

    @override
    def post_in_order(
        self,
        endpoint: str,  # there is one
        frames: Mapping[ConnectionId, Sequence[bytes]],
        *,
        seconds: float,
    ) -> dict[ConnectionId, list[Outcome]]:
        ends = self._system.scheduler.now + seconds
        outcomes = {connection: [Outcome.UNSENT] * len(wanted) for connection, wanted in frames.items()}
        waiting = {connection: 0 for connection in sorted(frames) if frames[connection]}
        while waiting:
            connection = self._system.scheduler.random.choice(list(waiting))
            place = waiting[connection]
            outcome = self._posted(connection, frames[connection][place], ends, most_failures=100)
            outcomes[connection][place] = outcome
            if outcome is Outcome.DELIVERED and place + 1 < len(frames[connection]):
                waiting[connection] = place + 1
            else:
                del waiting[connection]
        return outcomes

    @override
    def close(
        self,
        endpoint: str,  # there is one
        connections: Sequence[ConnectionId],
        *,
        seconds: float,
    ) -> list[Outcome]:
        return self._each("close", connections, seconds)

    @override
    def look_up(
        self,
        endpoint: str,  # there is one
        connections: Sequence[ConnectionId],
        *,
        seconds: float,
    ) -> list[Outcome]:
        return self._each("look up", connections, seconds)

    def _each(
        self, what: Literal["close", "look up"], connections: Sequence[ConnectionId], seconds: float
    ) -> list[Outcome]:
        ends = self._system.scheduler.now + seconds
        outcomes = [Outcome.UNSENT] * len(connections)
        for place in self._shuffled(range(len(connections))):
            outcomes[place] = self._request(_Request(self._system, what, connections[place]), ends, 100, 100)
        return outcomes

    def _posted(
        self, connection: ConnectionId, frame: bytes, ends: float, *, most_failures: int, tries: int = FEW_TRIES
    ) -> Outcome:
        system = self._system
        if system.scheduler.now - self._handed_on.get(connection, -1.0) < 1.0:
            return Outcome.THROTTLED
        outcome = self._request(_Request(system, "post to", connection, frame), ends, most_failures, tries)
        if outcome is Outcome.THROTTLED:
            self._handed_on[connection] = system.scheduler.now
            others_are_let_in = system.scheduler.now >= system.gateway.throttled_until
            if others_are_let_in and system.scheduler.random.random() < 0.7:
                return Outcome.SLOW
        return outcome

    def _request(self, request: "_Request", ends: float, most_failures: int, most_refusals: int) -> Outcome:
        """The outcome of a request, tried again as the senders do."""
        system = self._system
        outcome, failures, refusals = Outcome.UNSENT, 0, 0
        while system.scheduler.now < ends:
            answer = BY_STATUS.get(request.status(), Outcome.FAILED)
            if system.scheduler.now > ends:
                break
            outcome = answer
            failures += outcome is Outcome.FAILED
            refusals += outcome is Outcome.THROTTLED
            is_tried_again = outcome in {Outcome.FAILED, Outcome.THROTTLED}
            if not is_tried_again or failures > most_failures or refusals >= most_refusals:
                break
            system.scheduler.sleep(min(0.02 * 2 ** min(failures + refusals, 3), max(0.0, ends - system.scheduler.now)))
        return outcome

    def _shuffled(self, places: range) -> list[int]:
        found = list(places)
        self._system.scheduler.random.shuffle(found)
        return found


@dataclass(frozen=True)
class _Request:
    """A request about one connection; a post has a frame."""

    system: "SimulatedSystem"
    what: Literal["post to", "close", "look up"]
    connection: ConnectionId
    frame: bytes = b""

    def effect(self) -> int:
        """The status with which the gateway answers a post."""
        gateway = self.system.gateway
        match self.what:
            case "close":
                return gateway.status_of_close(self.connection)
            case "look up":
                return gateway.status_of_look(self.connection)
            case "post to":
                return gateway.status_of_post(self.connection, self.frame)

    def status(self) -> int:
        """The status of the answer, whatever faults strike."""
        system = self.system
        system.calls += 1
        system.scheduler.sleep(system.latency())
        now, random = system.scheduler.now, system.scheduler.random
        fault = system.dice.first_of(_POST_FAULTS)
        if system.trace is not None:
            system.say(f"{self.what} {self.connection}{'' if fault is None else ': ' + fault}")
        match fault:
            case faults.KILLED_BEFORE:
                system.kill_present()
            case faults.POST_FAILS:
                return 500
            case faults.POST_LOST:
                self.effect()
                return 502
            case faults.SLOW_CALL:
                system.scheduler.sleep(random.choice((0.5, 2.0, 4.0)))
            case faults.KILLED_AFTER:
                self.effect()
                system.kill_present()
            case faults.ACCOUNT_THROTTLED:
                system.gateway.throttled_until = now + random.choice(system.gateway.throttled_seconds)
            case faults.CLIENT_SLOW if client := system.gateway.clients.get(self.connection):
                client.slow_until = now + random.choice((1.0, 10.0, 100.0))
        return self.effect()

"""The functions, wired as their handlers wire them, to this world's clients."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from functions.broadcast.post_message import post_message
from functions.broadcast.post_message.post_message import PostMessage
from functions.broadcast.publish.http import respond
from functions.broadcast.publish.publish import Publish
from functions.broadcast.query.query import Query
from functions.broadcast.settle.settle import Settle
from functions.broadcast.settle.undelivered import GiveUp
from functions.broadcast.swarm import swarm
from functions.broadcast.swarm.swarm import Swarm
from functions.connections.accounting.accounting import Accounting
from functions.connections.authorizer.authorizer import Authorizer
from functions.connections.connect.connect import Connect
from functions.connections.connect.dynamodb import DynamoRegister
from functions.connections.disconnect.disconnect import Disconnect
from functions.connections.reconcile.reconcile import Reconcile
from functions.connections.reconcile.sqs import SqsFailureQueue
from functions.messaging.default_route.default_route import DefaultRoute
from functions.messaging.echo import post
from functions.messaging.echo.echo import Echo, Tenancy
from functions.messaging.echo.post import Post
from functions.messaging.join_room import join_room
from functions.messaging.join_room.join_room import JoinRoom
from functions.messaging.presence import leaves
from functions.messaging.presence.leaves import Leaves
from functions.messaging.presence.presence import Presence
from functions.messaging.presence.wakes import Wakes
from functions.messaging.relay_message.relay_message import RelayMessage
from functions.messaging.send_message import rooms
from functions.messaging.send_message.direct import Direct
from functions.messaging.send_message.rooms import SayInRoom
from functions.messaging.send_message.send_message import SendMessage
from functions.sessions.end_session.end_session import EndSession
from functions.sessions.session_api.session_api import SessionApi
from loudhailer import ids
from loudhailer.aws import conditions
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.ids import TenantId
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.inbox.model import Wake
from loudhailer.limits.attempts import Attempts
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.limits.posts import PostBudget
from loudhailer.partitions import dynamodb as partitions
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.consumer import consume, consume_fifo, consume_together
from loudhailer.queues.sqs import SqsFifoQueue, SqsQueue, postpone
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.sessions import dynamodb as sessions
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.websocket.exchange import Exchange, Part
from loudhailer.websocket.once import Once
from loudhailer.websocket.sent.dynamodb import DynamoSentStore
from tests.simulation import tables
from tests.simulation.gateway import ENDPOINT, SimulatedSender
from tests.simulation.invariants.broadcasts import LIFETIME_SECONDS
from tests.simulation.queues import SqsClient
from tests.simulation.scheduler import TaskExecutor
from tests.simulation.world import SHARDS, Environment, Invocation, World

ACCOUNT = "111111111111"
INBOX_SECONDS = 3_600
_SESSION_SHARE = 0.5
_PARTITION_CAPACITY = 3
_MOST_PARTITIONS = 6
_SMALL_ROOM = 3

type Handle = Callable[[Any, Invocation], Any]


class Parts:
    """The clients and stores of an environment, which the builders below share."""

    def __init__(self, environment: Environment) -> None:
        world = environment.world
        self.world = world
        self.clock = environment.clock
        self.pause = world.scheduler.sleep
        self.random = world.scheduler.random
        self.executor = TaskExecutor(world.scheduler)
        self.release = environment.release
        self.dynamodb: Any = tables.client(world)
        self.once: Any = tables.client(world, attempts=1)
        self.sqs: Any = SqsClient(world, 5)
        self.sender = SimulatedSender(world)
        self.limits = DynamoLimitStore(self.once, "limits", pause=self.pause)
        self.sessions = DynamoSessionStore(self.dynamodb, "sessions")
        self.connections = DynamoConnectionStore(self.dynamodb, "connections")
        self.devices = DynamoDeviceStore(self.dynamodb, "devices")
        self.partitions = DynamoPartitionStore(self.dynamodb, "partitions")
        self.tenants = DynamoTenantStore(self.dynamodb, "tenants")
        self.broadcasts = DynamoBroadcastStore(
            self.dynamodb, "broadcasts", clock=self.clock, keys=(1, 3)[environment.release]
        )
        self.rooms = DynamoRoomStore(self.dynamodb, "connections")
        self.dead_letters = self.queue("dead-letter")

    def queue(self, name: str) -> SqsQueue:
        """A queue, to send to."""
        return SqsQueue(self.sqs, name, pause=self.pause)

    @property
    def inbox(self) -> SqsFifoQueue:
        """The queue of the wakes."""
        return SqsFifoQueue(self.sqs, "inbox", pause=self.pause)

    def deadline(self, invocation: Invocation, reserve: float) -> Deadline:
        """Return the time by which the work of an invocation must be over."""
        return Deadline(invocation.deadline - reserve, self.world.scheduler.time)


def _authorizer(parts: Parts) -> Handle:
    authorizer = Authorizer(
        CachedTenants(parts.tenants, clock=parts.clock),
        parts.sessions,
        PartitionAssigner(
            parts.partitions,
            capacity=_PARTITION_CAPACITY,
            maximum=_MOST_PARTITIONS,
            clock=parts.clock,
            random=parts.random,
        ),
        clock=parts.clock,
    )
    return lambda event, _: authorizer(event)


def _connect(parts: Parts) -> Handle:
    connect = Connect(
        parts.limits,
        DynamoRegister(parts.dynamodb, "connections", "sessions", "devices"),
        parts.connections,
        parts.sessions,
        parts.sender,
        endpoint=ENDPOINT,
        session_share=_SESSION_SHARE,
        clock=parts.clock,
        pause=parts.pause,
        random=parts.random,
    )
    return lambda event, _: connect(event)


def _disconnect(parts: Parts) -> Handle:
    disconnect = Disconnect(lambda _: parts.connections, parts.sender, endpoint=ENDPOINT)
    return lambda event, _: disconnect(event)


def _default_route(parts: Parts) -> Handle:
    attempts = Attempts(DynamoSessionStore(parts.once, "sessions"), parts.limits)
    route = DefaultRoute(lambda _: attempts, clock=parts.clock)
    return lambda event, _: route(event)


def _posts(parts: Parts) -> PostBudget:
    return PostBudget(parts.limits, session_share=_SESSION_SHARE, clock=parts.clock)


def _exchange(parts: Parts, respond: Callable[[Any, Any], str | None]) -> Handle:
    @cache
    def part(_: TenantId) -> Part:
        return Part(parts.sessions, parts.limits, respond)

    exchange = Exchange(part, clock=parts.clock)
    return lambda event, _: exchange(event)


def _join_room(parts: Parts) -> Handle:
    return _exchange(parts, JoinRoom(parts.rooms, parts.sender, _posts(parts), endpoint=ENDPOINT))


def _send_message(parts: Parts) -> Handle:
    once = Once(DynamoSentStore(parts.dynamodb, "limits"), clock=parts.clock)
    topic = SnsTopic(parts.sqs, "broadcast")
    announcer = Announcer(parts.broadcasts, topic, lifetime_seconds=LIFETIME_SECONDS, clock=parts.clock)
    say = SayInRoom(
        parts.rooms,
        parts.sender,
        _posts(parts),
        parts.broadcasts,
        announcer,
        ends=parts.queue("disconnect"),
        once=once,
        endpoint=ENDPOINT,
    )
    direct = Direct(
        DynamoInboxStore(parts.dynamodb, "messages"),
        DynamoPlaceStore(parts.dynamodb, "places"),
        once,
        messages_per_inbox=6,
        lifetime_seconds=INBOX_SECONDS,
    )
    return _exchange(parts, SendMessage(direct, rooms=say))


def _presence(parts: Parts) -> Handle:
    presence = Presence(
        Wakes(parts.inbox),
        Leaves(
            lambda _: parts.rooms,
            parts.sender,
            endpoint=ENDPOINT,
            clock=parts.clock,
            monotonic=parts.world.scheduler.time,
        ),
    )
    return lambda event, _: presence(event)


def _relay_message(parts: Parts) -> Handle:
    relay = RelayMessage(
        DynamoInboxStore(parts.dynamodb, "messages"),
        parts.connections,
        parts.devices,
        parts.sender,
        parts.inbox,
        endpoint=ENDPOINT,
        clock=parts.clock,
        pause=parts.pause,
    )

    def handle(event: Any, invocation: Invocation) -> Any:
        (record,) = event["Records"]
        deadline = parts.deadline(invocation, 3.0)

        def wake(body: str) -> None:
            relay(Wake.of_body(body), wake_id=record["messageId"], deadline=deadline)

        response = consume(event, wake, parts.dead_letters)
        postpone(parts.sqs, "inbox", event, response)
        return response

    return handle


def _accounting(parts: Parts) -> Handle:
    accounting = Accounting(parts.partitions, parts.sessions, parts.limits, executor=parts.executor)
    return lambda event, _: accounting(event)


def _end_session(parts: Parts) -> Handle:
    end_session = EndSession(
        parts.sender,
        lambda _: parts.connections,
        endpoint=ENDPOINT,
        executor=parts.executor,
        clock=parts.clock,
        pause=parts.pause,
    )
    return lambda event, invocation: end_session(event, parts.deadline(invocation, 10.0))


def _publish(parts: Parts) -> Handle:
    publish = Publish(
        CachedTenants(parts.tenants, clock=parts.clock),
        parts.broadcasts,
        SnsTopic(parts.sqs, "broadcast"),
        lifetime_seconds=LIFETIME_SECONDS,
        clock=parts.clock,
    )
    return lambda event, _: respond(publish, event)


def _swarm(parts: Parts) -> Handle:
    plan = Swarm(parts.partitions, parts.broadcasts, parts.queue("partition"), clock=parts.clock)
    return _consuming(parts, "broadcast", plan)


def _query(parts: Parts) -> Handle:
    query = Query(
        parts.connections,
        parts.sessions,
        parts.broadcasts,
        [parts.queue(shard) for shard in SHARDS[: 2 + parts.release]],
        parts.queue("rooms"),
        endpoint=ENDPOINT,
        chunk_size=(2, 3)[parts.release],
        devices=parts.devices,
        lanes=DynamoLaneStore(parts.dynamodb, "lanes"),
        executor=parts.executor,
        clock=parts.clock,
    )
    return _consuming(parts, "partition", query)


def _consuming(parts: Parts, queue: str, use_case: Callable[[str], None]) -> Handle:
    def handle(event: Any, _: Invocation) -> Any:
        response = consume(event, use_case, parts.dead_letters)
        postpone(parts.sqs, queue, event, response)
        return response

    return handle


def _post_message(parts: Parts) -> Handle:
    posts = PostMessage(
        parts.sender, parts.sender, parts.queue("outcome"), parts.dead_letters, endpoint=ENDPOINT, clock=parts.clock
    )

    def handle(event: Any, invocation: Invocation) -> Any:
        shard = event["Records"][0]["eventSourceARN"].rpartition(":")[2]
        one = partial(
            posts,
            shard=parts.queue(shard),
            account="222222222222" if shard == SHARDS[1] else ACCOUNT,
            deadline=parts.deadline(invocation, 2.0),
        )
        return consume(event, one, parts.dead_letters)

    return handle


def _settle(parts: Parts) -> Handle:
    settle = Settle(parts.broadcasts, parts.connections, parts.queue("outcome"), clock=parts.clock)
    give_up = GiveUp(settle, parts.broadcasts, parts.dead_letters, clock=parts.clock)

    def handle(event: Any, invocation: Invocation) -> Any:
        if event["Records"][0]["eventSourceARN"].endswith(":undelivered"):
            return consume(event, give_up, parts.dead_letters)
        in_time = partial(settle, deadline=parts.deadline(invocation, 2.5))
        return consume_together(event, in_time, parts.dead_letters)

    return handle


def _echo(parts: Parts) -> Handle:
    of_tenant = Tenancy(parts.sessions, parts.limits, parts.connections)
    letters = Post(parts.sender, lambda _: parts.connections, endpoint=ENDPOINT, clock=parts.clock)
    echo = Echo(lambda _: of_tenant, letters, session_share=_SESSION_SHARE, clock=parts.clock)

    def handle(event: Any, invocation: Invocation) -> Any:
        in_time = partial(echo, deadline=parts.deadline(invocation, 2.0))
        response = consume_fifo(event, in_time, parts.dead_letters)
        postpone(parts.sqs, "pool", event, response)
        return response

    return handle


def _reconcile(parts: Parts) -> Handle:
    reconcile = Reconcile(
        tenants=parts.tenants,
        sessions=parts.sessions,
        connections=parts.connections,
        partitions=parts.partitions,
        limits=parts.limits,
        failures=SqsFailureQueue(parts.sqs, "accounting-failure"),
        clock=parts.clock,
    )
    return lambda _, invocation: reconcile(parts.deadline(invocation, 5.0))


def _session_api(parts: Parts) -> Handle:
    api = SessionApi(
        parts.tenants,
        parts.sessions,
        DynamoPlaceStore(parts.dynamodb, "places"),
        parts.broadcasts,
        websocket_url="wss://cell.test",
        list_tenants=False,
        silo_tenants=(),
        needs_token=False,
        tenant_claim="tenant",
        shortest_session_id=1,
        clock=parts.clock,
    )
    return lambda event, _: api(event)


_BUILDERS: dict[str, Callable[[Parts], Handle]] = {
    "authorizer": _authorizer,
    "connect": _connect,
    "disconnect": _disconnect,
    "default_route": _default_route,
    "join_room": _join_room,
    "send_message": _send_message,
    "presence": _presence,
    "relay_message": _relay_message,
    "accounting": _accounting,
    "end_session": _end_session,
    "publish": _publish,
    "swarm": _swarm,
    "query": _query,
    "post_message": _post_message,
    "settle": _settle,
    "echo": _echo,
    "reconcile": _reconcile,
    "session_api": _session_api,
}


class _Clock:
    """Stand-in for the module `time` where a function asks it itself."""

    def __init__(self, world: World) -> None:
        self.monotonic = world.scheduler.time

    def time_ns(self) -> int:
        return int(self.monotonic() * 1e9)


class _Ids:
    """Stand-in for the module `uuid`."""

    def __init__(self, world: World) -> None:
        self._random = world.scheduler.random

    def uuid4(self) -> "_Ids":
        return self

    @property
    def hex(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


def wire(world: World) -> None:
    """Have the world run the shipped functions, and them its time.

    Numbers that are large so that a million connections are planned well are made small, so that a few meet every case.
    """
    clock, executor = _Clock(world), TaskExecutor(world.scheduler)
    for module, name, value in (
        (post_message, "time", clock),
        (post, "time", clock),
        (ids, "time", clock),
        (ids, "uuid", _Ids(world)),
        (conditions, "uuid", _Ids(world)),
        (partitions, "ThreadPoolExecutor", lambda _: executor),
        (sessions, "_SEGMENTS", 2),
        (swarm, "RECIPIENTS_A_SOURCE", 4),
        (swarm, "PARTITIONS_A_SOURCE", 3),
        (swarm, "MAX_SOURCES_AT_ONCE", 2),
        (rooms, "SMALL_ROOM", _SMALL_ROOM),
        (join_room, "SMALL_ROOM", _SMALL_ROOM),
        (leaves, "SMALL_ROOM", _SMALL_ROOM),
    ):
        setattr(module, name, value)
    world.make = lambda environment: _BUILDERS[environment.function](Parts(environment))

"""The whole way of a broadcast in memory, with crashes, failing calls and double deliveries anywhere."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any, override

from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.post_message.post_message import PostMessage
from functions.broadcast.publish.publish import Publish
from functions.broadcast.query.query import Query
from functions.broadcast.settle.settle import Settle
from functions.broadcast.swarm.swarm import Swarm
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.publishing.counts import counts_of
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.report import Report
from loudhailer.broadcast.search import Search
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.throttling import FEW_TRIES
from loudhailer.errors import TransientError
from loudhailer.ids import BroadcastId, ConnectionId, SessionId
from loudhailer.partitions.model import PartitionCount
from loudhailer.queues.consumer import consume, consume_together
from loudhailer.queues.port import Queue
from loudhailer.tenants.cache import CachedTenants
from tests.support.audiences import audiences, recipients
from tests.support.broadcasts import ACCOUNT, ENDPOINT, LIFETIME, NOW, connection, partition, report_of
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.lanes import MemoryLaneStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.limits import CONNECTION_SECONDS
from tests.support.properties import examples
from tests.unit.aws.queues.sqs_events import event, failed
from tests.unit.broadcast.faults import Killed, watched

HANDSHAKE_SECONDS = 4
ID = BroadcastId("b1")


class Clients:
    """The gateway and the clients behind it: what each post comes to, and what each client has received."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.open_since: dict[ConnectionId, float] = {}
        self.troubles: dict[ConnectionId, list[Outcome]] = {}
        self.received: list[ConnectionId] = []

    def post(
        self,
        endpoint: str,
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        starts_within: float = math.inf,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        """See `Sender.post`."""
        assert (endpoint, seconds > 0, starts_within > 0, tries > 0) == (ENDPOINT, True, True, True)
        assert payload.startswith(b'{"type":"broadcast","id":"b1"')
        return [self._post(one) for one in connections]

    def _post(self, one: ConnectionId) -> Outcome:
        if troubles := self.troubles.get(one):
            return troubles.pop()
        if one not in self.open_since or self._clock() < self.open_since[one]:
            return Outcome.GONE
        self.received.append(one)
        return Outcome.DELIVERED


class Faults:
    """Some calls of collaborators fail, or kill the function, before or after they were carried out."""

    def __init__(self, random: Random, number: int) -> None:
        self._random = random
        self._left = number

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Carry the call out, or not, or fail nevertheless."""
        if self._left == 0 or self._random.random() > 0.15:
            return method(*arguments, **named)
        self._left -= 1
        if self._random.random() < 0.5:
            method(*arguments, **named)
        raise Killed if self._random.random() < 0.5 else TransientError("a call failed")


class Topic:
    """The topic, with the one queue that subscribes to it."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def publish(self, body: str, *, group: str | None = None) -> None:
        """See `Topic.publish`."""
        self._queue.send_all([body], group=group)


class DelayQueue(MemoryQueue):
    """A queue that hands a message out when its delay is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.waiting: list[tuple[float, str]] = []

    @override
    def send_all(self, bodies: Iterable[str], **named: Any) -> None:
        for body in bodies:
            super().send_all([body], **named)
            self.waiting.append((self._clock() + named.get("delay_seconds", 0), body))

    def take(self, random: Random) -> list[str]:
        """One to three of the messages whose time has come, in any order."""
        ready = [message for message in self.waiting if message[0] <= self._clock()]
        batch = random.sample(ready, min(len(ready), random.randint(1, 3)))
        for message in batch:
            self.waiting.remove(message)
        return [body for _, body in batch]


class PipelineFixture:
    """All functions and their queues; messages are delivered in any order, in batches, and sometimes twice."""

    def __init__(self, seed: int, *, faults: int = 0, twice: float = 0.1, express: int = 0) -> None:
        self.random = Random(seed)  # noqa: S311  # a test repeats itself
        self.twice = twice
        self.express = express
        self.now = float(NOW)
        self.connections = MemoryConnectionStore()
        self.partitions = MemoryPartitionStore()
        self.broadcasts = MemoryBroadcastStore()
        self.clients = Clients(self.clock)
        self.dead_letters = MemoryQueue()
        self.queues = {
            name: DelayQueue(self.clock)
            for name in ("broadcast", "partition", "shard-0", "shard-1", "rooms", "express", "outcome")
        }
        self._wire(Faults(self.random, faults).call)

    def clock(self) -> float:
        """The time."""
        return self.now

    def _wire(self, call: Callable[..., Any]) -> None:
        queues = {name: watched(queue, call) for name, queue in self.queues.items()}
        shards = [queues["shard-0"], queues["shard-1"]]
        broadcasts, connections = watched(self.broadcasts, call), watched(self.connections, call)
        dead_letters = watched(self.dead_letters, call)
        search = Search(
            recipients(connections),
            MemorySessionStore(),
            MemoryDeviceStore(self.connections),
            executor=AtOnce(),
            clock=self.clock,
        )
        self.publish = Publish(
            CachedTenants(MemoryTenantStore(), clock=self.clock),
            broadcasts,
            Publisher(
                partial(counts_of, audiences(watched(self.partitions, call))),
                broadcasts,
                Announcer(broadcasts, Topic(queues["broadcast"]), lifetime_seconds=LIFETIME, clock=self.clock),
                ShortPath(
                    search, broadcasts, queues["express"], endpoint=ENDPOINT, most=self.express, clock=self.clock
                ),
            ),
            posts_per_second=9_800,
            lanes=4,
            chunk_size=500,
            lifetime_seconds=LIFETIME,
            clock=self.clock,
            channels_enabled=True,
        )
        swarm = Swarm(audiences(watched(self.partitions, call)), broadcasts, queues["partition"], clock=self.clock)
        query = Query(
            search,
            broadcasts,
            shards,
            queues["rooms"],
            lanes=watched(MemoryLaneStore(), call),
            endpoint=ENDPOINT,
            chunk_size=4,
            lane_count=2,
            executor=AtOnce(),
            clock=self.clock,
        )
        settle = Settle(broadcasts, connections, queues["outcome"], MemoryQueue(), clock=self.clock)
        post_message = PostMessage(
            self.clients,
            MemoryOrderedSender(),
            queues["outcome"],
            dead_letters,
            endpoint=ENDPOINT,
            clock=self.clock,
        )

        def post_from(*queues_for_rest: Queue) -> Callable[[str], None]:
            return lambda body: post_message(
                body, queues_for_rest=queues_for_rest, account=ACCOUNT, deadline=Deadline.after(60)
            )

        self.handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "broadcast": lambda batch: consume(batch, swarm, dead_letters),
            "partition": lambda batch: consume(batch, query, dead_letters),
            "shard-0": lambda batch: consume(batch, post_from(shards[0]), dead_letters),
            "shard-1": lambda batch: consume(batch, post_from(shards[1]), dead_letters),
            "rooms": lambda batch: consume(batch, post_from(queues["rooms"]), dead_letters),
            "express": lambda batch: consume(batch, post_from(*shards), dead_letters),
            "outcome": lambda batch: consume_together(batch, partial(settle, deadline=Deadline.after(0)), dead_letters),
        }

    def connect(self, number: int, *, seconds_ago: int, still_open: bool) -> None:
        """A client; one that connected a moment ago has its handshake before it."""
        key = ConnectionKey(partition(number % 3), connection(number))
        at = NOW - seconds_ago
        self.connections.rows[key] = Connection(key, SessionId("s1"), at, at + CONNECTION_SECONDS)
        self.partitions.rows[key.partition] = PartitionCount(key.partition, 10 if self.express else 2_500)
        if still_open:
            self.clients.open_since[key.connection_id] = at + HANDSHAKE_SECONDS

    def broadcast(self) -> None:
        """The client publishes until it is answered."""
        while True:
            try:
                self.publish({"audience": {"all": True}, "message": '"hello"', "broadcastId": ID})
            except (Killed, TransientError):
                continue
            return

    def run(self) -> None:
        """Deliver messages until all queues are empty."""
        for _ in range(20_000):
            times = {name: min(queue.waiting)[0] for name, queue in self.queues.items() if queue.waiting}
            if not times:
                return
            self.now = max(self.now, min(times.values()))
            name = self.random.choice([name for name, at in times.items() if at <= self.now])
            batch = self.queues[name].take(self.random)
            self.queues[name].send_all(self._deliver(name, batch))
            if self.random.random() < self.twice:
                self.queues[name].send_all(batch)
            self.now += self.random.choice([0.0, 0.1, 1.0])
        raise AssertionError("the queues are never empty")

    def _deliver(self, name: str, batch: list[str]) -> list[str]:
        """Hand the batch to its function; return the messages to be delivered again."""
        try:
            answer = self.handlers[name](event(*batch))
        except (Killed, TransientError):
            return batch
        return [batch[int(message_id.removeprefix("message-"))] for message_id in failed(answer)]

    def report(self) -> Report:
        """Return what `GET /broadcast/{id}` answers; the four numbers add up."""
        report = report_of(self.broadcasts, ID)
        assert report is not None
        assert report.dispatched == report.delivered + report.gone + report.failed + report.in_flight
        assert report.in_flight >= 0
        return report


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[int, bool]]:
    """Clients: how long ago each connected, and whether it is still there."""
    return draw(st.lists(st.tuples(st.sampled_from([0, 1, 20, 600]), st.booleans()), max_size=40))


seeds = st.integers(0, 2**32)
troubles = st.dictionaries(
    st.integers(0, 39),
    st.lists(st.sampled_from([Outcome.FAILED, Outcome.THROTTLED, Outcome.UNSENT]), min_size=1, max_size=3),
    max_size=6,
)


@examples(300)
@given(crowds(), troubles, st.integers(0, 25), seeds, st.sampled_from([0, 30]))
def test_every_open_client_receives_under_faults_and_the_report_is_correct(
    crowd: list[tuple[int, bool]], trouble: dict[int, list[Outcome]], faults: int, seed: int, express: int
) -> None:
    """Whatever crashes, fails or comes twice: open clients receive, closed ones are counted and deleted.

    One to thirty takes the short path where there is one; if there are more, none does.
    """
    pipeline = PipelineFixture(seed, faults=faults, express=express)
    for number, (seconds_ago, still_open) in enumerate(crowd):
        pipeline.connect(number, seconds_ago=seconds_ago, still_open=still_open)
        pipeline.clients.troubles[connection(number)] = list(trouble.get(number, []))
    pipeline.broadcast()
    pipeline.run()
    report = pipeline.report()
    everyone = {connection(number) for number in range(len(crowd))}
    there = set(pipeline.clients.open_since)
    old = {connection(number) for number, (seconds_ago, _) in enumerate(crowd) if seconds_ago > 30}
    assert report.status == "finished"
    assert set(pipeline.clients.received) == there
    assert (report.dispatched, report.delivered) == (len(everyone), len(there))
    assert report.by_account == ({ACCOUNT: len(there)} if there else {})
    remaining = {key.connection_id for key in pipeline.connections.rows}
    assert there <= remaining
    assert not (remaining - there) & old
    assert (report.gone, report.failed) == (len(everyone - there), 0)
    assert pipeline.dead_letters.bodies == []


@examples(60)
@given(crowds(), st.integers(0, 10), st.integers(0, 60), seeds, st.sampled_from([0, 30]))
def test_a_broadcast_that_expires_in_progress_finishes(
    crowd: list[tuple[int, bool]], faults: int, after: int, seed: int, express: int
) -> None:
    """At any step: found recipients that did not get it are failed or gone, the others are delivered.

    But if a worker crashes between posting and reporting, and time runs out before the chunk is delivered again, these
    posts are unknown: they count as failed.
    """
    pipeline = PipelineFixture(seed, faults=faults, express=express)
    for number, (seconds_ago, still_open) in enumerate(crowd):
        pipeline.connect(number, seconds_ago=seconds_ago, still_open=still_open)
    pipeline.broadcast()
    handlers = dict(pipeline.handlers)
    steps = iter(range(10_000))

    def counted(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def handle(batch: dict[str, Any]) -> dict[str, Any]:
            if next(steps) == after:
                pipeline.now = NOW + LIFETIME
            return handlers[name](batch)

        return handle

    pipeline.handlers = {name: counted(name) for name in handlers}
    pipeline.run()
    report, received = pipeline.report(), len(set(pipeline.clients.received))
    assert report.status == "finished"
    assert report.dispatched == report.delivered + report.gone + report.failed
    assert report.delivered <= received
    assert faults or report.delivered == received


def test_every_client_receives_once_without_faults() -> None:
    """Without faults there are no duplicates, and the report says so."""
    pipeline = PipelineFixture(1, twice=0)
    for number in range(300):
        pipeline.connect(number, seconds_ago=600, still_open=True)
    pipeline.broadcast()
    pipeline.run()
    assert len(pipeline.clients.received) == len(set(pipeline.clients.received)) == 300
    assert (pipeline.report().status, pipeline.report().delivered) == ("finished", 300)


def test_a_broadcast_without_recipients_finishes() -> None:
    """There are partitions, and nobody in them."""
    pipeline = PipelineFixture(1)
    pipeline.partitions.rows[partition(0)] = PartitionCount(partition(0))
    pipeline.broadcast()
    pipeline.run()
    assert (pipeline.report().status, pipeline.report().dispatched) == ("finished", 0)

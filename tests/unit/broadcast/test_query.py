"""A source's recipients are fixed once, whatever happens meanwhile."""

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.query.query import Query
from loudhailer import ids
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.audience import InRoom, OfPlayer, OfSession
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.model import Chunk, Priority, Source
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.scope import Scope
from loudhailer.broadcast.search import Search, size_of_chunks
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import MalformedMessageError, PermanentError, TransientError
from loudhailer.ids import ConnectionId, Partition, PlayerId, RoomKey, SessionId
from loudhailer.sessions.model import Session
from tests.support.audiences import recipients
from tests.support.broadcasts import (
    BROADCAST,
    ENDPOINT,
    LIFETIME,
    NOW,
    PAYLOAD,
    TENANT,
    chunk,
    chunks_of,
    connection,
    partition,
    report_of,
    source_message,
    summary,
)
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.lanes import MemoryLaneStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.limits import CONNECTION_SECONDS, YOUNG_SECONDS
from tests.unit.broadcast.faults import FaultTurns, Fuse, killed, watched

SESSION = SessionId("s1")
SHARDS = 3
CHUNK_SIZE = 3

TWO_PARTITIONS = (partition(0), partition(1))


def key(number: int, in_partition: int = 0) -> ConnectionKey:
    """A connection's key."""
    return ConnectionKey(partition(in_partition), connection(number))


class Held(Chunk):
    """A chunk that a weak reference can be made to, so that it is known when it is let go."""


class QueryFixture:
    """The tables and the shards that queries of one source work on."""

    def __init__(self, scope: Scope = TWO_PARTITIONS, *, expected: int | None = None) -> None:
        self.scope = scope
        self.connections = MemoryConnectionStore()
        self.sessions = MemorySessionStore()
        self.broadcasts = MemoryBroadcastStore()
        self.lanes = MemoryLaneStore()
        self.shards = [MemoryQueue() for _ in range(SHARDS)]
        self.rooms = MemoryQueue()
        self.now = float(NOW)
        self.broadcasts.record(summary())
        self.broadcasts.fix_sources(BROADCAST, [Source(number=0, scope=scope, expected=expected)])
        self.broadcasts.complete_sources(BROADCAST, 1, None, NOW * 1000)

    def connect(self, keys: Iterable[ConnectionKey], *, seconds_ago: int = 600, player: str | None = None) -> None:
        """Clients that connected a while ago."""
        for one in keys:
            at = int(self.now) - seconds_ago
            self.connections.rows[one] = Connection(
                one, SESSION, at, at + CONNECTION_SECONDS, PlayerId(player) if player else None
            )

    def query(
        self,
        call: Callable[..., Any] = lambda method, *arguments, **named: method(*arguments, **named),
        executor: Executor | None = None,
        chunk_size: int = CHUNK_SIZE,
        lane_count: int = 2,
    ) -> Query:
        """A query whose calls go through `call`; its background work is done at once, unless there is an executor."""
        executor = executor or AtOnce()
        return Query(
            Search(
                recipients(watched(self.connections, call)),
                watched(self.sessions, call),
                watched(MemoryDeviceStore(self.connections), call),
                executor=executor,
                clock=lambda: self.now,
            ),
            watched(self.broadcasts, call),
            [watched(shard, call) for shard in self.shards],
            watched(self.rooms, call),
            lanes=watched(self.lanes, call),
            endpoint=ENDPOINT,
            chunk_size=chunk_size,
            lane_count=lane_count,
            executor=executor,
            clock=lambda: self.now,
        )

    def body(self, *, expires_at: int = NOW + LIFETIME) -> str:
        """The source's message."""
        return source_message(self.scope, expires_at=expires_at).to_wire()

    def run(self) -> None:
        """Handle the source's message."""
        self.query()(self.body())

    def say(self) -> None:
        """Handle the source's message."""
        self.query()(replace(source_message(self.scope), priority=Priority.LOW, group=TENANT).to_wire())

    @property
    def sent(self) -> list[ChunkMessage]:
        """The chunks that are in the shards."""
        return [ChunkMessage.from_wire(body) for shard in self.shards for body in shard.bodies]

    def dispatched(self) -> list[ConnectionKey]:
        """The recipients of all chunks of the finished source, in order; each chunk was sent as it is stored."""
        source = self.broadcasts.source(BROADCAST, 0)
        assert source is not None
        assert source.dispatched is not None
        sent = {message.chunk_id: message.recipients for message in self.sent}
        chunks = [chunk for chunk in chunks_of(self.broadcasts, 0) if chunk.chunk_id in sent]
        assert sent == {chunk.chunk_id: chunk.recipients for chunk in chunks}
        assert source.dispatched == sum(chunk.size for chunk in chunks)
        return [
            ConnectionKey(where, one) for chunk in chunks for where, found in chunk.recipients.items() for one in found
        ]


def test_every_connection_is_in_exactly_one_chunk_in_key_order() -> None:
    """Chunks are full but for the last one, and may reach over partitions."""
    tables = QueryFixture()
    tables.connect([*map(key, range(4)), *(key(number, 1) for number in range(3))])
    tables.run()
    assert tables.dispatched() == sorted(tables.connections.rows)
    chunks = sorted(tables.sent, key=lambda message: message.chunk_id)
    assert {
        (message.published_at, message.expires_at, message.young, message.remaining == 2**message.size - 1)
        for message in chunks
    } == {(NOW * 1000, NOW + LIFETIME, 0, True)}
    assert [message.size for message in chunks] == [3, 3, 1]
    assert [list(message.recipients) for message in chunks] == [
        [partition(0)],
        [partition(0), partition(1)],
        [partition(1)],
    ]
    assert {(message.endpoint, message.payload, message.attempt) for message in chunks} == {(ENDPOINT, PAYLOAD, 1)}


def test_a_chunk_carries_the_payload_of_its_source_unopened() -> None:
    """`post_message` opens it; decoding it here, and encoding it again for every chunk, costs `query` its time."""
    tables = QueryFixture()
    tables.connect(map(key, range(3)))
    payload = Payload("not base64 at all", "base64")
    tables.query()(replace(source_message(TWO_PARTITIONS), payload=payload).to_wire())
    assert [message.payload for message in tables.sent] == [payload]


def test_chunks_are_spread_over_the_shards(counted: Counter[str]) -> None:
    """Neighbouring chunks go to different shards, and their recipients are counted."""
    tables = QueryFixture()
    tables.connect(map(key, range(CHUNK_SIZE * SHARDS * 2)))
    tables.run()
    assert [len(shard.bodies) for shard in tables.shards] == [2, 2, 2]
    assert counted["RecipientDispatched"] == CHUNK_SIZE * SHARDS * 2
    source = tables.broadcasts.source(BROADCAST, 0)
    assert source is not None
    assert source.queried_at == NOW * 1000


def test_ids_are_ordered_as_dynamodb_orders_them() -> None:
    """The order is that of bytes: `+`, `/`, digits, `=`, capitals, `_`, small letters."""
    tables = QueryFixture()
    letters = "za_Z=90/+-"
    tables.connect(ConnectionKey(partition(0), ConnectionId(f"{letter}A=")) for letter in letters)
    tables.run()
    assert [found.connection_id[0] for found in tables.dispatched()] == sorted(letters, key=str.encode)


def test_connections_of_other_partitions_are_ignored() -> None:
    """A source is its partitions and no other."""
    tables = QueryFixture((partition(0),))
    tables.connect([key(1), key(2, 1)])
    tables.run()
    assert tables.dispatched() == [key(1)]


def test_expired_connections_are_not_recipients() -> None:
    """Their rows may outlive them by hours."""
    tables = QueryFixture()
    tables.connect([key(1)], seconds_ago=CONNECTION_SECONDS)
    tables.connect([key(2)], seconds_ago=CONNECTION_SECONDS - 1)
    tables.run()
    assert tables.dispatched() == [key(2)]


def test_a_connection_is_young_for_thirty_seconds() -> None:
    """Its bit says that a 410 is not to be believed, until nobody of the chunk is young any more."""
    tables = QueryFixture()
    tables.connect([key(0)], seconds_ago=YOUNG_SECONDS)
    tables.connect([key(1)], seconds_ago=YOUNG_SECONDS - 1)
    tables.connect([key(2)], seconds_ago=0)
    tables.run()
    (message,) = tables.sent
    assert list(bitmaps.members(message.young)) == [1, 2]
    assert message.young_until == NOW + YOUNG_SECONDS


def test_a_rooms_connections_are_found_in_any_partition() -> None:
    """Connections that have left meanwhile are not recipients, whatever the index says."""
    lobby = RoomKey("lobby")
    tables = QueryFixture(InRoom(TENANT, lobby))
    tables.connect([key(2, 7), key(1, 3), key(3)])
    tables.connections.rooms |= {key(2, 7): lobby, key(1, 3): lobby, key(9): lobby}
    tables.run()
    assert tables.dispatched() == [key(1, 3), key(2, 7)]


def test_a_players_connections_are_found_on_all_devices() -> None:
    """Another tenant's player of the same name is another player."""
    tables = QueryFixture(OfPlayer(TENANT, PlayerId("ann")))
    tables.connect([key(2, 1), key(1)], player="ann")
    tables.connect([key(3)], player="bob")
    tables.connect([ConnectionKey(partition(0, "other"), connection(4))], player="ann")
    tables.run()
    assert tables.dispatched() == [key(1), key(2, 1)]


def test_the_recipients_of_a_session_are_its_connections_with_a_row() -> None:
    """The session's set may lag behind the rows."""
    tables = QueryFixture(OfSession(TENANT, SESSION))
    tables.connect([key(2, 1), key(1)])
    tables.sessions.rows[TENANT, SESSION] = Session(
        TENANT, SESSION, NOW + 60, connections=frozenset({key(1), key(2, 1), key(3)})
    )
    tables.run()
    assert tables.dispatched() == [key(1), key(2, 1)]


def test_an_unknown_session_has_no_recipients() -> None:
    """The source ends nevertheless."""
    tables = QueryFixture(OfSession(TENANT, SESSION))
    tables.run()
    assert tables.dispatched() == []


def test_a_source_that_was_finished_is_not_sent_again() -> None:
    """Not even to newer connections."""
    tables = QueryFixture()
    tables.connect([key(1)])
    tables.run()
    tables.connect([key(2)])
    tables.run()
    assert len(tables.sent) == 1


@pytest.mark.parametrize("size", [1, 2, 4, 5], ids=lambda size: f"{size} of another query")
def test_an_existing_chunk_is_sent_unchanged(size: int) -> None:
    """Fewer or more recipients than this query would have put into it: it continues right behind them."""
    tables = QueryFixture()
    tables.connect(map(key, range(8)))
    broadcasts = tables.broadcasts
    fix = broadcasts.fix_chunk

    def after_another(broadcast_id: Any, mine: Any) -> Any:
        if mine.chunk_id == "0.0":
            fix(BROADCAST, chunk("0.0", size))
        return fix(broadcast_id, mine)

    broadcasts.fix_chunk = after_another  # type: ignore[assignment, method-assign]  # another query comes in between
    tables.run()
    assert tables.dispatched() == [key(number) for number in range(8)]
    assert chunks_of(broadcasts, 0)[0].size == size


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_query_killed_at_any_call_continues_with_the_same_chunks(*, carried_out: bool) -> None:
    """Whatever has changed by then: existing chunks stay, and nobody is lost or in two of them."""
    early = [*map(key, range(0, 20, 2)), *(key(number, 1) for number in range(4))]
    closed = {key(0), key(10), key(3, 1)}
    for at in range(1, 200):
        tables = QueryFixture()
        tables.connect(early)
        query = tables.query(Fuse(at, carried_out=carried_out).call)
        finished = not killed(query, tables.body())
        fixed = chunks_of(tables.broadcasts, 0)
        tables.connect(map(key, range(1, 30, 2)), seconds_ago=0)
        for gone in closed:
            del tables.connections.rows[gone]
        tables.run()
        assert chunks_of(tables.broadcasts, 0)[: len(fixed)] == fixed
        found = Counter(tables.dispatched())
        assert set(found.values()) == {1}
        assert found.keys() >= set(early) - closed
        if finished:
            return
    pytest.fail("it never came to its end")


def test_existing_chunks_are_loaded_one_at_a_time() -> None:
    """However many there are: a source of any size is gone on with in the memory of a few chunks."""
    tables = QueryFixture()
    tables.connect(map(key, range(CHUNK_SIZE * 200)))
    assert killed(tables.query(Fuse(400, carried_out=True).call), tables.body())
    assert len(chunks_of(tables.broadcasts, 0)) > 100
    held: list[weakref.ref[Chunk]] = []
    most = 0

    def call(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        nonlocal most
        most = max(most, sum(chunk() is not None for chunk in held))
        answer = method(*arguments, **named)
        if isinstance(answer, Chunk):
            answer = Held(
                chunk_id=answer.chunk_id,
                recipients=answer.recipients,
                young=answer.young,
                young_until=answer.young_until,
            )
            held.append(weakref.ref(answer))
        return answer

    tables.query(call)(tables.body())
    assert tables.dispatched() == sorted(tables.connections.rows)
    assert len(held) >= 200
    assert most <= 2


@given(st.lists(st.integers(0, 1), max_size=60), st.sets(st.integers(0, 12)), st.sets(st.integers(0, 12)))
def test_two_concurrent_queries_agree_on_the_chunks(schedule: list[int], come: set[int], gone: set[int]) -> None:
    """Also when the one sees connections that the other does not: the count is of the sent ones."""
    tables, other = QueryFixture(), QueryFixture()
    other.broadcasts, other.shards = tables.broadcasts, tables.shards
    tables.connect(map(key, range(0, 12, 2)))
    other.connect(key(number) for number in {*range(0, 12, 2), *come} - gone)
    turns = FaultTurns(schedule)
    queries = [tables.query(turns.actor(0).call), other.query(turns.actor(1).call)]
    errors = turns.run(*(partial(query, tables.body()) for query in queries))
    assert all(isinstance(error, TransientError) for error in errors)
    if errors:
        tables.run()
    found = Counter(tables.dispatched())
    assert set(found.values()) <= {1}
    assert found.keys() >= {key(number) for number in range(0, 12, 2)} - {key(number) for number in gone}


def test_a_source_extended_by_another_query_is_not_complete() -> None:
    """The other one has fixed a chunk more: this one's message is delivered again, and finds it."""
    tables = QueryFixture()
    tables.connect(map(key, range(4)))
    complete = tables.broadcasts.complete_source

    def after_another(*arguments: Any, **named: Any) -> bool:
        tables.broadcasts.fix_chunk(BROADCAST, chunk("0.2", 1, first=9))
        return complete(*arguments, **named)

    tables.broadcasts.complete_source = after_another  # type: ignore[method-assign]  # another query comes in between
    with pytest.raises(TransientError, match="another query has fixed more chunks of the source meanwhile"):
        tables.run()
    tables.broadcasts.complete_source = complete  # type: ignore[method-assign]
    for shard in tables.shards:
        shard.bodies.clear()
    tables.run()
    assert tables.dispatched() == [*(key(number) for number in range(4)), key(9)]


def test_a_source_completed_by_another_query_is_complete(counted: Counter[str]) -> None:
    """The worker that noted the recipients counts them."""
    tables = QueryFixture()
    tables.connect(map(key, range(4)))
    complete = tables.broadcasts.complete_source

    def after_another(*arguments: Any, **named: Any) -> bool:
        complete(*arguments, **named)
        return complete(*arguments, **named)

    tables.broadcasts.complete_source = after_another  # type: ignore[method-assign]  # another query comes in between
    tables.run()
    assert tables.dispatched() == [key(number) for number in range(4)]
    assert counted["RecipientDispatched"] == 0


def test_chunks_sent_in_the_background_are_queued_when_the_query_returns() -> None:
    """Every chunk, once, also when a shard is slow."""
    tables = QueryFixture()
    tables.connect([*map(key, range(200)), *(key(number, 1) for number in range(200))])
    send_all = tables.shards[1].send_all

    def slowly(bodies: Iterable[str], **named: Any) -> None:
        time.sleep(0.002)
        send_all(bodies, **named)

    tables.shards[1].send_all = slowly  # type: ignore[method-assign]  # a slow queue
    with ThreadPoolExecutor(8) as executor:
        tables.query(executor=executor)(tables.body())
        sent = Counter(message.chunk_id for message in tables.sent)
    assert tables.dispatched() == sorted(tables.connections.rows)
    assert set(sent.values()) == {1}


def test_the_first_page_is_read_before_any_other() -> None:
    """Any read beside it would be paid for by everyone's first frame."""
    tables = QueryFixture(tuple(map(partition, range(4))))
    tables.connect(key(number, number) for number in range(4))
    events: list[tuple[str, str]] = []

    def slowly(pages: Iterator[Any], of: str) -> Iterator[Any]:
        time.sleep(0.02)
        for page in pages:
            events.append(("read", of))
            yield page

    def call(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        answer = method(*arguments, **named)
        if method.__name__ != "in_partition":
            return answer
        events.append(("begun", arguments[0]))
        return slowly(answer, arguments[0])

    with ThreadPoolExecutor(8) as executor:
        tables.query(call, executor)(tables.body())
    assert events[:2] == [("begun", partition(0)), ("read", partition(0))]
    assert tables.dispatched() == sorted(tables.connections.rows)


def test_the_first_chunk_is_fixed_before_another_partition_is_read() -> None:
    """Pages that were read ahead took CPU and the table's time from the first chunk, for which all lanes wait."""
    tables = QueryFixture(tuple(map(partition, range(4))))
    tables.connect(key(number, number) for number in range(4))
    calls: list[str] = []

    def call(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        calls.append(method.__name__)
        return method(*arguments, **named)

    tables.query(call, chunk_size=1)(tables.body())
    assert calls.index("fix_chunk") < calls.index("in_partition", calls.index("in_partition") + 1)
    assert tables.dispatched() == sorted(tables.connections.rows)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_source_is_not_complete_while_a_chunk_of_it_could_not_be_sent(shard: int) -> None:
    """The error of the background is the query's; the next one sends the same chunks."""
    tables = QueryFixture()
    tables.connect(map(key, range(20)))
    tables.shards[shard].down = True
    with ThreadPoolExecutor(8) as executor, pytest.raises(TransientError):
        tables.query(executor=executor)(tables.body())
    source = tables.broadcasts.source(BROADCAST, 0)
    assert source is not None
    assert source.dispatched is None
    tables.shards[shard].down = False
    tables.run()
    assert tables.dispatched() == sorted(tables.connections.rows)


def test_an_expired_source_sends_only_its_existing_chunks(counted: Counter[str]) -> None:
    """Settle existing chunks as failed, count recipients that were not found as failed, and end the report."""
    tables = QueryFixture(expected=7)
    tables.connect(map(key, range(7)))
    assert killed(tables.query(Fuse(8, carried_out=True).call), tables.body())
    number = len(chunks_of(tables.broadcasts, 0))
    tables.now += LIFETIME
    tables.run()
    assert 0 < number < 3
    assert len(tables.dispatched()) == CHUNK_SIZE * number
    assert counted["SourceExpired"] == 1
    assert counted["RecipientMissed"] == 7 - CHUNK_SIZE * number
    assert is_marked_as_expired(tables)
    report = report_of(tables.broadcasts, BROADCAST)
    assert report is not None
    assert (report.dispatched, report.failed) == (7, 7 - CHUNK_SIZE * number)


def test_an_expired_source_completed_by_another_query_is_not_reported_as_expired(counted: Counter[str]) -> None:
    """The other query has found all recipients in time, and the metric says no more than the report."""
    tables = QueryFixture()
    tables.now += LIFETIME
    complete = tables.broadcasts.complete_source

    def after_another(*arguments: Any, **numbers: Any) -> bool:
        complete(BROADCAST, 0, chunks=0, dispatched=0, now=NOW * 1000)
        return complete(*arguments, **numbers)

    tables.broadcasts.complete_source = after_another  # type: ignore[method-assign]
    tables.run()
    assert not is_marked_as_expired(tables)
    assert counted["SourceExpired"] == 0


@pytest.mark.parametrize("expected", [None, 3, 8])
def test_a_complete_search_misses_no_recipient(counted: Counter[str], expected: int | None) -> None:
    """A recipient that was counted and is not found has left meanwhile."""
    tables = QueryFixture(expected=expected)
    tables.connect(map(key, range(7)))
    tables.run()
    assert len(tables.dispatched()) == 7
    assert counted["RecipientMissed"] == 0


def is_marked_as_expired(tables: QueryFixture) -> bool:
    """Tell whether the broadcast's report says that its lifetime ended before it was sent to everyone."""
    report = report_of(tables.broadcasts, BROADCAST)
    assert report is not None
    return report.expired


def test_a_cancelled_source_finds_no_more_and_passes_the_cancellation_on() -> None:
    """The existing chunks are passed on, so that they are settled, and say that they are cancelled."""
    tables = QueryFixture()
    tables.connect(map(key, range(7)))
    tables.broadcasts.fix_chunk(BROADCAST, chunk("0.0", CHUNK_SIZE))
    tables.broadcasts.cancel(BROADCAST)
    tables.run()
    assert tables.dispatched() == [key(number) for number in range(CHUNK_SIZE)]
    assert [message.cancelled for message in tables.sent] == [True]
    assert not is_marked_as_expired(tables)


@pytest.mark.parametrize(
    ("scope", "source"), [((partition(0),), 0), ((partition(0), partition(1)), 1)], ids=["other scope", "other source"]
)
def test_a_source_of_another_broadcast_is_a_permanent_error(scope: Scope, source: int) -> None:
    """Only planned sources are sent."""
    tables = QueryFixture()
    with pytest.raises(PermanentError, match="not one of its broadcast's"):
        tables.query()(source_message(scope, source=source).to_wire())
    assert tables.sent == []


def test_a_malformed_source_is_a_permanent_error() -> None:
    """It is refused before anything is read."""
    with pytest.raises(MalformedMessageError):
        QueryFixture().query()('{"v":2}')


def test_every_line_names_the_broadcast_and_the_source(logged: Callable[..., list[Any]]) -> None:
    """An operator follows them by it."""
    tables = QueryFixture()
    tables.connect(map(key, range(4)))
    tables.run()
    assert logged("message", "broadcast_id", "source", "chunks", "recipients") == [("chunks sent", BROADCAST, 0, 2, 4)]


def test_messages_to_a_large_room_use_their_own_queue() -> None:
    """With its priority, and in its tenant's group: no broadcast waits for it, and no other tenant's room."""
    tables = QueryFixture(InRoom(TENANT, RoomKey("red")))
    members = [*map(key, range(CHUNK_SIZE + 1))]
    tables.connect(members)
    tables.connections.rooms |= dict.fromkeys(members, RoomKey("red"))
    tables.say()
    assert tables.sent == []
    chunks = [ChunkMessage.from_wire(body) for body in tables.rooms.bodies]
    assert sorted(chunk.size for chunk in chunks) == [1, CHUNK_SIZE]
    assert {chunk.priority for chunk in chunks} == {Priority.LOW}
    assert tables.rooms.groups == [TENANT] * 2


def test_an_operators_broadcast_to_a_room_uses_the_shards() -> None:
    """It is a broadcast as any other."""
    tables = QueryFixture(InRoom(TENANT, RoomKey("red")))
    tables.connect([key(0)])
    tables.connections.rooms[key(0)] = RoomKey("red")
    tables.run()
    assert tables.rooms.bodies == []
    assert [chunk.priority for chunk in tables.sent] == [Priority.NORMAL]


def test_chunks_are_in_the_group_of_their_source() -> None:
    """Tenants who broadcast at the same time get equal shares of the lanes."""
    tables = QueryFixture()
    tables.connect([key(0)])
    tables.query()(replace(source_message(TWO_PARTITIONS), group=TENANT).to_wire())
    assert [group for shard in tables.shards for group in shard.groups] == [TENANT]
    assert [chunk.group for chunk in tables.sent] == [TENANT]


@pytest.mark.parametrize("priority", Priority)
def test_the_lanes_are_marked_before_the_first_chunk_is_sent(priority: Priority) -> None:
    """The mark has their kind and the present time: others stop to borrow before these begin."""
    tables = QueryFixture()
    tables.connect([key(number) for number in range(4)])
    seen: list[int] = []

    def call(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if method.__name__ == "send_all":
            seen.append(tables.lanes.marks()[priority])
        return method(*arguments, **named)

    tables.query(call)(replace(source_message(TWO_PARTITIONS), priority=priority).to_wire())
    assert seen == [NOW * 1000] * 2
    assert tables.lanes.marks() == {priority: NOW * 1000}


def test_a_failed_mark_of_the_lanes_delays_nothing() -> None:
    """The workers mark them once they post."""
    tables = QueryFixture()
    tables.connect([key(0)])
    tables.lanes.mark = failing  # type: ignore[method-assign]
    tables.run()
    assert tables.dispatched() == [key(0)]


def test_a_hanging_mark_of_the_lanes_delays_nothing() -> None:
    """A quarter of a second, and no longer."""
    tables = QueryFixture()
    tables.connect([key(0)])
    marked = threading.Event()
    tables.lanes.mark = lambda *_: (marked.wait(30), None)[1]  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as executor:
        tables.query(executor=executor)(tables.body())
        assert tables.dispatched() == [key(0)]
        assert not marked.is_set()
        marked.set()


def failing(kind: str, at: int) -> None:
    """Fail to mark lanes."""
    del kind, at
    raise TransientError("no table")


@pytest.mark.parametrize(
    ("recipients", "size"),
    [(None, 500), (0, 100), (10, 100), (801, 101), (1_000, 125), (3_999, 500), (1_000_000, 500)],
)
def test_chunks_are_as_small_as_gives_all_lanes_work(recipients: int | None, size: int) -> None:
    """Two chunks for each lane, of 100 at least; full ones where nobody has counted."""
    assert size_of_chunks(recipients, lanes=4, most=500) == size


@pytest.mark.parametrize("crowd", [200, 700])
def test_a_small_crowd_is_spread_over_all_lanes(crowd: int) -> None:
    """The counts of the whole broadcast decide, and the members of a room."""
    for scope, expected in (((partition(0),), crowd), (InRoom(TENANT, RoomKey("red")), None)):
        tables = QueryFixture(scope)
        tables.connect(map(key, range(crowd)))
        tables.connections.rooms.update(dict.fromkeys(tables.connections.rows, RoomKey("red")))
        tables.query(chunk_size=500)(replace(source_message(scope), expected=expected).to_wire())
        assert len(tables.dispatched()) == crowd
        most = max(100, crowd // 4)
        assert [one.size for one in chunks_of(tables.broadcasts, 0)] == [most] * (crowd // most)


def test_a_message_in_a_large_room_has_chunks_for_the_lanes_of_rooms() -> None:
    """There are two of them, however many lanes the shards have."""
    scope = InRoom(TENANT, RoomKey("red"))
    tables = QueryFixture(scope)
    tables.connect(map(key, range(700)))
    tables.connections.rooms.update(dict.fromkeys(tables.connections.rows, RoomKey("red")))
    body = replace(source_message(scope), priority=Priority.LOW, group=TENANT).to_wire()
    tables.query(chunk_size=500, lane_count=8)(body)
    assert [one.size for one in chunks_of(tables.broadcasts, 0)] == [175] * 4


def of_pattern(pattern: str, number: int = 0) -> Partition:
    """A partition of the subscribers of a pattern."""
    return ids.nth_partition(ids.channel_key(TENANT, ids.pattern(pattern)), number)


NEWS = (of_pattern("news/*"), of_pattern("news/uk"), of_pattern("news/uk", 1))


def member(number: int, where: Partition) -> ConnectionKey:
    """The key of a member."""
    return ConnectionKey(where, connection(number))


def test_a_connection_with_overlapping_subscriptions_is_dispatched_once() -> None:
    """Its members would be in one chunk, or in several."""
    tables = QueryFixture(NEWS)
    tables.connect(member(number, NEWS[0]) for number in range(5))
    tables.connect(member(number, NEWS[1]) for number in range(3, 9))
    tables.connect(member(number, NEWS[2]) for number in (0, 8, 9))
    tables.run()
    dispatched = tables.dispatched()
    assert sorted(key.connection_id for key in dispatched) == [connection(number) for number in range(10)]


def test_a_page_of_members_that_were_all_dispatched_ends_nothing() -> None:
    """Members behind it are dispatched nevertheless."""
    tables = QueryFixture(NEWS)
    tables.connect(member(number, NEWS[0]) for number in range(6))
    tables.connect(member(number, NEWS[1]) for number in range(6))
    tables.connect([member(9, NEWS[2])])
    tables.run()
    assert sorted(key.connection_id for key in tables.dispatched()) == [connection(n) for n in (*range(6), 9)]


@pytest.mark.parametrize("left", range(6))
def test_a_repeated_source_knows_the_connections_of_its_chunks(left: int) -> None:
    """Also a connection that has left the pattern by which it was found, and keeps the other one."""
    tables = QueryFixture(NEWS)
    tables.connect(member(number, NEWS[0]) for number in range(6))
    tables.connect(member(number, NEWS[1]) for number in range(6))
    for steps in range(1, 40):
        fuse = Fuse(steps, carried_out=True)
        if not killed(tables.query(fuse.call), tables.body()):
            break
        tables.connections.rows.pop(member(left, NEWS[0]), None)
    tables.run()
    found = [one for chunk in chunks_of(tables.broadcasts, 0) for of in chunk.recipients.values() for one in of]
    assert sorted(found) == [connection(number) for number in range(6)]

"""Frames that publish a client's message to a channel."""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from functions.channels.publish_frame.publish_frame import PublishFrame
from loudhailer import codec
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import OfChannel
from loudhailer.broadcast.messages import Announcement, ChunkMessage
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.publishing.counts import counts_of_channel
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.search import PartitionSearch
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import Channel, ConnectionId, Partition, Pattern, PlayerId, SessionId, TenantId, channel_key
from loudhailer.ids import nth_partition as nth
from loudhailer.limits.posts import PostBudget
from loudhailer.partitions.audiences import ChannelAudiences
from loudhailer.partitions.model import PartitionCount
from loudhailer.sessions.grants import NO_GRANTS, Grants
from loudhailer.sessions.model import Session
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import VERBATIM_MEMBERS, Exchange, TenantResponder
from loudhailer.websocket.once import Once
from tests.support.broadcasts import ENDPOINT
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sent import MemorySentStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.limits import MAX_MESSAGE_BYTES
from tests.unit.messaging.websocket import events

NOW = 1_800_000_000
ACME = TenantId("acme")
KEY = ConnectionKey(Partition("acme#00000"), ConnectionId("a="))
SMALL = 3
GRANTS = Grants.from_wire({"chat/*": "p", "news": "s", "both": "sp"})


class Publications:
    """The tables, the topic and the express queue of a tenant's messages; small ones have three recipients at most."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.broadcasts, self.topic, self.express = MemoryBroadcastStore(), MemoryTopic(), MemoryQueue()
        self.partitions, self.members = MemoryPartitionStore(), MemoryConnectionStore()
        self.limits, self.sent = MemoryLimitStore(), MemorySentStore()
        self.grants, self.budget = GRANTS, 1_000
        self.player: PlayerId | None = PlayerId("ann")
        self.requests = 0
        self.publish = PublishFrame(
            self.publisher(),
            PostBudget(self.limits, session_share=1.0, clock=lambda: NOW),
            once=Once(self.sent, clock=lambda: NOW),
            enabled=enabled,
        )

    def publisher(self) -> Publisher:
        """The recording of messages, on these tables."""
        channels = ChannelAudiences(self.partitions, executor=AtOnce())
        search = PartitionSearch(self.members, executor=AtOnce(), clock=lambda: NOW)
        announce = Announcer(self.broadcasts, self.topic, lifetime_seconds=300, clock=lambda: NOW)
        short_path = ShortPath(search, self.broadcasts, self.express, endpoint=ENDPOINT, most=SMALL, clock=lambda: NOW)
        return Publisher(
            partial(counts_of_channel, channels), self.broadcasts, announce, short_path, priority=Priority.LOW
        )

    def subscribe(self, pattern: str, *names: str, tenant: TenantId = ACME, counted: int | None = None) -> None:
        """Members of a pattern, and how many of them are counted."""
        partition = nth(channel_key(tenant, Pattern(pattern)), 0)
        for name in names:
            key = ConnectionKey(partition, ConnectionId(f"{name}="))
            self.members.rows[key] = Connection(key, SessionId("s1"), NOW - 600, NOW + 6_900)
        self.partitions.rows[partition] = PartitionCount(partition, len(names) if counted is None else counted)

    def text(self, text: str) -> Any:
        """The answer to a frame of this text, which has a request id of its own."""
        self.requests += 1
        caller = Caller(
            tenant_id=ACME,
            session_id=SessionId("s1"),
            key=KEY,
            session_seconds=300,
            messages_per_minute=60,
            posts_per_minute=self.budget,
            request_id=f"r{self.requests}",
            received_at=NOW * 1_000 + self.requests,
            player_id=self.player,
            grants=self.grants,
        )
        return codec.decode(self.publish(caller, codec.decode_object(text, verbatim=VERBATIM_MEMBERS)))

    def over_the_socket(self, text: str) -> Any:
        """The answer that the client of a live session gets."""
        sessions, limits = MemorySessionStore(), MemoryLimitStore()
        session = Session(
            events.TENANT, events.SESSION, events.NOW + 300, events.PLAYER, frozenset({events.KEY}), self.grants
        )
        sessions.rows[session.tenant_id, session.session_id] = session
        responder = TenantResponder(sessions, limits, self.publish)
        response = Exchange(lambda _: responder, clock=lambda: events.NOW)(events.event(text))
        return codec.decode(response["body"])

    def frame(self, channel: object = "chat/a", data: object = "hello", **fields: object) -> Any:
        """The answer to a frame."""
        return self.text(codec.json_text({"action": "publish", "channel": channel, "data": data, **fields}))

    @property
    def chunks(self) -> list[ChunkMessage]:
        """Messages in the express queue."""
        return [ChunkMessage.from_wire(body) for body in self.express.bodies]

    @property
    def announced(self) -> list[Announcement]:
        """Messages on the topic."""
        return [Announcement.from_wire(body) for body in self.topic.bodies]

    @property
    def is_untouched(self) -> bool:
        """Nothing was recorded, sent or paid for."""
        return not (self.announced or self.chunks or self.limits.minutes)


def test_a_message_to_few_subscribers_takes_the_short_path(counted: Counter[str]) -> None:
    """Each subscriber of the channel, or of a pattern that matches it, gets it once, with its author."""
    clients = Publications()
    clients.subscribe("chat/a", "ann", "bob")
    clients.subscribe("chat/*", "cid")
    clients.subscribe("chat/b", "dan")
    clients.subscribe("chat/a", "eve", tenant=TenantId("other"))
    answer = clients.frame()
    (chunk,) = clients.chunks
    assert sorted(name for names in chunk.recipients.values() for name in names) == ["ann=", "bob=", "cid="]
    assert answer == {"type": "published", "channel": "chat/a", "id": chunk.broadcast_id}
    assert codec.decode(chunk.payload.open()) == {
        "type": "message",
        "channel": "chat/a",
        "id": chunk.broadcast_id,
        "publishedAt": NOW * 1_000 + 1,
        "from": {"connectionId": "a=", "playerId": "ann"},
        "data": "hello",
    }
    assert not clients.announced
    assert counted["ChannelMessageSent"] == 1


def test_a_message_to_many_subscribers_is_a_broadcast_in_the_lanes_low() -> None:
    """A crowd's messages never delay the service's own broadcasts."""
    clients = Publications()
    clients.subscribe("chat/a", *(f"c{number}" for number in range(SMALL + 1)))
    answer = clients.frame()
    (announced,) = clients.announced
    assert announced.audience == OfChannel(ACME, Channel("chat/a"))
    assert (announced.priority, announced.broadcast_id) == (Priority.LOW, answer["id"])
    assert not clients.chunks


@pytest.mark.parametrize(("grants", "channel"), [(GRANTS, "news"), (GRANTS, "chat"), (NO_GRANTS, "chat/a")])
def test_a_message_without_a_grant_to_publish_is_refused_and_nothing_else(grants: Grants, channel: str) -> None:
    """A right to subscribe is none to publish; nor does `chat/*` cover `chat`."""
    clients = Publications()
    clients.grants = grants
    clients.subscribe(channel, "bob")
    assert clients.frame(channel)["error"]["code"] == "NOT_GRANTED"
    assert clients.is_untouched


def test_a_grant_to_subscribe_and_publish_is_enough() -> None:
    """Both rights in one grant."""
    assert Publications().frame("both")["type"] == "published"


def test_a_channel_may_have_five_segments() -> None:
    """Its patterns are counted under five keys."""
    clients = Publications()
    clients.subscribe("chat/b/c/d/*", "bob")
    assert clients.frame("chat/b/c/d/e")["type"] == "published"
    assert [chunk.size for chunk in clients.chunks] == [1]


FIELDS = '"action":"publish","channel":"chat/a"'
TOO_LARGE = f'{{{FIELDS},"data":"{"x" * MAX_MESSAGE_BYTES}","clientMessageId":"m1"}}'


def to(channel: object) -> str:
    """A frame to a channel."""
    return codec.json_text({"action": "publish", "channel": channel, "data": 1, "clientMessageId": "m1"})


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        *(
            (to(name), "INVALID_FIELD", "channel: ")
            for name in ("a//b", "a/b/c/d/e/f", "chat/*", "*", "ü", "", None, 1)
        ),
        *((to(name), "INVALID_FIELD", "channel: ") for name in ("x" * 10_000, "chat/\u202e", "room/red", ["chat/a"])),
        (to("news"), "NOT_GRANTED", "no grant"),
        (f'{{{FIELDS},"data":1,"message":1}}', "INVALID_FIELD", "message: is not a field"),
        (f"{{{FIELDS}}}", "INVALID_FIELD", "data: is missing"),
        (f'{{{FIELDS},"data":1,"clientMessageId":"a b"}}', "INVALID_FIELD", "clientMessageId: must be"),
        (f'{{{FIELDS},"data":1,"clientMessageId":null}}', "INVALID_FIELD", "clientMessageId: must be"),
        (f'{{{FIELDS},"data":1E400}}', "UNSUPPORTED_JSON", "double precision"),
        (f"{{{FIELDS},", "NOT_JSON", "is not a JSON object"),
        (TOO_LARGE, "INVALID_FIELD", "data: makes a frame of"),
    ],
)
def test_a_frame_that_is_not_legal_is_answered_by_its_error_alone(text: str, code: str, says: str) -> None:
    """Nothing is recorded, sent or paid for, and a legal message may have the same id at once."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    clients.player = events.PLAYER
    error = clients.over_the_socket(text)["error"]
    assert error["code"] == code
    assert says in error["message"]
    assert clients.is_untouched
    assert clients.frame(clientMessageId="m1")["type"] == "published"


def test_data_arrives_as_it_was_written() -> None:
    """No value of Python would preserve it."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    clients.text('{"action":"publish","channel":"chat/a","data":{"n" : [18446744073709551616, 1.10]}}')
    assert clients.chunks[0].payload.open().decode().endswith('"data":{"n" : [18446744073709551616, 1.10]}}')


def test_a_message_may_make_the_largest_frame_and_no_larger_one() -> None:
    """128 KB is what API Gateway delivers."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    clients.frame(data="")
    rest = MAX_MESSAGE_BYTES - len(clients.chunks[0].payload.open())
    assert clients.frame(data="x" * rest)["type"] == "published"
    with pytest.raises(InvalidFieldError, match=r"^data: makes a frame of 131073 bytes"):
        clients.frame(data="x" * (rest + 1))
    assert len(clients.chunks) == 2


def test_a_message_costs_as_many_posts_as_it_has_recipients(counted: Counter[str]) -> None:
    """The first that does not fit is refused, and costs nothing; a smaller channel still has its messages."""
    clients = Publications()
    clients.budget = 5
    clients.subscribe("chat/a", "ann", "bob", "cid")
    assert clients.frame()["type"] == "published"
    assert clients.frame()["message"] == "Too Many Requests"
    assert len(clients.chunks) == 1
    clients.subscribe("chat/b", "ann", "bob")
    assert clients.frame("chat/b")["type"] == "published"
    assert counted["PostBudgetReached"] == 1


def test_a_repeated_message_is_refused_by_its_own_request(counted: Counter[str]) -> None:
    """Its client knows the frame by that, not by the one of the first attempt."""
    clients = Publications()
    clients.budget = 2
    clients.subscribe("chat/a", "ann", "bob", "cid")
    clients.subscribe("chat/b", "dan")
    assert clients.frame("chat/b")["type"] == "published"
    refused = [clients.frame(clientMessageId="m1") for _ in range(2)]
    assert [each["requestId"] for each in refused] == ["r2", "r3"]
    assert counted["PostBudgetReached"] == 2


def test_a_message_without_recipients_costs_one_post() -> None:
    """It is recorded nevertheless, so it must not be free."""
    clients = Publications()
    clients.budget = 2
    assert [clients.frame().get("type") for _ in range(3)] == ["published", "published", None]


def test_a_repeated_message_is_acknowledged_and_sent_once() -> None:
    """A client without an answer sends it again, with its own id."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    first = clients.frame(clientMessageId="m1")
    assert first["clientMessageId"] == "m1"
    assert clients.frame(clientMessageId="m1") == first
    assert len(clients.chunks) == 1
    with pytest.raises(InvalidFieldError, match=r"^clientMessageId: was used"):
        clients.frame(data="another", clientMessageId="m1")


def test_a_repeated_message_is_sent_once_if_its_end_could_not_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is published again, under the same id, and its broadcast was announced already."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    with monkeypatch.context() as failing:
        failing.setattr(clients.sent, "finish", clients.sent.release)
        first = clients.frame(clientMessageId="m1")
    assert clients.frame(clientMessageId="m1") == first
    assert len(clients.chunks) == 1


def test_the_same_message_without_an_id_is_two_messages() -> None:
    """Clients may say the same twice."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")
    assert clients.frame()["id"] != clients.frame()["id"]
    assert len(clients.chunks) == 2


def test_a_message_that_failed_on_its_way_is_the_same_one_when_it_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was recorded, and the queue failed: its chunk is sent by the repetition, under the recorded id."""
    clients = Publications()
    clients.subscribe("chat/a", "bob")

    def fail(*_: object, **__: object) -> None:
        raise TransientError("the queue does not answer")

    with monkeypatch.context() as failing:
        failing.setattr(clients.express, "send_all", fail)
        with pytest.raises(TransientError):
            clients.frame(clientMessageId="m1")
    answer = clients.frame(clientMessageId="m1")
    assert [chunk.broadcast_id for chunk in clients.chunks] == [answer["id"]]
    assert clients.frame(clientMessageId="m1") == answer
    assert len(clients.chunks) == 1


def test_a_message_is_not_published_if_its_recipients_cannot_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost is unknown."""
    clients = Publications()

    def fail(*_: object) -> None:
        raise TransientError("the table does not answer")

    monkeypatch.setattr(clients.partitions, "of", fail)
    with pytest.raises(TransientError):
        clients.frame()
    assert clients.is_untouched


def test_nothing_is_published_while_functions_of_a_former_release_run() -> None:
    """They would not know the audience."""
    clients = Publications(enabled=False)
    assert clients.frame()["error"]["code"] == "NOT_YET"
    assert clients.is_untouched


def test_a_client_without_a_player_is_named_by_its_connection() -> None:
    """As in rooms."""
    clients = Publications()
    clients.player = None
    clients.subscribe("chat/a", "bob")
    clients.frame()
    assert codec.decode(clients.chunks[0].payload.open())["from"] == {"connectionId": "a="}

"""A broadcast begins: accepted, refused and repeated requests."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, override

import pytest

from functions.broadcast.publish.http import respond
from functions.broadcast.publish.publish import Publish
from loudhailer import codec, ids
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.messages import Announcement, ChunkMessage
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.publishing.counts import counts_of
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import MOST_PARTITIONS, ShortPath
from loudhailer.broadcast.search import Search
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import BroadcastId, PlayerId, RoomKey, SessionId, SessionSecret
from loudhailer.partitions.model import PartitionCount
from loudhailer.sessions.model import Session
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from tests.support.audiences import audiences, recipients
from tests.support.bad_json import UNSUPPORTED
from tests.support.broadcasts import ENDPOINT, LIFETIME, NOW, TENANT, connection, partition, report_of
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.limits import CONNECTION_SECONDS, MAX_MESSAGE_BYTES
from tests.unit.broadcast.faults import Fuse, killed, watched

NESTED = f"{'[' * 1_023}{']' * 1_023}"
ACME = Tenant(TENANT, 100, 5, 60, 60, 60, 300)
ACCEPTED = {"broadcastId": "b1", "expected": 0, "estimatedSeconds": 0.15, "priority": "bulk"}
NO_PRIORITIES: list[object] = ["now", "", None, 1, [], {}]
NO_DEADLINES: list[object] = [0, -1, LIFETIME + 1, 1.5, "5", None, True, []]
REQUEST = {"audience": {"tenantId": "acme"}, "message": "hello", "broadcastId": "b1"}


class PublishFixture:
    """The tables, the topic and the express queue; small broadcasts have so many recipients at most."""

    def __init__(self, most: int = 0, *, channels_enabled: bool = True) -> None:
        self.most = most
        self.channels_enabled = channels_enabled
        self.broadcasts = MemoryBroadcastStore()
        self.partitions = MemoryPartitionStore()
        self.connections = MemoryConnectionStore()
        self.sessions = MemorySessionStore()
        self.topic = MemoryTopic()
        self.express = MemoryQueue()
        self.now = float(NOW)
        self.tenants = MemoryTenantStore(ACME)
        self.publish = self.publish_through(lambda method, *arguments, **named: method(*arguments, **named))

    def publish_through(self, call: Callable[..., Any]) -> Publish:
        """One whose calls go through `call`."""
        broadcasts = watched(self.broadcasts, call)
        return Publish(
            CachedTenants(watched(self.tenants, call), clock=lambda: self.now),
            broadcasts,
            Publisher(
                partial(counts_of, audiences(watched(self.partitions, call))),
                broadcasts,
                Announcer(broadcasts, watched(self.topic, call), lifetime_seconds=LIFETIME, clock=lambda: self.now),
                ShortPath(
                    Search(
                        recipients(watched(self.connections, call)),
                        watched(self.sessions, call),
                        watched(MemoryDeviceStore(self.connections), call),
                        executor=AtOnce(),
                        clock=lambda: self.now,
                    ),
                    broadcasts,
                    watched(self.express, call),
                    endpoint=ENDPOINT,
                    most=self.most,
                    clock=lambda: self.now,
                ),
            ),
            posts_per_second=9_800,
            lanes=4,
            chunk_size=500,
            lifetime_seconds=LIFETIME,
            clock=lambda: self.now,
            channels_enabled=self.channels_enabled,
        )

    def connect(self, *numbers: int, in_partition: int = 0, counted: int | None = None) -> None:
        """Clients of a partition, by number, and how many of them are counted."""
        where = partition(in_partition)
        for number in numbers:
            key, at = ConnectionKey(where, connection(number)), NOW - 600
            self.connections.rows[key] = Connection(key, SessionId("s1"), at, at + CONNECTION_SECONDS)
        self.partitions.rows[where] = PartitionCount(where, len(numbers) if counted is None else counted)

    @property
    def chunks(self) -> list[ChunkMessage]:
        """Messages in the express queue."""
        return [ChunkMessage.from_wire(body) for body in self.express.bodies]

    def post(self, body: object, *, raw: bool = False) -> tuple[int, Any]:
        """The status and the body of the answer to `POST /broadcast`."""
        answer = respond(self.publish, http_event(body if raw and isinstance(body, str) else json.dumps(body)))
        assert answer["headers"] == {"content-type": "application/json", "cache-control": "no-store"}
        return answer["statusCode"], json.loads(answer["body"])

    @property
    def announced(self) -> list[Announcement]:
        """Messages on the topic."""
        return [Announcement.from_wire(body) for body in self.topic.bodies]


def http_event(body: str | None) -> dict[str, Any]:
    """The event of the HTTP API, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /broadcast",
        "rawPath": "/broadcast",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/broadcast"}},
        "isBase64Encoded": False,
    }
    return event if body is None else {**event, "body": body}


def message_of(frame_bytes: int) -> str:
    """A message whose frame has exactly so many bytes, with a broadcast id of two letters."""
    empty = len('{"type":"broadcast","id":"b1","publishedAt":1800000000000,"data":""}')
    return "x" * (frame_bytes - empty)


def test_a_broadcast_is_recorded_and_announced(counted: Counter[str]) -> None:
    """The answer is 202 with the id; the announcement has the frame and when it expires."""
    topic = PublishFixture()
    assert topic.post(REQUEST) == (202, ACCEPTED)
    (announced,) = topic.announced
    assert announced == Announcement(
        broadcast_id=BroadcastId("b1"),
        audience=OfTenant(TENANT),
        payload=Payload('{"type":"broadcast","id":"b1","publishedAt":1800000000000,"data":"hello"}'),
        published_at=NOW * 1000,
        expires_at=NOW + LIFETIME,
    )
    recorded = topic.broadcasts.summary(BroadcastId("b1"))
    assert recorded is not None
    assert recorded.announced
    assert counted == {"BroadcastPublished": 1}


def test_a_broadcast_without_an_id_gets_a_new_one_each_time() -> None:
    """Two posts are two broadcasts."""
    topic = PublishFixture()
    answers = [topic.post({"audience": {"all": True}, "message": 1}) for _ in range(2)]
    assert [status for status, _ in answers] == [202, 202]
    assert len({body["broadcastId"] for _, body in answers}) == len(topic.announced) == 2


@pytest.mark.parametrize("message", [None, False, 0, "", [], {}, {"a": [1, None]}, 1.5, "é😀\uffff\x7f"])
def test_any_json_is_a_message(message: object) -> None:
    """Null and the empty ones too."""
    topic = PublishFixture()
    assert topic.post({**REQUEST, "message": message})[0] == 202
    assert json.loads(topic.announced[0].payload.open())["data"] == message


@pytest.mark.parametrize(
    ("request_", "status", "field"),
    [
        ({"audience": {"all": True}}, 400, "message"),
        ({"message": 1}, 400, "audience"),
        ({"message": 1, "audience": None}, 400, "audience"),
        ({"message": 1, "audience": {}}, 400, "audience"),
        ({"message": 1, "audience": "all"}, 400, "audience"),
        ({"message": 1, "audience": {"planet": "earth"}}, 400, "audience"),
        ({"message": 1, "audience": {"all": False}}, 400, "audience.all"),
        ({"message": 1, "audience": {"tenantId": "a b"}}, 400, "audience.tenantId"),
        ({"message": 1, "audience": {"tenantId": "acme", "roomKey": ""}}, 400, "audience.roomKey"),
        ({"message": 1, "audience": {"tenantId": "acme", "playerId": 1}}, 400, "audience.playerId"),
        ({"message": 1, "audience": {"tenantId": "acme", "sessionId": "a.b"}}, 400, "audience.sessionId"),
        ({"message": 1, "audience": {"tenantId": "nobody"}}, 404, "audience.tenantId"),
        ({"message": 1, "audience": {"tenantId": "nobody", "roomKey": "lobby"}}, 404, "audience.tenantId"),
        ({**REQUEST, "broadcastId": None}, 400, "broadcastId"),
        ({**REQUEST, "broadcastId": ""}, 400, "broadcastId"),
        ({**REQUEST, "broadcastId": "a#b"}, 400, "broadcastId"),
        ({**REQUEST, "broadcastId": 7}, 400, "broadcastId"),
        ({**REQUEST, "ttl": 5}, 400, "ttl"),
        *(({**REQUEST, "priority": value}, 400, "priority") for value in NO_PRIORITIES),
        *(({**REQUEST, "deadlineSeconds": value}, 400, "deadlineSeconds") for value in NO_DEADLINES),
        ({**REQUEST, "requestContext": {}}, 400, "requestContext"),
        ({**REQUEST, "message": message_of(MAX_MESSAGE_BYTES + 1)}, 413, "message"),
        ({**REQUEST, "message": '"' * (MAX_MESSAGE_BYTES // 2)}, 413, "message"),
        ([], 400, "body"),
        (None, 400, "body"),
        ("hello", 400, "body"),
    ],
)
def test_a_bad_request_is_refused_with_its_field_and_sends_nothing(request_: object, status: int, field: str) -> None:
    """The body of the answer names the field; nothing is recorded under the id."""
    topic = PublishFixture()
    answered, body = topic.post(request_)
    assert (answered, body["error"]["field"]) == (status, field)
    assert body["error"]["message"].startswith(f"{field}: ")
    assert topic.announced == []
    assert topic.broadcasts.summary(BroadcastId("b1")) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"message": ...}, "message: is missing"),
        ({"audience": ...}, "audience: is missing"),
        (
            {"audience": {}},
            (
                'audience: must be {"all": true}, {"tenantId"}, '
                "or a tenantId with one of channel, roomKey, playerId, sessionId"
            ),
        ),
        ({"audience": {"all": 1}}, "audience.all: must be true"),
        ({"audience": {"tenantId": ""}}, "audience.tenantId: must be 1 to 64 letters, digits, '_' or '-'"),
        (
            {"audience": {"tenantId": "acme", "roomKey": ""}},
            "audience.roomKey: must be 1 to 128 letters, digits, '_', '.', '@' or '-'",
        ),
        ({"audience": {"tenantId": "nobody"}}, "audience.tenantId: is not a tenant"),
        ({"priority": "now"}, "priority: must be express or bulk"),
        ({"deadlineSeconds": 0}, "deadlineSeconds: must be a whole number from 1 to 300"),
        ({"x" * 70: 1}, f"{'x' * 64}: is not a field of a broadcast"),
        ({"broadcastId": "b" * 65}, "broadcastId: must be 1 to 64 letters, digits, '_' or '-'"),
        (
            {"message": message_of(MAX_MESSAGE_BYTES + 1)},
            "message: makes a frame of 131073 bytes; 131072 are the most",
        ),
    ],
)
def test_an_error_states_the_legal_values(changed: dict[str, object], message: str) -> None:
    """In one sentence, with the legal form."""
    request = {name: value for name, value in (REQUEST | changed).items() if value is not ...}
    _, body = PublishFixture().post(request)
    assert body["error"]["message"] == message


@pytest.mark.parametrize("text", ["", "{", "hello", '{"message":NaN}', "{}{}", "[1]"])
def test_invalid_json_is_refused(text: str) -> None:
    """400, and the body is named."""
    topic = PublishFixture()
    status, body = topic.post(text, raw=True)
    assert (status, body["error"]) == (400, {"field": "body", "message": "body: is not a JSON object"})
    assert topic.announced == []


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_unsupported_json_is_refused_with_its_reason(value: str, reason: str) -> None:
    """It is a JSON object, so no error denies that."""
    topic = PublishFixture()
    status, body = topic.post(f'{{"audience":{{"all":true}},"message":{value}}}', raw=True)
    assert (status, body["error"]) == (400, {"field": "body", "message": f"body: {reason}"})
    assert topic.announced == []


def test_a_request_without_a_body_is_refused() -> None:
    """API Gateway leaves the body out when there is none."""
    answer = respond(PublishFixture().publish, http_event(None))
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["field"] == "body"


@pytest.mark.parametrize("text", ["18446744073709551616", "1.10", "1E2", '{"b" :"\\u00e9","a":1}', NESTED], ids=len)
def test_a_message_is_sent_as_it_was_written(text: str) -> None:
    """To the last digit and blank: no number becomes another one, no text gets another spelling."""
    topic = PublishFixture()
    assert topic.post(f'{{"audience":{{"all":true}}, "message" : {text} }}', raw=True)[0] == 202
    assert topic.announced[0].payload.open().decode().endswith(f',"data":{text}}}')


def test_the_last_of_several_messages_is_the_message() -> None:
    """As every parser of JSON has it, whatever the name is spelled like."""
    topic = PublishFixture()
    assert topic.post('{"message":1,"audience":{"all":true},"mess\\u0061ge":2}', raw=True)[0] == 202
    assert topic.announced[0].payload.open().endswith(b',"data":2}')


def test_a_direct_invocation_keeps_integers_of_any_size() -> None:
    """Lambda's runtime has read the event by then; Python's integers have no bound."""
    topic = PublishFixture()
    assert set(respond(topic.publish, {"message": 2**64})) == ACCEPTED.keys()
    assert topic.announced[0].payload.open().endswith(b',"data":18446744073709551616}')


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_direct_invocation_refuses_values_outside_json(number: float) -> None:
    """The runtime's parser lets it through."""
    with pytest.raises(InvalidFieldError, match=r"^message: has a number beyond the range of double precision"):
        respond(PublishFixture().publish, {"message": {"n": number}})


def test_a_frame_of_exactly_128_kb_is_accepted() -> None:
    """The frame counts, not the message."""
    topic = PublishFixture()
    assert topic.post({**REQUEST, "message": message_of(MAX_MESSAGE_BYTES)}) == (202, ACCEPTED)
    assert len(topic.announced[0].payload.open()) == MAX_MESSAGE_BYTES


def test_a_body_in_base64_is_read() -> None:
    """API Gateway encodes bodies that are not text."""
    event = {**http_event(base64.b64encode(json.dumps(REQUEST).encode()).decode()), "isBase64Encoded": True}
    assert respond(PublishFixture().publish, event)["statusCode"] == 202
    event = {**http_event(base64.b64encode(b"\xff\xfe").decode()), "isBase64Encoded": True}
    assert respond(PublishFixture().publish, event)["statusCode"] == 400


def test_the_same_broadcast_twice_is_announced_once() -> None:
    """The order of the request's keys does not make it another one; the answer is the same."""
    topic = PublishFixture()
    first = {**REQUEST, "message": {"a": 1, "b": [2]}}
    again = {"broadcastId": "b1", "message": {"a": 1, "b": [2]}, "audience": {"tenantId": "acme"}}
    assert topic.post(first) == topic.post(again) == (202, ACCEPTED)
    assert len(topic.announced) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"message": "hallo"},
        {"message": ["hello"]},
        {"audience": {"all": True}},
        {"audience": {"tenantId": "acme", "roomKey": "r"}},
    ],
)
def test_the_same_id_for_other_content_is_a_conflict(other: dict[str, object]) -> None:
    """409 that names the id; the first broadcast stays, the second is not sent."""
    topic = PublishFixture()
    topic.post(REQUEST)
    status, body = topic.post({**REQUEST, **other})
    message = "broadcastId: was used for a broadcast with other content"
    assert (status, body) == (409, {"error": {"field": "broadcastId", "message": message}})
    assert len(topic.announced) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("18446744073709551616", "18446744073709551617"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("1.0", "1.00"),
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
    ],
)
def test_the_content_of_a_broadcast_is_the_bytes_of_its_message(first: str, second: str) -> None:
    """Two messages that a parser would read alike are two, since receivers get the bytes."""
    topic = PublishFixture()
    body = '{{"audience":{{"all":true}},"broadcastId":"b1","message":{}}}'
    answers = [topic.post(body.format(text), raw=True)[0] for text in (first, second, first)]
    assert answers == [202, 409, 202]
    assert len(topic.announced) == 1


def test_a_failed_topic_is_reported_as_an_error() -> None:
    """The client gets an error and may post again; then it is announced as of the first time."""
    topic = PublishFixture()
    topic.topic.down = True
    with pytest.raises(TransientError):
        topic.post(REQUEST)
    topic.topic.down = False
    topic.now += 20
    assert topic.post(REQUEST) == (202, ACCEPTED)
    assert [announced.published_at for announced in topic.announced] == [NOW * 1000]


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_repeat_after_a_kill_at_any_call_announces_the_same(*, carried_out: bool) -> None:
    """Recorded but not announced: the repeat announces it once. Announced but not noted: once more, with a new life."""
    for at in range(1, 10):
        topic = PublishFixture()
        fuse = Fuse(at, carried_out=carried_out)
        publish = topic.publish_through(fuse.call)
        finished = not killed(publish, {**REQUEST, "message": codec.JsonText('"hello"')})
        recorded = topic.broadcasts.summary(BroadcastId("b1")) is not None
        taken = len(topic.announced)
        topic.now += 20
        assert topic.post(REQUEST) == (202, ACCEPTED)
        assert len({replace(announced, expires_at=0).to_wire() for announced in topic.announced}) == 1
        assert topic.announced[-1].expires_at >= NOW + LIFETIME
        assert topic.announced[0].published_at == (NOW if recorded else NOW + 20) * 1000
        assert len(topic.announced) <= taken + 1
        if finished:
            assert len(topic.announced) == 1
            return
    pytest.fail("it never came to its end")


def test_invoked_directly_a_broadcast_is_for_everyone() -> None:
    """`{"message": ...}` is enough; an audience and an id may be given."""
    topic = PublishFixture()
    answer = respond(topic.publish, {"message": "hello"})
    assert answer == {**ACCEPTED, "broadcastId": topic.announced[0].broadcast_id}
    assert topic.announced[0].audience == Everyone()
    assert respond(topic.publish, dict(REQUEST)) == ACCEPTED
    assert topic.announced[1].audience == OfTenant(TENANT)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "message"),
        ({"message": 1, "audience": {}}, "audience"),
        ({"message": 1, "audience": {"tenantId": "nobody"}}, "audience.tenantId"),
        ({"message": "\ud800"}, "message"),
        ({"message": float("nan")}, "message"),
        ({"message": 1, "Message": 2}, "Message"),
    ],
)
def test_a_bad_direct_invocation_is_an_error_that_names_the_field(event: dict[str, Any], field: str) -> None:
    """The invoker sees the function's error; nothing is sent."""
    topic = PublishFixture()
    with pytest.raises(InvalidFieldError) as refused:
        respond(topic.publish, event)
    assert refused.value.field == field
    assert topic.announced == []


@pytest.mark.parametrize("session_key", [None, "an old key"])
def test_a_session_is_announced_by_its_tenants_new_key(session_key: str | None) -> None:
    """The tenant is remembered for a minute; a broadcast by an old hidden id would reach nobody."""
    topic, tenant = PublishFixture(), replace(ACME, session_key="a new key")
    topic.tenants.put(replace(ACME, session_key=session_key))
    topic.post(REQUEST | {"audience": {"tenantId": "acme"}, "broadcastId": "b0"})
    topic.tenants.put(tenant)
    topic.post(REQUEST | {"audience": {"tenantId": "acme", "sessionId": "secret"}})
    assert topic.announced[-1].audience == OfSession(TENANT, tenant.session_id_of(SessionSecret("secret")))


def test_a_session_is_announced_by_its_hidden_id() -> None:
    """Neither the table nor the topic learns the one that its client has; a repeat is the same broadcast."""
    topic, tenant = PublishFixture(), replace(ACME, session_key="a key")
    topic.tenants.put(tenant)
    request = REQUEST | {"audience": {"tenantId": "acme", "sessionId": "secret"}}
    assert [topic.post(request)[0] for _ in range(2)] == [202, 202]
    hidden = OfSession(TENANT, tenant.session_id_of(SessionSecret("secret")))
    assert [announcement.audience for announcement in topic.announced] == [hidden]
    assert topic.broadcasts.summary(BroadcastId("b1")).audience == hidden  # type: ignore[union-attr]  # it is there
    assert "secret" not in "".join(topic.topic.bodies)


def test_a_small_broadcast_is_fixed_and_sent_at_once(counted: Counter[str]) -> None:
    """`swarm` and `query` would have made the same rows; nothing is put on the topic."""
    topic = PublishFixture(most=3)
    topic.connect(2, 1, in_partition=0)
    topic.connect(3, in_partition=1)
    answer = {"broadcastId": "b1", "expected": 3, "estimatedSeconds": 0.05, "priority": "express"}
    assert topic.post(REQUEST) == (202, answer)
    (message,) = topic.chunks
    assert (message.broadcast_id, message.chunk_id, message.endpoint) == ("b1", "0.0", ENDPOINT)
    assert message.recipients == {partition(0): [connection(1), connection(2)], partition(1): [connection(3)]}
    assert (message.published_at, message.expires_at, message.remaining) == (NOW * 1000, NOW + LIFETIME, 0b111)
    assert message.payload.open() == b'{"type":"broadcast","id":"b1","publishedAt":1800000000000,"data":"hello"}'
    assert topic.express.groups == [message.group] == [TENANT]
    assert topic.announced == []
    report = report_of(topic.broadcasts, BroadcastId("b1"))
    assert report is not None
    assert (report.status, report.expected, report.dispatched, report.in_flight) == ("delivering", 3, 3, 3)
    source = topic.broadcasts.source(BroadcastId("b1"), 0)
    assert source is not None
    assert (source.scope, source.dispatched) == ((partition(0), partition(1)), 3)
    assert counted == {"BroadcastPublished": 1, "BroadcastExpress": 1, "RecipientDispatched": 3}


def test_a_small_broadcast_without_recipients_is_finished_at_once() -> None:
    """There is nothing to send."""
    topic = PublishFixture(most=3)
    assert topic.post(REQUEST)[1]["priority"] == "express"
    assert topic.chunks == []
    report = report_of(topic.broadcasts, BroadcastId("b1"))
    assert report is not None
    assert (report.status, report.expected, report.finished_at) == ("finished", 0, NOW * 1000)


@pytest.mark.parametrize(
    ("audience", "scope"),
    [
        ({"tenantId": "acme", "roomKey": "red"}, InRoom(TENANT, RoomKey("red"))),
        ({"tenantId": "acme", "playerId": "ann"}, OfPlayer(TENANT, PlayerId("ann"))),
        ({"tenantId": "acme", "sessionId": "s1"}, OfSession(TENANT, SessionId("s1"))),
    ],
    ids=["room", "player", "session"],
)
@pytest.mark.parametrize(("crowd", "priority"), [(3, "express"), (4, "bulk")])
def test_rooms_players_and_sessions_are_counted_as_they_are_read(
    audience: dict[str, str], scope: InRoom | OfPlayer | OfSession, crowd: int, priority: str
) -> None:
    """There are no counts of them; with one too many they go the way of all others, and the number is not known."""
    topic = PublishFixture(most=3)
    topic.connect(*range(crowd))
    keys = list(topic.connections.rows)
    topic.connections.rooms = dict.fromkeys(keys, RoomKey("red"))
    for key in keys:
        topic.connections.rows[key] = replace(topic.connections.rows[key], player_id=PlayerId("ann"))
    topic.sessions.rows[TENANT, SessionId("s1")] = Session(
        TENANT, SessionId("s1"), NOW + 900, connections=frozenset(keys)
    )
    answer = topic.post({**REQUEST, "audience": audience})[1]
    expected = crowd if priority == "express" else None
    assert (answer["priority"], answer["expected"]) == (priority, expected)
    if priority == "express":
        assert topic.chunks[0].recipients == {partition(0): [connection(number) for number in range(crowd)]}
        assert topic.broadcasts.sources(BroadcastId("b1"))[0].scope == scope
    else:
        assert [announced.audience for announced in topic.announced] == [scope]


@pytest.mark.parametrize("wanted", [None, "express"])
@pytest.mark.parametrize(
    ("counted", "there", "partitions", "note"),
    [
        (1_000_000, 1, 1, "express is for at most 3 recipients; there are 1000000"),
        (1, 4, 1, "express is for at most 3 recipients; there are more"),
        (0, 1, MOST_PARTITIONS + 1, "express is for recipients in at most 20 partitions; they are in 21"),
    ],
    ids=["by the counts", "as they were found", "in too many partitions"],
)
def test_a_large_broadcast_is_bulk_with_a_note(
    wanted: str | None, counted: int, there: int, partitions: int, note: str
) -> None:
    """A request that did not ask for express gets no note."""
    topic = PublishFixture(most=3)
    for number in range(partitions):
        topic.connect(in_partition=number, counted=0)
    topic.connect(*range(there), counted=counted)
    answer = topic.post(REQUEST if wanted is None else {**REQUEST, "priority": wanted})[1]
    assert answer["priority"] == "bulk"
    assert answer["expected"] == counted
    assert answer.get("note") == (note if wanted else None)
    assert topic.chunks == []
    assert len(topic.announced) == 1


def test_express_is_bulk_where_the_short_path_is_turned_off() -> None:
    """The answer says so."""
    topic = PublishFixture(most=0)
    topic.connect(1)
    answer = topic.post({**REQUEST, "priority": "express"})[1]
    assert (answer["priority"], answer["note"]) == ("bulk", "express is turned off")


def test_bulk_is_never_express() -> None:
    """A backend that sends much to few people leaves the express lanes to others."""
    topic = PublishFixture(most=3)
    topic.connect(1)
    answer = topic.post({**REQUEST, "priority": "bulk"})[1]
    assert answer == {"broadcastId": "b1", "expected": 1, "estimatedSeconds": 0.15, "priority": "bulk"}
    assert (len(topic.announced), topic.chunks) == (1, [])


def test_a_repeat_is_answered_with_the_priority_of_the_first() -> None:
    """Priority and deadline are no content: it is the same broadcast, and is not sent again."""
    topic = PublishFixture(most=3)
    topic.connect(1)
    first = topic.post({**REQUEST, "priority": "bulk"})[1]
    again = topic.post({**REQUEST, "priority": "express", "deadlineSeconds": 5})[1]
    assert again == {**first, "note": "it was accepted as bulk before"}
    assert topic.post({**REQUEST, "broadcastId": "b2"})[1]["priority"] == "express"
    assert topic.post({**REQUEST, "broadcastId": "b2", "priority": "bulk"})[1]["priority"] == "express"
    assert (len(topic.announced), len(topic.chunks)) == (1, 1)


@pytest.mark.parametrize(("most", "now", "expires_at"), [(0, NOW, NOW + 5), (3, NOW + 0.5, NOW + 6)])
def test_a_deadline_ends_the_broadcast(most: int, now: float, expires_at: int) -> None:
    """In whole seconds, and no sooner than it says."""
    topic = PublishFixture(most)
    topic.now = now
    topic.connect(1)
    topic.post({**REQUEST, "deadlineSeconds": 5})
    messages: list[Announcement | ChunkMessage] = [*topic.announced, *topic.chunks]
    assert [message.expires_at for message in messages] == [expires_at]


@pytest.mark.parametrize("most", [0, 3], ids=["long way", "short path"])
@pytest.mark.parametrize("repeated", [{}, {"deadlineSeconds": 60}], ids=["without a deadline", "with another one"])
def test_a_repeat_keeps_the_deadline_of_the_first_request(most: int, repeated: dict[str, int]) -> None:
    """The caller's event is over by then, although the first attempt did not reach the queue."""
    topic = PublishFixture(most)
    topic.connect(1)
    topic.topic.down = topic.express.down = True
    with pytest.raises(TransientError):
        topic.post({**REQUEST, "deadlineSeconds": 5})
    topic.topic.down = topic.express.down = False
    topic.now += 20
    assert topic.post({**REQUEST, **repeated})[0] == 202
    messages: list[Announcement | ChunkMessage] = [*topic.announced, *topic.chunks]
    assert [(message.expires_at, message.has_deadline) for message in messages] == [(NOW + 5, True)]


def test_a_broadcast_without_a_deadline_has_none_from_its_repeat() -> None:
    """Nobody chose its end when it was accepted."""
    topic = PublishFixture()
    topic.topic.down = True
    with pytest.raises(TransientError):
        topic.post(REQUEST)
    topic.topic.down = False
    assert topic.post({**REQUEST, "deadlineSeconds": 5})[0] == 202
    assert [(one.expires_at, one.has_deadline) for one in topic.announced] == [(NOW + LIFETIME, False)]


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_small_broadcast_that_was_killed_at_any_call_is_sent_by_a_repeat(*, carried_out: bool) -> None:
    """It goes to the recorded recipients, although others have come meanwhile."""
    for at in range(1, 20):
        topic = PublishFixture(most=3)
        topic.connect(1, 2)
        publish = topic.publish_through(Fuse(at, carried_out=carried_out).call)
        finished = not killed(publish, {**REQUEST, "message": codec.JsonText('"hello"')})
        recorded = topic.broadcasts.summary(BroadcastId("b1")) is not None
        topic.connect(1, 2, 3)
        expected = 2 if recorded else 3
        assert topic.post(REQUEST)[1]["expected"] == expected
        assert topic.chunks
        assert {(message.size, message.remaining) for message in topic.chunks} == {(expected, bitmaps.full(expected))}
        assert topic.announced == []
        if finished:
            assert len(topic.chunks) == 1
            return
    pytest.fail("it never came to its end")


def test_a_small_broadcast_that_was_cancelled_before_it_was_sent_fails() -> None:
    """Its report comes to an end: the worker posts nothing, and says so."""
    topic = PublishFixture(most=3)
    topic.connect(1)
    topic.express.down = True
    with pytest.raises(TransientError):
        topic.post(REQUEST)
    topic.broadcasts.cancel(BroadcastId("b1"))
    topic.express.down = False
    topic.post(REQUEST)
    assert [message.cancelled for message in topic.chunks] == [True]


@pytest.mark.parametrize("content", [{"message": "hallo"}, {"audience": {"all": True}}])
def test_the_same_id_for_other_content_is_a_conflict_on_the_short_path_too(content: dict[str, object]) -> None:
    """The first broadcast is unchanged, the second is not sent."""
    topic = PublishFixture(most=3)
    topic.connect(1)
    topic.post(REQUEST)
    assert topic.post({**REQUEST, **content})[0] == 409
    assert len(topic.chunks) == 1


def test_a_chunk_without_its_row_cannot_be_sent() -> None:
    """The broadcast is older than its report; the caller may use another id."""
    topic = PublishFixture(most=3)
    topic.connect(1)
    topic.express.down = True
    with pytest.raises(TransientError):
        topic.post(REQUEST)
    topic.express.down = False
    topic.broadcasts.chunk = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="was deleted before the chunk was sent"):
        topic.post(REQUEST)


class FirstCallOnly(AtOnce):
    """Carries out the first call; the others wait for threads that never come."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    @override
    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = Future[T]() if self.futures else super().submit(fn, *args, **kwargs)
        self.futures.append(future)
        return future


def test_reads_that_wait_are_cancelled_once_the_recipients_are_too_many() -> None:
    """In a frozen environment they would hold the threads of the next request."""
    fixture, executor = PublishFixture(), FirstCallOnly()
    for number in range(4):
        fixture.connect(*range(3), in_partition=number)
    devices = MemoryDeviceStore(fixture.connections)
    search = Search(recipients(fixture.connections), fixture.sessions, devices, executor=executor, clock=lambda: NOW)
    assert search.at_most(tuple(fixture.partitions.rows), 2) is None
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True]


@pytest.mark.parametrize("method", ["of", "in_partition", "record_small"])
def test_a_broadcast_takes_the_long_way_if_its_recipients_cannot_be_read_or_recorded_at_once(method: str) -> None:
    """Accepting a broadcast needs no more tables than it did without a short path."""
    fixture = PublishFixture(most=10)
    fixture.connect(1, 2)

    def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if function.__name__ == method:
            raise TransientError(f"{method} is throttled")
        return function(*arguments, **named)

    fixture.publish = fixture.publish_through(call)
    status, answer = fixture.post({**REQUEST, "priority": "express"})
    assert (status, answer["priority"]) == (202, "bulk")
    assert answer["note"] == "the recipients could not be read and recorded at once"
    assert answer["expected"] == (None if method == "of" else 2)
    assert [one.broadcast_id for one in fixture.announced] == ["b1"]
    assert fixture.chunks == []


def test_a_transaction_with_a_lost_answer_is_found_by_the_single_write() -> None:
    """The recorded broadcast is the small one, and its chunk is sent."""
    fixture = PublishFixture(most=10)
    fixture.connect(1, 2)

    def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        answer = function(*arguments, **named)
        if function.__name__ == "record_small":
            raise TransientError("the answer is lost")
        return answer

    fixture.publish = fixture.publish_through(call)
    status, answer = fixture.post(REQUEST)
    assert (status, answer["priority"], answer["expected"]) == (202, "express", 2)
    assert [chunk.size for chunk in fixture.chunks] == [2]
    assert fixture.announced == []


def test_the_partitions_of_a_large_deployment_are_left_to_swarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """To count them all would take longer than the request may."""
    monkeypatch.setattr("loudhailer.broadcast.publishing.counts._MOST_COUNTED", 2)
    fixture = PublishFixture(most=10)
    for number in range(3):
        fixture.connect(number, in_partition=number)
    request = {"audience": {"all": True}, "message": "hello", "broadcastId": "b1", "priority": "express"}
    status, answer = fixture.post(request)
    assert (status, answer["expected"], answer["priority"]) == (202, None, "bulk")
    assert answer["note"] == "express is for recipients in at most 20 partitions; they are in more"
    assert len(fixture.announced) == 1


@pytest.mark.parametrize(
    ("most", "fields", "long_paths"),
    [(10, {}, 1), (10, {"priority": "express"}, 1), (10, {"priority": "bulk"}, 0), (0, {"priority": "express"}, 0)],
    ids=["small", "express", "bulk", "turned off"],
)
def test_only_a_broadcast_that_may_be_small_leaves_the_short_path(
    counted: Counter[str], most: int, fields: dict[str, str], long_paths: int
) -> None:
    """The number of another broadcast's recipients is missing in its answer, and nothing else."""
    fixture = PublishFixture(most)
    fixture.partitions.of = failing  # type: ignore[method-assign]
    status, answer = fixture.post({**REQUEST, **fields})
    assert (status, answer["expected"], counted["ShortPathLeft"]) == (202, None, long_paths)
    assert len(fixture.announced) == 1


def test_a_repeat_of_a_large_broadcast_leaves_no_short_path(counted: Counter[str]) -> None:
    """It has taken its path before; that its recipients cannot be counted now changes nothing."""
    fixture = PublishFixture(most=10)
    fixture.post({**REQUEST, "priority": "bulk"})
    fixture.partitions.of = failing  # type: ignore[method-assign]
    assert fixture.post(REQUEST)[0] == 202
    assert counted["ShortPathLeft"] == 0


def failing(*_: object, **__: object) -> Any:
    """Fail to read."""
    raise TransientError("DynamoDB is down")


def test_a_repeat_reads_no_recipients() -> None:
    """The recorded broadcast has them."""
    fixture = PublishFixture(most=10)
    fixture.connect(1, 2)
    fixture.post(REQUEST)
    read: list[str] = []

    def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        read.append(function.__name__)
        return function(*arguments, **named)

    fixture.publish = fixture.publish_through(call)
    assert fixture.post(REQUEST)[1]["expected"] == 2
    assert not {"of", "in_partition", "record_small"} & {*read}
    assert len(fixture.chunks) == 1


TO_NEWS = {"audience": {"tenantId": "acme", "channel": "news/uk"}, "message": "hello", "broadcastId": "b1"}


def subscribe(fixture: PublishFixture, pattern: str, *numbers: int) -> None:
    """Connections that are subscribed to a pattern, and counted."""
    where = ids.nth_partition(ids.channel_key(ACME.tenant_id, ids.pattern(pattern)), 0)
    for number in numbers:
        key, at = ConnectionKey(where, connection(number)), NOW - 600
        fixture.connections.rows[key] = Connection(key, SessionId("s1"), at, at + CONNECTION_SECONDS)
    fixture.partitions.rows[where] = PartitionCount(where, len(numbers))


def test_a_message_to_a_channel_has_a_frame_of_its_own() -> None:
    """It names the channel, and not the pattern by which a client gets it."""
    fixture = PublishFixture()
    subscribe(fixture, "news/*", 1, 2)
    status, body = fixture.post(TO_NEWS)
    assert (status, body["expected"], body["priority"]) == (202, 2, "bulk")
    (announced,) = fixture.announced
    assert announced.audience == OfChannel(ACME.tenant_id, ids.channel("news/uk"))
    assert json.loads(announced.payload.open()) == {
        "type": "message",
        "channel": "news/uk",
        "id": "b1",
        "publishedAt": NOW * 1000,
        "data": "hello",
    }


def test_a_small_channel_takes_the_short_path_and_each_connection_is_in_it_once(counted: Counter[str]) -> None:
    """A follower of several patterns that match is counted under each of them."""
    fixture = PublishFixture(most=10)
    subscribe(fixture, "news/*", 1, 2, 3)
    subscribe(fixture, "news/uk", 3, 4)
    subscribe(fixture, "sport", 5)
    status, body = fixture.post(TO_NEWS)
    assert (status, body["priority"], body["expected"]) == (202, "express", 4)
    (chunk,) = fixture.chunks
    found = [one for ids_of in chunk.recipients.values() for one in ids_of]
    assert sorted(found) == [connection(number) for number in (1, 2, 3, 4)]
    assert counted["RecipientDispatched"] == 4


@pytest.mark.parametrize("channel", ["news/*", "a//b", "room/lobby", "", None, ["news"], "x" * 256])
def test_a_broadcast_names_one_channel(channel: object) -> None:
    """A pattern, a room and what is no name are refused, and nothing is recorded."""
    fixture = PublishFixture()
    status, body = fixture.post({**TO_NEWS, "audience": {"tenantId": "acme", "channel": channel}})
    assert (status, body["error"]["field"]) == (400, "audience.channel")
    assert fixture.broadcasts.summary(BroadcastId("b1")) is None


def test_channels_take_no_broadcasts_before_the_whole_deployment_knows_them() -> None:
    """Functions of a former release would refuse the message."""
    fixture = PublishFixture(channels_enabled=False)
    status, body = fixture.post(TO_NEWS)
    assert (status, body["error"]["field"]) == (503, "audience.channel")
    assert fixture.announced == []

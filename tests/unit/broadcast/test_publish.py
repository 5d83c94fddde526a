"""A broadcast begins: what is accepted, what is refused, and what a repeat does."""

import base64
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from functions.broadcast.publish.http import respond
from functions.broadcast.publish.publish import Publish
from loudhailer import codec
from loudhailer.broadcast.audience import Everyone, OfSession, OfTenant
from loudhailer.broadcast.messages import Announcement
from loudhailer.broadcast.payload import Payload
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import BroadcastId, SessionSecret
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from tests.support.bad_json import UNSUPPORTED
from tests.support.broadcasts import LIFETIME, NOW, TENANT
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.limits import MAX_MESSAGE_BYTES
from tests.unit.broadcast.faults import Fuse, killed, watched

NESTED = f"{'[' * 1_023}{']' * 1_023}"
ACME = Tenant(TENANT, 100, 5, 60, 60, 60, 300)
REQUEST = {"audience": {"tenantId": "acme"}, "message": "hello", "broadcastId": "b1"}


class PublishFixture:
    """The tables and the topic."""

    def __init__(self) -> None:
        self.broadcasts = MemoryBroadcastStore()
        self.topic = MemoryTopic()
        self.now = float(NOW)
        self.tenants = MemoryTenantStore(ACME)
        self.publish = Publish(
            CachedTenants(self.tenants, clock=lambda: self.now),
            self.broadcasts,
            self.topic,
            lifetime_seconds=LIFETIME,
            clock=lambda: self.now,
        )

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
    assert topic.post(REQUEST) == (202, {"broadcastId": "b1"})
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
            'audience: must be {"all": true}, {"tenantId"}, or a tenantId with one of roomKey, playerId, sessionId',
        ),
        ({"audience": {"all": 1}}, "audience.all: must be true"),
        ({"audience": {"tenantId": ""}}, "audience.tenantId: must be 1 to 64 letters, digits, '_' or '-'"),
        (
            {"audience": {"tenantId": "acme", "roomKey": ""}},
            "audience.roomKey: must be 1 to 128 letters, digits, '_', '.', '@' or '-'",
        ),
        ({"audience": {"tenantId": "nobody"}}, "audience.tenantId: is not a tenant"),
        ({"x" * 70: 1}, f"{'x' * 64}: is not a field of a broadcast"),
        ({"broadcastId": "b" * 65}, "broadcastId: must be 1 to 64 letters, digits, '_' or '-'"),
        (
            {"message": message_of(MAX_MESSAGE_BYTES + 1)},
            "message: makes a frame of 131073 bytes; 131072 are the most",
        ),
    ],
)
def test_an_error_states_the_legal_values(changed: dict[str, object], message: str) -> None:
    """In one sentence, with what is legal."""
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
    """To the last digit and blank: no number becomes another one, no text is spelled anew."""
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
    assert set(respond(topic.publish, {"message": 2**64})) == {"broadcastId"}
    assert topic.announced[0].payload.open().endswith(b',"data":18446744073709551616}')


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_direct_invocation_refuses_values_outside_json(number: float) -> None:
    """The runtime's parser lets it through."""
    with pytest.raises(InvalidFieldError, match=r"^message: has a number beyond the range of double precision"):
        respond(PublishFixture().publish, {"message": {"n": number}})


def test_a_frame_of_exactly_128_kb_is_accepted() -> None:
    """The frame counts, not the message."""
    topic = PublishFixture()
    assert topic.post({**REQUEST, "message": message_of(MAX_MESSAGE_BYTES)}) == (202, {"broadcastId": "b1"})
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
    assert topic.post(first) == topic.post(again) == (202, {"broadcastId": "b1"})
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
    assert topic.post(REQUEST) == (202, {"broadcastId": "b1"})
    assert [announced.published_at for announced in topic.announced] == [NOW * 1000]


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_repeat_after_a_kill_at_any_call_announces_the_same(*, carried_out: bool) -> None:
    """Recorded but not announced: the repeat announces it once. Announced but not noted: once more, with a new life."""
    for at in range(1, 10):
        topic = PublishFixture()
        fuse = Fuse(at, carried_out=carried_out)
        publish = Publish(
            CachedTenants(watched(MemoryTenantStore(ACME), fuse.call), clock=lambda: NOW),
            watched(topic.broadcasts, fuse.call),
            watched(topic.topic, fuse.call),
            lifetime_seconds=LIFETIME,
            clock=lambda: NOW,
        )
        finished = not killed(publish, {**REQUEST, "message": codec.JsonText('"hello"')})
        recorded = topic.broadcasts.summary(BroadcastId("b1")) is not None
        taken = len(topic.announced)
        topic.now += 20
        assert topic.post(REQUEST) == (202, {"broadcastId": "b1"})
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
    assert answer == {"broadcastId": topic.announced[0].broadcast_id}
    assert topic.announced[0].audience == Everyone()
    assert respond(topic.publish, dict(REQUEST)) == {"broadcastId": "b1"}
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

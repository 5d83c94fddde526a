"""The answer to a frame that no route takes, and the end of a session that sends too many."""

from collections import Counter
from typing import Any

import pytest

from functions.messaging.default_route.default_route import DefaultRoute
from loudhailer.codec import decode
from loudhailer.errors import ErrorCode, TransientError
from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.attempts import Attempts
from loudhailer.limits.model import others_of_session
from loudhailer.websocket.replies import ACTIONS, error_frame
from tests.support.bad_json import UNSUPPORTED
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.unit.messaging.websocket.events import NOW, SESSION, TENANT, event

FLIGHT = {"action": "fly"}
REFUSED = {
    "statusCode": 200,
    "body": error_frame(
        ErrorCode.UNKNOWN_ACTION,
        "the frame's action is unknown",
        connection_id=event(FLIGHT)["requestContext"]["connectionId"],
        request_id="r=1",
        actions=ACTIONS,
    ),
}


class DefaultRouteFixture:
    """A session, and the function on twins."""

    def __init__(self) -> None:
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.reached: list[TenantId] = []
        self.now = NOW
        self.open(SESSION)
        self.route = DefaultRoute(self._attempts_of, clock=lambda: self.now)

    def open(self, session: SessionId) -> None:
        """Open a session."""
        self.sessions.renew(TENANT, session, player=None, expires_at=NOW + 300, now=NOW)

    def _attempts_of(self, tenant: TenantId) -> Attempts:
        self.reached.append(tenant)
        return Attempts(self.sessions, self.limits)

    def send(
        self, frame: object, times: int = 1, session: SessionId = SESSION, *, limit: int = 60
    ) -> list[dict[str, Any]]:
        """The responses to a frame that a session sends so often, at so many messages a minute."""
        context = {"messagesPerMinute": str(limit), "sessionId": session}
        return [self.route(event(frame, context=context)) for _ in range(times)]

    @property
    def counted(self) -> int:
        """The frames of the session that are counted in this minute."""
        return self.limits.minutes[others_of_session(TENANT, SESSION).key(self.now)]

    def is_open(self, session: SessionId = SESSION) -> bool:
        """Tell whether the session exists."""
        return self.sessions.get(TENANT, session) is not None


@pytest.fixture
def client() -> DefaultRouteFixture:
    """A session that has sent nothing yet."""
    return DefaultRouteFixture()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("hello", "NOT_JSON"),
        ("", "NOT_JSON"),
        ("[1]", "NOT_JSON"),
        ("{}", "NO_ACTION"),
        ('{"action":7}', "NO_ACTION"),
        ('{"action":"fly"}', "UNKNOWN_ACTION"),
    ],
)
def test_a_malformed_frame_is_answered_with_its_error(
    client: DefaultRouteFixture, body: str, code: str, counted: Counter[str]
) -> None:
    """The reply names the connection and the request, and the legal actions, so that the client's author sees them."""
    (reply,) = client.send(body)
    frame = decode(reply["body"])
    assert reply["statusCode"] == 200
    assert frame["error"].pop("message")
    actions = ["joinroom", "sendmessage", "subscribe", "unsubscribe", "publish", "SiloSQS", "PooledSQS", "ping"]
    connection = event(body)["requestContext"]["connectionId"]
    assert frame == {"error": {"code": code, "actions": actions}, "connectionId": connection, "requestId": "r=1"}
    assert counted["FrameRefused"] == 1


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_an_unsupported_frame_is_answered_with_its_reason(client: DefaultRouteFixture, value: str, reason: str) -> None:
    """It is a JSON object, so no error denies that."""
    error = decode(client.send(f'{{"action":"fly","data":{value}}}')[0]["body"])["error"]
    assert (error["code"], error["message"]) == ("UNSUPPORTED_JSON", f"the frame {reason}")


@pytest.mark.parametrize("shape", [{}, {"requestContext": {"connectionId": "a="}}], ids=["empty", "no-authorizer"])
def test_an_event_of_unknown_shape_is_answered(client: DefaultRouteFixture, shape: Any, counted: Counter[str]) -> None:
    """An error here would tell the client nothing; nobody can say whose frame it is, so it is not counted."""
    assert decode(client.route(shape)["body"])["error"]["code"] == "NOT_JSON"
    assert decode(client.route({**shape, "body": '{"action":"fly"}'})["body"])["error"]["code"] == "UNKNOWN_ACTION"
    assert client.reached == []
    assert counted["CallerUnknown"] == 2


def test_few_frames_cost_nothing(client: DefaultRouteFixture) -> None:
    """Nine in each of two minutes: no write, and no credentials of the tenant."""
    for _ in range(2):
        assert client.send(FLIGHT, 9) == [REFUSED] * 9
        client.now += 60
    assert client.reached == []
    assert client.limits.minutes == {}


def test_frames_are_counted_by_tens(client: DefaultRouteFixture) -> None:
    """One write for ten of a session; another session's are its own."""
    client.open(SessionId("session-2"))
    client.send(FLIGHT, 15)
    client.send(FLIGHT, 9, SessionId("session-2"))
    client.send("nonsense", 14)
    assert client.counted == 20
    assert len(client.reached) == 2


def test_fifteen_hundred_frames_end_the_session(client: DefaultRouteFixture, counted: Counter[str]) -> None:
    """At 60 messages a minute: they are answered up to ten times that, and cost no write once the session is ended."""
    client.open(SessionId("session-2"))
    responses = client.send(FLIGHT, 1_500)
    assert responses[:600] == [REFUSED] * 600
    assert not client.is_open()
    assert responses.count(REFUSED) == 609
    assert responses[609:] == [{"statusCode": 200}] * 891
    assert client.counted == 610
    assert counted["SessionFlooded"] == 1
    assert counted["FrameThrottled"] == 891
    assert client.is_open(SessionId("session-2"))
    assert client.send(FLIGHT, 1, SessionId("session-2")) == [REFUSED]


@pytest.mark.parametrize(
    ("limit", "answered"), [(0, 1), (1, 11), (2, 22), (3, 33), (7, 77), (9, 99), (10, 110), (11, 120), (60, 610)]
)
def test_a_session_with_a_small_limit_is_ended_by_it(client: DefaultRouteFixture, limit: int, answered: int) -> None:
    """Not by fewer frames than ten times its limit, and by one count more at most: of one a minute that is one."""
    responses = client.send(FLIGHT, answered + 5, limit=limit)
    assert responses[: answered - 1] == [REFUSED] * (answered - 1)
    assert responses[answered - 1 :] == [{"statusCode": 200}] * 6
    assert not client.is_open()


def test_malformed_frames_count_towards_a_flood(client: DefaultRouteFixture) -> None:
    """Every attempt counts, whatever is wrong with it."""
    for body in ("not json", "{}", "[1]", FLIGHT):
        client.send(body, 155)
    assert not client.is_open()


def test_a_recreated_session_is_answered_in_the_next_minute(client: DefaultRouteFixture) -> None:
    """The counts of the minute before do not matter."""
    client.send(FLIGHT, 700)
    client.open(SESSION)
    assert client.send(FLIGHT) == [{"statusCode": 200}]
    client.now += 60
    assert client.send(FLIGHT) == [REFUSED]
    assert client.is_open()


def test_a_frame_that_cannot_be_counted_is_answered(
    client: DefaultRouteFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """A client gets the error of its frame although a table is down."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    monkeypatch.setattr(client.limits, "count_in_minute", fail)
    assert client.send(FLIGHT, 20) == [REFUSED] * 20
    assert counted["FrameUncounted"] == 20
    assert client.is_open()

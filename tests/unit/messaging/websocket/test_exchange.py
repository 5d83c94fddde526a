"""Checks that every frame passes before its request is carried out."""

from collections import Counter
from typing import Any

import pytest

from loudhailer.codec import decode
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import PlayerId, SessionId
from loudhailer.limits.model import frames_of_session, messages_of_player
from loudhailer.sessions.model import Session
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Exchange, Frame, TenantResponder
from tests.support.bad_json import UNSUPPORTED
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.unit.messaging.websocket.events import KEY, NOW, PLAYER, SESSION, TENANT, event


class ExchangeFixture:
    """An exchange on twins; `answer` is what the route says, or the error that it raises."""

    def __init__(self) -> None:
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.now = NOW
        self.answer: str | Exception | None = "answered"
        self.heard: list[tuple[Caller, Frame]] = []
        self.open(SESSION, PLAYER)
        self.responder = TenantResponder(self.sessions, self.limits, self._respond)

    def open(self, session: SessionId, player: PlayerId | None) -> None:
        """Open a session that lives for as long as the tenant lets it."""
        self.sessions.rows[TENANT, session] = Session(TENANT, session, NOW + 300, player, frozenset({KEY}))

    def send(self, frame: object, **context: str | None) -> Any:
        """The frame that answers a client's; None if none does."""
        exchange = Exchange(lambda _: self.responder, clock=lambda: self.now)
        response = exchange(event(frame, context=context))
        assert response.pop("statusCode") == 200
        return decode(response["body"]) if response.get("body", "")[:1] == "{" else response.get("body")

    def _respond(self, caller: Caller, frame: Frame) -> str | None:
        self.heard.append((caller, frame))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def exchanges() -> ExchangeFixture:
    """A session that is bound to a player, before any frame."""
    return ExchangeFixture()


TEXTS = {
    "NOT_JSON": "the frame is not a JSON object",
    "CONNECTION_OVER": "the connection is not recorded any more: connect again",
    "SESSION_OVER": "the session is over",
    "TRY_AGAIN": "this did not work now: try again",
    "UNKNOWN_CALLER": "the connection is not known here: connect again",
}
"""The text of each error."""


def code(frame: Any) -> str:
    """The code of an error frame, which names the connection and the request."""
    assert (frame["connectionId"], frame["requestId"]) == (KEY.connection_id, "r=1")
    assert frame["error"]["message"] == TEXTS.get(frame["error"]["code"], frame["error"]["message"])
    return str(frame["error"]["code"])


def test_a_frame_is_answered_by_its_route(exchanges: ExchangeFixture) -> None:
    """The route gets the caller and the frame."""
    assert exchanges.send({"action": "sendmessage"}) == "answered"
    assert exchanges.heard == [(Caller.of(event({})), {"action": "sendmessage"})]


def test_a_route_may_send_no_answer(exchanges: ExchangeFixture) -> None:
    """The response has no body then, and API Gateway sends nothing back."""
    exchanges.answer = None
    assert exchanges.send({}) is None


@pytest.mark.parametrize("body", ["", "hello", "[1]", '"x"', "null", '{"a":'])
def test_a_frame_that_is_not_an_object_is_refused(exchanges: ExchangeFixture, body: str) -> None:
    """Its route never sees it."""
    assert code(exchanges.send(body)) == "NOT_JSON"
    assert exchanges.heard == []


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_an_unsupported_frame_is_refused_with_its_reason(exchanges: ExchangeFixture, value: str, reason: str) -> None:
    """It is a JSON object, so no error denies that."""
    error = exchanges.send(f'{{"message":{value}}}')["error"]
    assert error == {"code": "UNSUPPORTED_JSON", "message": f"the frame {reason}"}
    assert exchanges.heard == []


def test_the_message_for_others_reaches_its_route_unparsed(exchanges: ExchangeFixture) -> None:
    """Everything else is decoded."""
    exchanges.send('{"message": 18446744073709551616, "content" : "\\u00e9" ,"roomKey":"\\u0061"}')
    ((_, frame),) = exchanges.heard
    assert frame == {"message": "18446744073709551616", "content": '"\\u00e9"', "roomKey": "a"}


def test_an_event_without_a_caller_is_answered_with_an_error(exchanges: ExchangeFixture, counted: Counter[str]) -> None:
    """The client should connect again."""
    assert code(exchanges.send({}, partition=None)) == "UNKNOWN_CALLER"
    assert exchanges.heard == []
    assert counted["CallerUnknown"] == 1


def test_the_messages_of_a_player_are_limited_by_the_minute(exchanges: ExchangeFixture, counted: Counter[str]) -> None:
    """Over that it gets an error, as in the echo; the next minute starts again."""
    assert [exchanges.send({}) for _ in range(3)] == ["answered"] * 3
    assert exchanges.send({}) == {
        "message": "Too Many Requests",
        "connectionId": KEY.connection_id,
        "requestId": "r=1",
    }
    assert len(exchanges.heard) == 3
    exchanges.now += 60
    assert exchanges.send({}) == "answered"
    assert counted == {"FrameThrottled": 1}


def test_a_players_sessions_share_its_limit(exchanges: ExchangeFixture) -> None:
    """Another player of the tenant has one of its own."""
    other, third = SessionId("session-2"), SessionId("session-3")
    exchanges.open(other, PLAYER)
    exchanges.open(third, PlayerId("2"))
    for session in (SESSION, other, SESSION):
        assert exchanges.send({}, sessionId=session) == "answered"
    assert exchanges.send({}, sessionId=other)["message"] == "Too Many Requests"
    assert exchanges.send({}, sessionId=third, playerId="2") == "answered"


def test_a_session_without_a_player_has_a_limit_of_its_own(exchanges: ExchangeFixture) -> None:
    """Even if the session is called like a player."""
    anonymous = SessionId(PLAYER)
    exchanges.open(anonymous, None)
    for _ in range(3):
        assert exchanges.send({}, sessionId=anonymous, playerId=None) == "answered"
    assert exchanges.send({}, sessionId=anonymous, playerId=None)["message"] == "Too Many Requests"
    assert exchanges.send({}) == "answered"


def test_thirteen_hundred_messages_end_the_session(exchanges: ExchangeFixture, counted: Counter[str]) -> None:
    """At 60 a minute 60 are carried out, 540 get the error Too Many Requests, and the rest gets no answer."""
    answers = Counter(str(exchanges.send({}, messagesPerMinute="60")) for _ in range(1_300))
    too_many = {"message": "Too Many Requests", "connectionId": KEY.connection_id, "requestId": "r=1"}
    assert answers == {"answered": 60, str(too_many): 540, "None": 700}
    assert (TENANT, SESSION) not in exchanges.sessions.rows
    assert exchanges.limits.minutes[frames_of_session(TENANT, SESSION).key(NOW)] == 601
    assert (counted["SessionFlooded"], counted["FrameThrottled"]) == (1, 1_240)


def test_refused_frames_of_a_session_do_not_count_for_its_player(exchanges: ExchangeFixture) -> None:
    """The player's other session has the rest."""
    other = SessionId("session-2")
    exchanges.open(other, PLAYER)
    for _ in range(2):
        exchanges.send({}, sessionId=other)
    for _ in range(10):
        exchanges.send({})
    assert exchanges.limits.minutes[messages_of_player(TENANT, PLAYER).key(NOW)] == 5
    exchanges.now += 60
    for _ in range(20):
        exchanges.send({})
    assert exchanges.limits.minutes[messages_of_player(TENANT, PLAYER).key(exchanges.now)] == 3


def test_a_malformed_frame_is_counted(exchanges: ExchangeFixture) -> None:
    """It costs as much as any other."""
    assert [code(exchanges.send("nonsense")) for _ in range(3)] == ["NOT_JSON"] * 3
    assert exchanges.send({})["message"] == "Too Many Requests"
    for _ in range(27):
        exchanges.send("nonsense")
    assert (TENANT, SESSION) not in exchanges.sessions.rows


def test_a_frame_keeps_its_session_alive(exchanges: ExchangeFixture) -> None:
    """For as long as the tenant lets it live."""
    exchanges.now += 100
    exchanges.send({})
    assert exchanges.sessions.rows[TENANT, SESSION].expires_at == exchanges.now + 300


@pytest.mark.parametrize("ended", ["deleted", "expired"])
def test_frames_of_an_ended_session_are_refused(exchanges: ExchangeFixture, ended: str, counted: Counter[str]) -> None:
    """However it ended; and nothing brings it back."""
    if ended == "deleted":
        exchanges.sessions.rows.clear()
    else:
        exchanges.now += 300
    before = dict(exchanges.sessions.rows)
    assert code(exchanges.send({})) == "SESSION_OVER"
    assert (exchanges.heard, counted["FrameRefused"]) == ([], 1)
    assert exchanges.sessions.rows == before


@pytest.mark.parametrize("player", [PLAYER, PlayerId("2"), None])
def test_a_connection_of_the_former_session_is_refused(
    exchanges: ExchangeFixture, player: PlayerId | None, counted: Counter[str]
) -> None:
    """Whatever its new owner: the old connection's frames are not the new session's."""
    exchanges.sessions.rows[TENANT, SESSION] = Session(TENANT, SESSION, NOW + 300, player)
    assert code(exchanges.send({})) == "CONNECTION_OVER"
    assert (exchanges.heard, counted["FrameRefused"]) == ([], 1)


def test_an_invalid_field_is_reported_by_name(exchanges: ExchangeFixture) -> None:
    """With the field's name, and not its value."""
    exchanges.answer = InvalidFieldError("destinationPlayerId", "must be legal")
    frame = exchanges.send({})
    assert code(frame) == "INVALID_FIELD"
    assert frame["error"]["message"] == "destinationPlayerId: must be legal"


def test_a_transient_failure_asks_for_a_retry(exchanges: ExchangeFixture, counted: Counter[str]) -> None:
    """The client gets an error, and the failure is counted."""
    exchanges.answer = TransientError("the table is down")
    assert code(exchanges.send({})) == "TRY_AGAIN"
    assert counted["FrameFailed"] == 1

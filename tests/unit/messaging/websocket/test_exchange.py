"""Checks that every frame passes before it does what it asks for."""

from collections import Counter
from typing import Any

import pytest

from loudhailer.codec import decode
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import PlayerId, SessionId
from loudhailer.limits.model import frames_of_session, messages_of_player
from loudhailer.sessions.model import Session
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Exchange, Frame, Part
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
        self.answer: str | Exception | None = "said"
        self.heard: list[tuple[Caller, Frame]] = []
        self.open(SESSION, PLAYER)
        self.part = Part(self.sessions, self.limits, self._respond)

    def open(self, session: SessionId, player: PlayerId | None) -> None:
        """Open a session that lives for as long as the tenant lets it."""
        self.sessions.rows[TENANT, session] = Session(TENANT, session, NOW + 300, player, frozenset({KEY}))

    def send(self, frame: object, **context: str | None) -> Any:
        """The frame that answers a client's; None if none does."""
        exchange = Exchange(lambda _: self.part, clock=lambda: self.now)
        response = exchange(event(frame, context=context))
        assert response.pop("statusCode") == 200
        return decode(response["body"]) if response.get("body", "")[:1] == "{" else response.get("body")

    def _respond(self, caller: Caller, frame: Frame) -> str | None:
        self.heard.append((caller, frame))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def world() -> ExchangeFixture:
    """A session that is bound to a player, and nothing said yet."""
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


def test_a_frame_is_answered_by_its_route(world: ExchangeFixture) -> None:
    """The route gets the caller and the frame."""
    assert world.send({"action": "sendmessage"}) == "said"
    assert world.heard == [(Caller.of(event({})), {"action": "sendmessage"})]


def test_a_route_may_have_nothing_to_say(world: ExchangeFixture) -> None:
    """Then there is no body, and API Gateway sends nothing back."""
    world.answer = None
    assert world.send({}) is None


@pytest.mark.parametrize("body", ["", "hello", "[1]", '"x"', "null", '{"a":'])
def test_a_frame_that_is_no_object_is_refused(world: ExchangeFixture, body: str) -> None:
    """Its route never sees it."""
    assert code(world.send(body)) == "NOT_JSON"
    assert world.heard == []


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_a_frame_that_is_not_supported_is_refused_for_the_true_reason(
    world: ExchangeFixture, value: str, reason: str
) -> None:
    """It is a JSON object, so nobody is told that it is none."""
    error = world.send(f'{{"message":{value}}}')["error"]
    assert error == {"code": "UNSUPPORTED_JSON", "message": f"the frame {reason}"}
    assert world.heard == []


def test_what_others_are_to_get_reaches_its_route_as_it_was_written(world: ExchangeFixture) -> None:
    """Everything else is decoded."""
    world.send('{"message": 18446744073709551616, "content" : "\\u00e9" ,"roomKey":"\\u0061"}')
    ((_, frame),) = world.heard
    assert frame == {"message": "18446744073709551616", "content": '"\\u00e9"', "roomKey": "a"}


def test_an_event_that_does_not_say_who_calls_is_answered_with_an_error(
    world: ExchangeFixture, counted: Counter[str]
) -> None:
    """Whoever it is should connect again."""
    assert code(world.send({}, partition=None)) == "UNKNOWN_CALLER"
    assert world.heard == []
    assert counted["CallerUnknown"] == 1


def test_a_player_may_send_so_many_messages_a_minute(world: ExchangeFixture, counted: Counter[str]) -> None:
    """Over that it is told so, as in the echo; the next minute begins anew."""
    assert [world.send({}) for _ in range(3)] == ["said"] * 3
    assert world.send({}) == {
        "message": "Too Many Requests",
        "connectionId": KEY.connection_id,
        "requestId": "r=1",
    }
    assert len(world.heard) == 3
    world.now += 60
    assert world.send({}) == "said"
    assert counted == {"FrameThrottled": 1}


def test_a_players_sessions_share_its_limit(world: ExchangeFixture) -> None:
    """Another player of the tenant has one of its own."""
    other, third = SessionId("session-2"), SessionId("session-3")
    world.open(other, PLAYER)
    world.open(third, PlayerId("2"))
    for session in (SESSION, other, SESSION):
        assert world.send({}, sessionId=session) == "said"
    assert world.send({}, sessionId=other)["message"] == "Too Many Requests"
    assert world.send({}, sessionId=third, playerId="2") == "said"


def test_without_a_player_the_limit_is_the_sessions(world: ExchangeFixture) -> None:
    """Even if the session is called like a player."""
    anonymous = SessionId(PLAYER)
    world.open(anonymous, None)
    for _ in range(3):
        assert world.send({}, sessionId=anonymous, playerId=None) == "said"
    assert world.send({}, sessionId=anonymous, playerId=None)["message"] == "Too Many Requests"
    assert world.send({}) == "said"


def test_thirteen_hundred_messages_end_the_session(world: ExchangeFixture, counted: Counter[str]) -> None:
    """At 60 a minute 60 are carried out, 540 are told that they are too many, and the rest is not worth a frame."""
    answers = Counter(str(world.send({}, messagesPerMinute="60")) for _ in range(1_300))
    too_many = {"message": "Too Many Requests", "connectionId": KEY.connection_id, "requestId": "r=1"}
    assert answers == {"said": 60, str(too_many): 540, "None": 700}
    assert (TENANT, SESSION) not in world.sessions.rows
    assert world.limits.minutes[frames_of_session(TENANT, SESSION).key(NOW)] == 601
    assert (counted["SessionFlooded"], counted["FrameThrottled"]) == (1, 1_240)


def test_what_a_session_is_refused_does_not_count_for_its_player(world: ExchangeFixture) -> None:
    """The player's other session is let through with what is left."""
    other = SessionId("session-2")
    world.open(other, PLAYER)
    for _ in range(2):
        world.send({}, sessionId=other)
    for _ in range(10):
        world.send({})
    assert world.limits.minutes[messages_of_player(TENANT, PLAYER).key(NOW)] == 5
    world.now += 60
    for _ in range(20):
        world.send({})
    assert world.limits.minutes[messages_of_player(TENANT, PLAYER).key(world.now)] == 3


def test_a_frame_that_makes_no_sense_counts(world: ExchangeFixture) -> None:
    """It costs as much as any other."""
    assert [code(world.send("nonsense")) for _ in range(3)] == ["NOT_JSON"] * 3
    assert world.send({})["message"] == "Too Many Requests"
    for _ in range(27):
        world.send("nonsense")
    assert (TENANT, SESSION) not in world.sessions.rows


def test_a_frame_keeps_its_session_alive(world: ExchangeFixture) -> None:
    """For as long as the tenant lets it live."""
    world.now += 100
    world.send({})
    assert world.sessions.rows[TENANT, SESSION].expires_at == world.now + 300


@pytest.mark.parametrize("ended", ["deleted", "expired"])
def test_a_session_that_is_over_has_no_say(world: ExchangeFixture, ended: str, counted: Counter[str]) -> None:
    """However it ended; and nothing brings it back."""
    if ended == "deleted":
        world.sessions.rows.clear()
    else:
        world.now += 300
    before = dict(world.sessions.rows)
    assert code(world.send({})) == "SESSION_OVER"
    assert (world.heard, counted["FrameRefused"]) == ([], 1)
    assert world.sessions.rows == before


@pytest.mark.parametrize("player", [PLAYER, PlayerId("2"), None])
def test_a_connection_of_a_session_that_was_made_anew_has_no_say(
    world: ExchangeFixture, player: PlayerId | None, counted: Counter[str]
) -> None:
    """Whoever has it now: what the old connection sends is not the new session's."""
    world.sessions.rows[TENANT, SESSION] = Session(TENANT, SESSION, NOW + 300, player)
    assert code(world.send({})) == "CONNECTION_OVER"
    assert (world.heard, counted["FrameRefused"]) == ([], 1)


def test_what_a_route_finds_wrong_with_a_field_is_said(world: ExchangeFixture) -> None:
    """With the field's name, and not its value."""
    world.answer = InvalidFieldError("destinationPlayerId", "must be legal")
    frame = world.send({})
    assert code(frame) == "INVALID_FIELD"
    assert frame["error"]["message"] == "destinationPlayerId: must be legal"


def test_what_fails_for_now_may_be_tried_again(world: ExchangeFixture, counted: Counter[str]) -> None:
    """The client is told so, and the failure is counted."""
    world.answer = TransientError("the table is down")
    assert code(world.send({})) == "TRY_AGAIN"
    assert counted["FrameFailed"] == 1

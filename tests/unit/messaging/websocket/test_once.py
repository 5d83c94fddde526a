"""Frames that clients send again."""

from collections import Counter
from typing import Any

import pytest

from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.once import Once
from tests.support.fakes.sent import MemorySentStore
from tests.unit.messaging.websocket.events import NOW, event

FRAME = {"action": "sendmessage", "destinationPlayerId": "2", "message": "Hello", "clientMessageId": "m-1"}


class OnceFixture:
    """A store, and what was carried out."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.done: list[Caller] = []
        self.fails = False
        self.refusal: str | None = None
        self.sent = MemorySentStore()
        self._once = Once(self.sent, clock=lambda: self.now)

    def send(self, frame: dict[str, Any], **parts: Any) -> Caller:
        """The caller that the frame is answered as."""
        first, refusal = self._once(Caller.of(event({}, **parts)), frame, self._carry_out)
        assert refusal == self.refusal
        return first

    def _carry_out(self, caller: Caller) -> str | None:
        if self.fails:
            raise TransientError("the table is down")
        if self.refusal is None:
            self.done.append(caller)
        return self.refusal


@pytest.fixture
def world() -> OnceFixture:
    """Nothing was sent yet."""
    return OnceFixture()


def test_a_frame_without_an_id_is_a_message_each_time(world: OnceFixture) -> None:
    """As before clients could give ids."""
    frame = {key: value for key, value in FRAME.items() if key != "clientMessageId"}
    callers = [world.send(frame, request_id=request) for request in ("r1", "r2")]
    assert world.done == callers
    assert [caller.request_id for caller in callers] == ["r1", "r2"]


def test_a_retry_is_the_same_message(world: OnceFixture, counted: Counter[str]) -> None:
    """It is carried out once, and each attempt is answered as the first one."""
    first = world.send(FRAME, request_id="r1", received_at=NOW * 1_000)
    again = world.send(dict(reversed(FRAME.items())), request_id="r2", received_at=NOW * 1_000 + 900)
    assert world.done == [first]
    assert again == first
    assert counted["MessageSentAgain"] == 1


def test_a_retry_with_other_content_is_refused(world: OnceFixture) -> None:
    """An id is for one message."""
    world.send(FRAME)
    with pytest.raises(InvalidFieldError, match=r"^clientMessageId: was used for another message$"):
        world.send(FRAME | {"message": "Goodbye"})
    assert len(world.done) == 1


def test_a_message_that_failed_goes_on_as_its_first_attempt(world: OnceFixture) -> None:
    """It may be carried out in part, so it keeps its time and its request."""
    world.fails = True
    with pytest.raises(TransientError, match="the table is down"):
        world.send(FRAME, request_id="r1", received_at=NOW * 1_000)
    world.fails = False
    world.send(FRAME, request_id="r2", received_at=NOW * 1_000 + 500)
    assert [(caller.request_id, caller.received_at) for caller in world.done] == [("r1", NOW * 1_000)]


def test_what_is_refused_may_be_sent_again(world: OnceFixture) -> None:
    """An inbox that is full may have room later."""
    world.refusal = "full"
    world.send(FRAME, request_id="r1")
    assert world.done == []
    world.refusal = None
    world.send(FRAME, request_id="r2")
    world.send(FRAME, request_id="r3")
    assert len(world.done) == 1


def test_an_attempt_that_died_is_left_fifteen_seconds(world: OnceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still be at work; the client is told to try again."""
    with monkeypatch.context() as patched:
        patched.setattr(world.sent, "finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            world.send(FRAME, request_id="r1")
    with pytest.raises(TransientError, match="still at work"):
        world.send(FRAME, request_id="r2")
    world.now += 15
    world.send(FRAME, request_id="r3")
    assert [caller.request_id for caller in world.done] == ["r1", "r1"]


def _killed(_attempt: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a#b", "ü", None, 5, ["m"], {}, True])
def test_an_id_that_is_not_legal_is_refused(world: OnceFixture, bad: Any) -> None:
    """Nothing is carried out."""
    with pytest.raises(InvalidFieldError, match=r"^clientMessageId: must be 1 to 64 letters"):
        world.send(FRAME | {"clientMessageId": bad})
    assert world.done == []


def test_each_sender_has_ids_of_its_own(world: OnceFixture) -> None:
    """The player, whatever its session; the session where it is bound to no player."""
    unbound = {"playerId": None}
    world.send(FRAME)
    world.send(FRAME, context={"playerId": "3"})
    world.send(FRAME, context=unbound)
    world.send(FRAME, context=unbound | {"sessionId": "another"})
    assert len(world.done) == 4
    world.send(FRAME, context={"sessionId": "another"})
    assert len(world.done) == 4

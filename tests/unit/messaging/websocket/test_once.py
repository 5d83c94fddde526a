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
    """A store, and the messages that were carried out."""

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
def messages() -> OnceFixture:
    """Nothing was sent yet."""
    return OnceFixture()


def test_each_frame_without_an_id_is_a_new_message(messages: OnceFixture) -> None:
    """As before clients could give ids."""
    frame = {key: value for key, value in FRAME.items() if key != "clientMessageId"}
    callers = [messages.send(frame, request_id=request) for request in ("r1", "r2")]
    assert messages.done == callers
    assert [caller.request_id for caller in callers] == ["r1", "r2"]


def test_a_retry_is_the_same_message(messages: OnceFixture, counted: Counter[str]) -> None:
    """It is carried out once, and each attempt is answered as the first one."""
    first = messages.send(FRAME, request_id="r1", received_at=NOW * 1_000)
    again = messages.send(dict(reversed(FRAME.items())), request_id="r2", received_at=NOW * 1_000 + 900)
    assert messages.done == [first]
    assert again == first
    assert counted["MessageSentAgain"] == 1


def test_a_retry_with_other_content_is_refused(messages: OnceFixture) -> None:
    """An id is for one message."""
    messages.send(FRAME)
    with pytest.raises(InvalidFieldError, match=r"^clientMessageId: was used for another message$"):
        messages.send(FRAME | {"message": "Goodbye"})
    assert len(messages.done) == 1


def test_a_failed_message_continues_as_its_first_attempt(messages: OnceFixture) -> None:
    """It may be carried out in part, so it keeps its time and its request."""
    messages.fails = True
    with pytest.raises(TransientError, match="the table is down"):
        messages.send(FRAME, request_id="r1", received_at=NOW * 1_000)
    messages.fails = False
    messages.send(FRAME, request_id="r2", received_at=NOW * 1_000 + 500)
    assert [(caller.request_id, caller.received_at) for caller in messages.done] == [("r1", NOW * 1_000)]


def test_a_refused_message_may_be_sent_again(messages: OnceFixture) -> None:
    """An inbox that is full may have room later."""
    messages.refusal = "full"
    messages.send(FRAME, request_id="r1")
    assert messages.done == []
    messages.refusal = None
    messages.send(FRAME, request_id="r2")
    messages.send(FRAME, request_id="r3")
    assert len(messages.done) == 1


def test_an_abandoned_attempt_is_waited_for_for_fifteen_seconds(
    messages: OnceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still be in progress; the client is asked to try again."""
    with monkeypatch.context() as patched:
        patched.setattr(messages.sent, "finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            messages.send(FRAME, request_id="r1")
    with pytest.raises(TransientError, match="still in progress"):
        messages.send(FRAME, request_id="r2")
    messages.now += 15
    messages.send(FRAME, request_id="r3")
    assert [caller.request_id for caller in messages.done] == ["r1", "r1"]


def _killed(_attempt: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a#b", "ü", None, 5, ["m"], {}, True])
def test_an_id_that_is_not_legal_is_refused(messages: OnceFixture, bad: Any) -> None:
    """Nothing is carried out."""
    with pytest.raises(InvalidFieldError, match=r"^clientMessageId: must be 1 to 64 letters"):
        messages.send(FRAME | {"clientMessageId": bad})
    assert messages.done == []


def test_each_sender_has_ids_of_its_own(messages: OnceFixture) -> None:
    """The player, whatever its session; the session where it is bound to no player."""
    unbound = {"playerId": None}
    messages.send(FRAME)
    messages.send(FRAME, context={"playerId": "3"})
    messages.send(FRAME, context=unbound)
    messages.send(FRAME, context=unbound | {"sessionId": "another"})
    assert len(messages.done) == 4
    messages.send(FRAME, context={"sessionId": "another"})
    assert len(messages.done) == 4

"""Destination of a message, and the answer to its sender."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from functions.messaging.send_message.direct import Direct
from functions.messaging.send_message.send_message import SendMessage
from loudhailer.codec import JsonText, decode, decode_object, json_text
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import PlayerId
from loudhailer.inbox.model import DirectMessage, Inbox, message_id
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import VERBATIM_MEMBERS
from loudhailer.websocket.once import Once
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.sent import MemorySentStore
from tests.support.limits import MAX_FRAME_BYTES
from tests.unit.messaging.websocket.events import NOW, PLAYER, TENANT, event

LIFETIME = 600
SEED_FRAME = {
    "routeKey": "sendmessage",
    "action": "sendmessage",
    "message": "Hello",
    "playerId": "1",
    "destinationPlayerId": "2",
}


class SendMessageFixture:
    """`send_message` on a twin of the inboxes; rooms answer `to the room`."""

    def __init__(self) -> None:
        self.inboxes = MemoryInboxStore()
        self.now = NOW
        self.sent, self.places = MemorySentStore(), MemoryPlaceStore()
        once = Once(self.sent, clock=lambda: self.now)
        direct = Direct(self.inboxes, self.places, once, messages_per_inbox=3, lifetime_seconds=LIFETIME)
        self._respond = SendMessage(direct, lambda _caller, _frame: '"to the room"')

    def send(self, frame: Mapping[str, Any], **parts: Any) -> Any:
        """The frame that answers a client's."""
        return decode(self.send_text(json_text(frame), **parts))

    def send_text(self, text: str, **parts: Any) -> str:
        """The frame that answers a client's, as it is sent."""
        answer = self._respond(Caller.of(event({}, **parts)), decode_object(text, verbatim=VERBATIM_MEMBERS))
        assert answer is not None
        return answer

    @property
    def stored(self) -> list[DirectMessage]:
        """Messages in the inboxes."""
        return list(self.inboxes.rows.values())


@pytest.fixture
def inboxes() -> SendMessageFixture:
    """Empty inboxes."""
    return SendMessageFixture()


def test_a_direct_message_is_stored_and_acknowledged(inboxes: SendMessageFixture, counted: Counter[str]) -> None:
    """As clients of the messages table send it, and exactly as they expect it back."""
    sent_at = NOW * 1_000 + 5
    expected = message_id(sent_at, "r=7")
    assert inboxes.send(SEED_FRAME, request_id="r=7", received_at=sent_at) == {
        "status": "Message sent!",
        "messageId": expected,
        "message": "Hello",
        "srcPlayerId": "1",
        "destinationPlayerId": "2",
    }
    inbox = Inbox(TENANT, PlayerId("2"))
    assert inboxes.stored == [DirectMessage(inbox, expected, JsonText('"Hello"'), PLAYER, sent_at, NOW + LIFETIME)]
    assert counted["MessageStored"] == 1


def test_a_retry_is_stored_once_and_acknowledged_again(inboxes: SendMessageFixture) -> None:
    """Also when the first one was delivered, and deleted, meanwhile."""
    frame = SEED_FRAME | {"clientMessageId": "m1"}
    ack = inboxes.send(frame, request_id="r1", received_at=NOW * 1_000)
    assert ack["messageId"] == message_id(NOW * 1_000, "r1")
    assert ack["clientMessageId"] == "m1"
    assert len(inboxes.stored) == 1
    inboxes.inboxes.rows.clear()
    assert inboxes.send(frame, request_id="r2", received_at=NOW * 1_000 + 700) == ack
    assert inboxes.stored == []


def test_an_abandoned_attempt_keeps_its_place_in_the_inbox(inboxes: SendMessageFixture) -> None:
    """The retry stores the message under the first one's id."""
    frame = SEED_FRAME | {"clientMessageId": "m1"}
    inboxes.inboxes.down = True
    with pytest.raises(TransientError):
        inboxes.send(frame, request_id="r1", received_at=NOW * 1_000)
    inboxes.inboxes.down = False
    inboxes.now += 15
    ack = inboxes.send(frame, request_id="r2", received_at=NOW * 1_000 + 15_000)
    assert [(one.message_id, one.sent_at) for one in inboxes.stored] == [(ack["messageId"], NOW * 1_000)]
    assert ack["messageId"] == message_id(NOW * 1_000, "r1")


@pytest.mark.parametrize("message", ["", None, 0, [], {"text": "é\u2028😀\x00"}, "x" * (MAX_FRAME_BYTES - 2)])
def test_any_json_is_a_message(inboxes: SendMessageFixture, message: Any) -> None:
    """Up to the size of a client's frame."""
    ack = inboxes.send({"message": message, "destinationPlayerId": "2"})
    assert ack["message"] == message
    assert [decode(one.message) for one in inboxes.stored] == [message]


NESTED = f"{'[' * 1_023}{']' * 1_023}"


@pytest.mark.parametrize("text", ["18446744073709551616", "1.10", "1E2", '{"b" :"\\u00e9","a":1}', NESTED], ids=len)
def test_a_message_is_stored_and_acknowledged_as_it_was_written(inboxes: SendMessageFixture, text: str) -> None:
    """To the last digit and blank: no number becomes another one, no text gets another spelling."""
    frame = f'{{"action":"sendmessage","message": {text} ,"destinationPlayerId":"2"}}'
    ack = inboxes.send_text(frame)
    assert [one.message for one in inboxes.stored] == [text]
    assert f'"message":{text},' in ack


@pytest.mark.parametrize("message", ["x" * (MAX_FRAME_BYTES - 1), "é" * (MAX_FRAME_BYTES // 2)], ids=len)
def test_a_message_too_large_for_a_frame_is_refused(inboxes: SendMessageFixture, message: str) -> None:
    """It is too long; nothing is stored."""
    with pytest.raises(InvalidFieldError, match=r"^message: must have at most 32768 bytes as JSON$"):
        inboxes.send({"message": message, "destinationPlayerId": "2"})
    assert inboxes.stored == []


def test_a_frame_without_a_message_is_refused(inboxes: SendMessageFixture) -> None:
    """An empty one is a message, none is not."""
    with pytest.raises(InvalidFieldError, match=r"^message: is missing$"):
        inboxes.send({"destinationPlayerId": "2"})
    assert inboxes.stored == []


@pytest.mark.parametrize("destination", ["", "x" * 129, "a b", "2#1", "ü", None, 2, ["2"], {}, True])
def test_an_id_that_is_not_legal_is_refused(inboxes: SendMessageFixture, destination: Any) -> None:
    """There is no acknowledgement, and nothing is stored."""
    with pytest.raises(InvalidFieldError, match=r"^destinationPlayerId: must be 1 to 128 letters"):
        inboxes.send({"message": "Hello", "destinationPlayerId": destination})
    assert inboxes.stored == []


def test_an_id_of_128_characters_is_legal(inboxes: SendMessageFixture) -> None:
    """The longest there is."""
    assert inboxes.send({"message": "Hello", "destinationPlayerId": "x" * 128})["status"] == "Message sent!"


@pytest.mark.parametrize("claimed", ["2", "", None, 1, "11"])
def test_a_player_cannot_send_as_another(inboxes: SendMessageFixture, claimed: Any) -> None:
    """The session has the player; a frame may repeat it, and name no other."""
    assert inboxes.send(SEED_FRAME | {"playerId": claimed})["error"] == {
        "code": "OTHER_PLAYER",
        "message": "the session is bound to another player than playerId",
    }
    assert inboxes.stored == []


def test_a_client_without_a_player_cannot_send_a_direct_message(
    inboxes: SendMessageFixture, counted: Counter[str]
) -> None:
    """A player named in the frame does not count."""
    assert inboxes.send(SEED_FRAME, context={"playerId": None})["error"] == {
        "code": "NO_PLAYER",
        "message": "the session is bound to no player",
    }
    assert inboxes.stored == []
    assert counted["FrameRefused"] == 1


def test_a_message_that_could_not_be_stored_is_not_acknowledged(inboxes: SendMessageFixture) -> None:
    """The error goes to where it is answered."""
    inboxes.inboxes.down = True
    with pytest.raises(TransientError):
        inboxes.send(SEED_FRAME)


def test_a_player_may_write_to_itself(inboxes: SendMessageFixture) -> None:
    """To its other devices, say."""
    inboxes.send({"message": "Hello", "destinationPlayerId": PLAYER})
    assert [one.inbox.player_id for one in inboxes.stored] == [PLAYER]


def test_a_frame_with_a_room_goes_to_the_room(inboxes: SendMessageFixture) -> None:
    """Whatever is in the field: the answer names the legal form."""
    assert inboxes.send({"roomKey": "", "content": "Hello"}) == "to the room"
    assert inboxes.stored == []


@pytest.mark.parametrize("frame", [{}, {"message": "Hello"}, {"destinationPlayerId": "2", "roomKey": "lobby"}])
def test_a_frame_must_name_one_destination(
    inboxes: SendMessageFixture, frame: dict[str, str], counted: Counter[str]
) -> None:
    """To a player or to a room, and not to both; the answer names the legal forms."""
    error = inboxes.send(frame)["error"]
    message = "the frame must have destinationPlayerId or roomKey, and not both"
    assert error == {"code": "NO_DESTINATION", "message": message}
    assert inboxes.stored == []
    assert counted["FrameRefused"] == 1


def test_a_full_inbox_refuses_a_message(inboxes: SendMessageFixture, counted: Counter[str]) -> None:
    """The sender gets an error; other inboxes have room, and this one has after a delivery."""

    def send(number: int, to: str, seconds: int = 0) -> Any:
        frame = SEED_FRAME | {"destinationPlayerId": to}
        return inboxes.send(frame, request_id=f"r={number}", received_at=(NOW + seconds) * 1_000)

    assert ["status" in send(number, "2") for number in range(3)] == [True] * 3
    refused = send(4, "2")
    assert (refused["error"]["code"], refused["requestId"]) == ("INBOX_FULL", "r=4")
    assert refused["error"]["message"] == "too many messages wait for destinationPlayerId: try again later"
    assert "status" in send(5, "3")
    inboxes.inboxes.delete(inboxes.stored[:1])
    assert send(6, "2", seconds=9)["error"]["code"] == "INBOX_FULL"
    assert "status" in send(7, "2", seconds=10)
    assert len(inboxes.stored) == 4
    assert counted["InboxFull"] == 2


def test_a_message_refused_by_a_full_inbox_is_accepted_once_there_is_room(inboxes: SendMessageFixture) -> None:
    """The client sends it again under its id, and the inbox is counted as of then."""
    again = SEED_FRAME | {"clientMessageId": "m1"}
    for number in range(3):
        inboxes.send(SEED_FRAME, request_id=f"r{number}", received_at=NOW * 1_000)
    assert inboxes.send(again, request_id="r3", received_at=NOW * 1_000)["error"]["code"] == "INBOX_FULL"
    inboxes.inboxes.rows.clear()
    assert "status" in inboxes.send(again, request_id="r4", received_at=(NOW + 60) * 1_000)
    assert [one.message_id for one in inboxes.stored] == [message_id(NOW * 1_000, "r3")]


def test_an_unfinished_message_is_acknowledged_and_stored_once(
    inboxes: SendMessageFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """It is in the inbox. A client that asks nevertheless gets the same answer, and takes no second place."""

    def fail(*_: object) -> None:
        raise TransientError("the table is down")

    monkeypatch.setattr(inboxes.sent, "finish", fail)
    again = SEED_FRAME | {"clientMessageId": "m1"}
    first = inboxes.send(again, request_id="r1", received_at=NOW * 1_000)
    inboxes.now += 16
    assert inboxes.send(again, request_id="r2", received_at=NOW * 1_000 + 16_000) == first
    assert [one.message_id for one in inboxes.stored] == [first["messageId"]]
    assert list(inboxes.places.taken.values()) == [1]
    assert counted["SentMessageNotFinished"] == 2


def test_the_places_of_an_inbox_are_kept_for_a_week_after_its_last_message(
    inboxes: SendMessageFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB may delete the places' row before an expired message, which the tenant's erasure would not find then."""
    kept: list[int] = []
    take = inboxes.places.take

    def note(*args: Any, expires_at: int) -> bool:
        kept.append(expires_at)
        return take(*args, expires_at=expires_at)

    monkeypatch.setattr(inboxes.places, "take", note)
    inboxes.send(SEED_FRAME, received_at=NOW * 1_000)
    assert kept == [NOW + LIFETIME + 7 * 24 * 3600]


def test_a_message_stored_with_a_lost_answer_takes_no_second_place(
    inboxes: SendMessageFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost, and the message is there: the retry finds it."""
    put = inboxes.inboxes.put

    def put_and_fail(message: DirectMessage) -> None:
        put(message)
        raise TransientError("timed out")

    again = SEED_FRAME | {"clientMessageId": "m1"}
    with monkeypatch.context() as patched:
        patched.setattr(inboxes.inboxes, "put", put_and_fail)
        with pytest.raises(TransientError):
            inboxes.send(again, request_id="r1", received_at=NOW * 1_000)
    acknowledged = inboxes.send(again, request_id="r2", received_at=NOW * 1_000 + 1_000)
    assert [one.message_id for one in inboxes.stored] == [acknowledged["messageId"]]
    assert list(inboxes.places.taken.values()) == [1]

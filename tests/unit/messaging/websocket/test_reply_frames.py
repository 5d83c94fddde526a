"""The frames of a conversation, as clients read them."""

import pytest

from loudhailer.broadcast.payload import broadcast_frame
from loudhailer.codec import decode, json_text
from loudhailer.connections.model import Speaker
from loudhailer.errors import ErrorCode
from loudhailer.ids import BroadcastId, ConnectionId, PlayerId, RoomKey
from loudhailer.rooms.model import NickName
from loudhailer.websocket.replies import (
    ack_frame,
    direct_frame,
    error_frame,
    joined_frame,
    left_frame,
    looks_like_ours,
    room_message_frame,
    throttle_frame,
)

HELLO = json_text("hello")


def test_an_error_frame_names_the_error_and_the_frame() -> None:
    """It contains the legal actions where they help, and not otherwise."""
    assert decode(error_frame(ErrorCode.NOT_JSON, "it is not", connection_id="a=", request_id="r1")) == {
        "error": {"code": "NOT_JSON", "message": "it is not"},
        "connectionId": "a=",
        "requestId": "r1",
    }


def test_a_throttle_frame_has_the_form_of_the_echo() -> None:
    """No code, and no more members than these."""
    assert decode(throttle_frame("a=", "r1")) == {
        "message": "Too Many Requests",
        "connectionId": "a=",
        "requestId": "r1",
    }


def test_an_acknowledgement_repeats_the_message_and_its_recipient() -> None:
    """Under the names that clients of the messages table know."""
    assert decode(ack_frame("m1", json_text({"text": "é"}), PlayerId("1"), PlayerId("2"))) == {
        "status": "Message sent!",
        "messageId": "m1",
        "message": {"text": "é"},
        "srcPlayerId": "1",
        "destinationPlayerId": "2",
    }


def test_a_direct_frame_names_its_sender_and_time() -> None:
    """The time in milliseconds."""
    assert decode(direct_frame("m1", json_text("Hello"), PlayerId("1"), 1_780_000_000_123)) == {
        "message": "Hello",
        "messageId": "m1",
        "srcPlayerId": "1",
        "sentAt": 1_780_000_000_123,
    }


@pytest.mark.parametrize("player", [None, PlayerId("ann@example.com")])
def test_a_room_frame_names_the_acting_member(player: PlayerId | None) -> None:
    """Any client may choose the nickname; the connection, and the player if there is one, are not the client's word."""
    speaker = Speaker(ConnectionId("a="), player)
    where = (RoomKey("red"), NickName("Ann"))
    who = {"roomKey": "red", "nickName": "Ann", "connectionId": "a="} | ({"playerId": player} if player else {})
    assert decode(joined_frame(*where, speaker)) == {"action": "joinroom", **who}
    assert decode(left_frame(*where, speaker)) == {"action": "leaveroom", **who}
    frame = {"action": "sendmessage", "content": "hello", "sentAt": 5, **who}
    assert decode(room_message_frame(*where, HELLO, 5, speaker)) == frame


OWN = [
    decode(error_frame(ErrorCode.NOT_JSON, "it is not", connection_id="a=", request_id="r1")),
    decode(throttle_frame("a=", "r1")),
    decode(ack_frame("m1", HELLO, PlayerId("1"), PlayerId("2"))),
    decode(direct_frame("m1", HELLO, PlayerId("1"), 5)),
    decode(room_message_frame(RoomKey("red"), NickName("Ann"), HELLO, 5, Speaker(ConnectionId("a="), None))),
    decode(joined_frame(RoomKey("red"), NickName("Ann"), Speaker(ConnectionId("a="), None))),
    decode(broadcast_frame(BroadcastId("b1"), 5, HELLO)),
    {"message": "hello", "tenantId": "acme", "sessionId": "s1", "connectionId": "a=", "queue": "pool.fifo"},
    {"type": "move", "overlapSeconds": 250},
]


@pytest.mark.parametrize("own", OWN, ids=str)
def test_a_frame_that_imitates_the_service_is_recognised(own: dict[str, object]) -> None:
    """Whatever action it names: readers look at its other fields."""
    assert looks_like_ours(own, {"PooledSQS"}) is not None
    assert looks_like_ours(own | {"action": "PooledSQS"}, {"PooledSQS"}) is not None


@pytest.mark.parametrize(
    "more", [{}, {"message": OWN[0]}, {"type": "chat", "id": 7, "data": [1], "code": "X"}], ids=str
)
def test_any_other_frame_belongs_to_the_client(more: dict[str, object]) -> None:
    """The content of its fields does not matter."""
    assert looks_like_ours({"action": "PooledSQS", **more}, {"PooledSQS", "SiloSQS"}) is None

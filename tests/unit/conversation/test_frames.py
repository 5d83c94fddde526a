"""The frames of a conversation, as clients read them."""

from loudhailer.codec import decode, json_text
from loudhailer.conversation.frames import ack_frame, direct_frame, error_frame, throttle_frame
from loudhailer.ids import PlayerId


def test_an_error_frame_says_what_is_wrong_with_which_frame() -> None:
    """The legal actions stand in it where they help, and not otherwise."""
    assert decode(error_frame("NOT_JSON", "it is not", connection_id="a=", request_id="r1")) == {
        "error": {"code": "NOT_JSON", "message": "it is not"},
        "connectionId": "a=",
        "requestId": "r1",
    }


def test_a_throttle_frame_is_as_clients_of_the_echo_know_it() -> None:
    """No code, and no more members than these."""
    assert decode(throttle_frame("a=", "r1")) == {
        "message": "Too Many Requests",
        "connectionId": "a=",
        "requestId": "r1",
    }


def test_an_acknowledgement_repeats_what_was_sent_to_whom() -> None:
    """Under the names that clients of the messages table know."""
    assert decode(ack_frame("m1", json_text({"text": "é"}), PlayerId("1"), PlayerId("2"))) == {
        "status": "Message sent!",
        "messageId": "m1",
        "message": {"text": "é"},
        "srcPlayerId": "1",
        "destinationPlayerId": "2",
    }


def test_a_direct_frame_says_who_sent_it_and_when() -> None:
    """The time in milliseconds."""
    assert decode(direct_frame("m1", json_text("Hello"), PlayerId("1"), 1_780_000_000_123)) == {
        "message": "Hello",
        "messageId": "m1",
        "srcPlayerId": "1",
        "sentAt": 1_780_000_000_123,
    }

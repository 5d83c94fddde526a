"""What a client is told about a frame that no route takes."""

from collections import Counter
from typing import Any

import pytest

from functions.default_route.default_route import answer
from loudhailer.codec import decode
from tests.support.bad_json import UNSUPPORTED


def event(body: str | None) -> dict[str, Any]:
    """API Gateway's `$default` event."""
    return {"requestContext": {"connectionId": "a=", "requestId": "r1"}, "body": body}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("hello", "NOT_JSON"),
        ("", "NOT_JSON"),
        (None, "NOT_JSON"),
        ("[1]", "NOT_JSON"),
        ("{}", "NO_ACTION"),
        ('{"action":7}', "NO_ACTION"),
        ('{"action":"fly"}', "UNKNOWN_ACTION"),
    ],
)
def test_a_frame_is_answered_with_what_is_wrong(body: str | None, code: str, counted: Counter[str]) -> None:
    """The reply names the connection and the request, and the legal actions, so that the client's author sees them."""
    reply = answer(event(body))
    frame = decode(reply["body"])
    assert reply["statusCode"] == 200
    assert frame["error"].pop("message")
    actions = ["joinroom", "sendmessage", "SiloSQS", "PooledSQS", "ping"]
    assert frame == {"error": {"code": code, "actions": actions}, "connectionId": "a=", "requestId": "r1"}
    assert counted["FrameRefused"] == 1


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_a_frame_that_is_not_supported_is_answered_with_the_true_reason(value: str, reason: str) -> None:
    """It is a JSON object, so nobody is told that it is none."""
    error = decode(answer(event(f'{{"action":"ping","data":{value}}}'))["body"])["error"]
    assert (error["code"], error["message"]) == ("UNSUPPORTED_JSON", f"the frame {reason}")


def test_a_ping_gets_its_pong() -> None:
    """A browser keeps its connection open with it; whatever else the frame holds changes nothing."""
    assert answer(event('{"action":"ping","n":1}')) == {"statusCode": 200, "body": '{"action":"pong"}'}


def test_an_event_of_no_known_shape_is_answered_too() -> None:
    """An error here would tell the client nothing."""
    assert decode(answer({})["body"])["connectionId"] is None

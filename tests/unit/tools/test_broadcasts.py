"""Meaning of the options of `loudhailer broadcast`."""

from typing import Any

import pytest

from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import Channel, PlayerId, RoomKey, SessionId, TenantId
from tests.support.bad_json import LONE_SURROGATE, NOT_FINITE
from tools.errors import OperatorError
from tools.operations.broadcasts import audience_of, described, message_of

NOTHING: dict[str, Any] = {
    "everyone": False,
    "tenant": None,
    "channel": None,
    "room": None,
    "player": None,
    "session": None,
}
T = TenantId("t")


@pytest.mark.parametrize(
    ("options", "audience"),
    [
        ({"everyone": True}, Everyone()),
        ({"tenant": "t"}, OfTenant(T)),
        ({"tenant": "t", "channel": "a/b"}, OfChannel(T, Channel("a/b"))),
        ({"tenant": "t", "room": "r"}, InRoom(T, RoomKey("r"))),
        ({"tenant": "t", "player": "p"}, OfPlayer(T, PlayerId("p"))),
        ({"tenant": "t", "session": "s"}, OfSession(T, SessionId("s"))),
    ],
)
def test_options_name_an_audience(options: dict[str, Any], audience: Audience) -> None:
    """One option for each kind."""
    assert audience_of(**NOTHING | options) == audience


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"everyone": True, "tenant": "t"},
        {"everyone": True, "room": "r"},
        {"room": "r"},
        {"session": "s"},
        {"tenant": "t", "room": "r", "player": "p"},
    ],
)
def test_options_with_no_audience_or_two_are_refused(options: dict[str, Any]) -> None:
    """A message to the wrong crowd can't be taken back."""
    with pytest.raises(OperatorError, match="no audience, or more than one"):
        audience_of(**NOTHING | options)


def test_an_illegal_id_is_refused_with_its_option() -> None:
    """As the operator wrote it."""
    with pytest.raises(InvalidFieldError, match=r"^--session: "):
        audience_of(**NOTHING | {"tenant": "t", "session": "a#b"})


def test_a_session_is_described_without_its_whole_id() -> None:
    """It is a bearer secret."""
    assert described(OfSession(T, SessionId("0123456789"))) == "session 0123… of tenant t"
    assert described(OfSession(T, SessionId("012"))) == "session … of tenant t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", '"hello"'),
        ('{"a": 1}', '{"a": 1}'),
        ("5", "5"),
        ("1.10", "1.10"),
        ("18446744073709551616", "18446744073709551616"),
        ("{", '"{"'),
        ("NaN", '"NaN"'),
        ("-Infinity", '"-Infinity"'),
    ],
)
def test_a_message_is_unchanged_json_or_text(text: str, message: str) -> None:
    """Both are convenient on a command line; NaN is no JSON, so it is a text."""
    assert message_of(text) == message


@pytest.mark.parametrize(("text", "reason"), [("1E400", NOT_FINITE), (r'"\ud800"', LONE_SURROGATE)])
def test_json_that_clients_cannot_read_is_refused(text: str, reason: str) -> None:
    """The operator gets the reason, and how to send it as a text."""
    with pytest.raises(OperatorError, match=reason.split(",", maxsplit=1)[0]) as refused:
        message_of(text)
    assert "double quotes" in refused.value.remedy


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_message_is_refused(text: str) -> None:
    """A shell's variable may be empty; a JSON string is a message even if it has no character."""
    with pytest.raises(OperatorError, match="The message is empty"):
        message_of(text)
    assert message_of('""') == '""'

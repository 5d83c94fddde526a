"""What the options of `loudhailer broadcast` mean."""

from typing import Any

import pytest

from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfPlayer, OfSession, OfTenant
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import PlayerId, RoomKey, SessionId, TenantId
from tools.errors import OperatorError
from tools.operations.broadcasts import audience_of, described, message_of

NOTHING: dict[str, Any] = {"everyone": False, "tenant": None, "room": None, "player": None, "session": None}
T = TenantId("t")


@pytest.mark.parametrize(
    ("options", "audience"),
    [
        ({"everyone": True}, Everyone()),
        ({"tenant": "t"}, OfTenant(T)),
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
def test_options_that_name_none_or_two_are_refused(options: dict[str, Any]) -> None:
    """A message to the wrong crowd can't be taken back."""
    with pytest.raises(OperatorError, match="no audience, or more than one"):
        audience_of(**NOTHING | options)


def test_an_illegal_id_is_named_by_its_option() -> None:
    """As the operator wrote it."""
    with pytest.raises(InvalidFieldError, match=r"^--session: "):
        audience_of(**NOTHING | {"tenant": "t", "session": "a#b"})


def test_a_session_is_described_without_its_whole_id() -> None:
    """It is a bearer secret."""
    assert described(OfSession(T, SessionId("0123456789"))) == "session 0123… of tenant t"
    assert described(OfSession(T, SessionId("012"))) == "session … of tenant t"


@pytest.mark.parametrize(("text", "message"), [("hello", "hello"), ('{"a": 1}', {"a": 1}), ("5", 5), ("{", "{")])
def test_a_message_is_json_or_text(text: str, message: object) -> None:
    """Both are convenient on a command line."""
    assert message_of(text) == message

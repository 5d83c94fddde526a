"""The page on the protocol has each frame, close code and limit that the code has."""

import re

import pytest

from functions.broadcast.publish.batch import LARGEST_BODY, MOST_BROADCASTS
from functions.channels.subscribe.subscribe import CHANNELS_A_FRAME
from functions.messaging.send_message.rooms import MAX_CONTENT
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES
from loudhailer.codec import MAX_DEPTH
from loudhailer.sessions.grants import MOST_PATTERNS
from loudhailer.websocket import replies
from tests.support.checkout import ROOT
from tools.emulator.gateway.limits import CloseCode, Limits

PAGE = (ROOT / "docs" / "protocol.md").read_text()
CLOSES = {1000, 1001, 1003, 1006, 1009}
"""Codes that API Gateway and browsers use, in the stand-in."""


def part(title: str) -> str:
    """The text of a section."""
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def first_column(title: str) -> str:
    """The first cells of a section's table."""
    return "\n".join(row.split(" | ")[0] for row in part(title).splitlines() if row.startswith("| "))


def test_each_action_of_a_client_is_described() -> None:
    """A frame with another one is refused."""
    described = re.findall(r'"action":"(\w+)"', first_column("Frames that clients send"))
    assert set(described) == set(replies.ACTIONS)


def test_each_type_of_a_frame_of_the_service_is_described() -> None:
    """No client may send a frame with one of them to the silo or the pool."""
    assert set(re.findall(r'"type":"(\w+)"', first_column("Frames that clients receive"))) == set(replies._OWN_TYPES)


def test_the_close_codes_of_the_stand_in_are_described() -> None:
    """A client that meets another one connects again, later each time."""
    listed = {int(code) for code in re.findall(r"\b1\d{3}\b", first_column("Close codes"))}
    assert listed >= CLOSES
    assert {code.value for code in CloseCode} >= CLOSES


@pytest.mark.parametrize(
    "row",
    [
        f"| a message to the service or to a client | {MAX_MESSAGE_BYTES // 1024} KB |",
        f"| a frame from a client | {Limits().frame_bytes // 1024} KB |",
        f"| `content` of a message to a room | {MAX_CONTENT:,} characters |",
        f"| `channels` of a frame | {CHANNELS_A_FRAME} |",
        f"| patterns in `grants` | {MOST_PATTERNS} |",
        f"| nesting of JSON | {MAX_DEPTH:,} levels |",
        f"| broadcasts of one `POST /broadcasts` | {MOST_BROADCASTS}, and {LARGEST_BODY // 1024**2} MB |",
    ],
)
def test_a_limit_on_the_page_is_that_of_the_code(row: str) -> None:
    """A change of a limit changes the page."""
    assert row in part("Limits").splitlines()

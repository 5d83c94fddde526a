"""A room consists of the connections whose rows name it: it exists while it has a member.

A connection is in one room at a time, under one nickname. Joining another room leaves the former one.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple, NewType

from loudhailer.errors import InvalidFieldError
from loudhailer.ids import RoomKey
from loudhailer.rooms.joiners import is_seen

NickName = NewType("NickName", str)

SMALL_ROOM = 100
"""Most connections of a small room: each frame is posted to them directly, and joins and leaves are announced.

In a larger room a message is sent as a broadcast. Joins and leaves are not announced there: filling a room of 2,000
would take two million posts, 200 s of an account's quota, for announcements that nobody could read.
"""

_MAX_NICKNAME = 64
_VARIATIONS = re.compile("[\ufe0e\ufe0f]")
"""Variation selectors choose between two shapes of the character before them; they are removed."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Invisible characters: Unicode's Default_Ignorable_Code_Point, and the blank pattern of Braille.
https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt"""

_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional controls reorder the text around them, so that a name could imitate another:
https://www.unicode.org/reports/tr9/"""


class Membership(NamedTuple):
    """The room that a connection is in, and its nickname there."""

    room: RoomKey
    nickname: NickName


def membership_of(image: Mapping[str, Any]) -> Membership | None:
    """Return the membership in a row of `connections`, or in an image of it; None if the row names no room."""
    if "roomKey" not in image:
        return None
    return Membership(RoomKey(image["roomKey"]["S"]), NickName(image["nickName"]["S"]))


def nickname(value: object, field: str = "nickName") -> NickName:
    """Validate and trim a nickname: readable, on one line, and unable to change the text beside it.

    No two nicknames differ only in invisible characters: these are refused, except a joiner that changes the shape of
    its neighbours. InvalidFieldError names the field.
    """
    name = _VARIATIONS.sub("", value).strip() if isinstance(value, str) else ""
    if not 1 <= len(name) <= _MAX_NICKNAME:
        raise InvalidFieldError(field, f"must be 1 to {_MAX_NICKNAME} characters")
    if any(unicodedata.category(one) in _CONTROLS or unicodedata.bidirectional(one) in _DIRECTIONS for one in name):
        raise InvalidFieldError(field, "must have no control characters")
    if all(unicodedata.category(one)[0] in "CMZ" or _INVISIBLE.match(one) for one in name):
        raise InvalidFieldError(field, "must have a visible character")
    if any(not is_seen(name, found.start()) for found in _INVISIBLE.finditer(name)):
        raise InvalidFieldError(field, "must have no invisible characters")
    return NickName(name)

"""A room is the connections whose rows name it: it begins with the first that joins and ends with the last that leaves.

A connection is in one room at a time, under one nickname. Joining another room leaves the former.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple, NewType

from loudhailer.errors import InvalidFieldError
from loudhailer.ids import RoomKey

NickName = NewType("NickName", str)

SMALL_ROOM = 100
"""Up to so many connections a room is small: each frame is posted to them directly, and joins and leaves are announced.

In a larger room what is said goes the way of a broadcast. Joins and leaves are not announced there: filling a room of
2,000 would take two million posts, 200 s of an account's quota, to tell everyone what nobody could read.
"""

_MAX_NICKNAME = 64
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""They turn the text around them, so that a name could pass for another: https://www.unicode.org/reports/tr9/"""


class Membership(NamedTuple):
    """The room that a connection is in, and its nickname there."""

    room: RoomKey
    nickname: NickName


def membership_of(image: Mapping[str, Any]) -> Membership | None:
    """What a row of `connections`, or an image of one in their stream, says; None if it says nothing of a room."""
    if "roomKey" not in image:
        return None
    return Membership(RoomKey(image["roomKey"]["S"]), NickName(image["nickName"]["S"]))


def nickname(value: object, field: str = "nickName") -> NickName:
    """The value, trimmed, as a nickname: what a person can read, on one line, that cannot alter what stands beside it.

    Anything else is an InvalidFieldError that names the field.
    """
    name = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(name) <= _MAX_NICKNAME:
        raise InvalidFieldError(field, f"must be 1 to {_MAX_NICKNAME} characters")
    if any(unicodedata.category(one) in _CONTROLS or unicodedata.bidirectional(one) in _DIRECTIONS for one in name):
        raise InvalidFieldError(field, "must have no control characters")
    if all(unicodedata.category(one)[0] in "CMZ" for one in name):
        raise InvalidFieldError(field, "must have a visible character")
    return NickName(name)

"""Sets of a chunk's connections."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.broadcast import bitmaps
from loudhailer.errors import MalformedMessageError


@st.composite
def sized_bitmaps(draw: st.DrawFn) -> tuple[int, int]:
    """A bitmap and the size of its chunk."""
    size = draw(st.integers(0, 600))
    return draw(st.integers(0, bitmaps.full(size))), size


@given(sized_bitmaps())
def test_a_bitmap_survives_the_wire_and_the_table(sized: tuple[int, int]) -> None:
    """Text and bytes give back the same set."""
    bitmap, size = sized
    assert bitmaps.from_wire(bitmaps.to_wire(bitmap, size), size) == bitmap
    assert bitmaps.from_bytes(bitmaps.to_bytes(bitmap, size), size) == bitmap
    assert len(bitmaps.to_bytes(bitmap, size)) == (size + 7) // 8


@given(st.sets(st.integers(0, 600)))
def test_members_are_the_places_in_ascending_order(places: set[int]) -> None:
    """Each set bit is returned once."""
    assert list(bitmaps.members(sum(1 << place for place in places))) == sorted(places)


@given(st.integers(0, 600))
def test_the_full_bitmap_has_every_place_of_the_chunk(size: int) -> None:
    """The full bitmap has every place below the size, and no other."""
    assert list(bitmaps.members(bitmaps.full(size))) == list(range(size))


def test_the_lowest_bit_of_the_first_byte_is_the_first_connection() -> None:
    """The order on the wire is the one that is documented."""
    assert base64.b64decode(bitmaps.to_wire(1 << 0 | 1 << 9, 10)) == b"\x01\x02"


@given(st.integers(0, 600), st.integers(0, 100))
def test_a_bit_beyond_the_size_is_refused(size: int, beyond: int) -> None:
    """A bitmap cannot speak of a connection that the chunk does not have."""
    data = (1 << (size + beyond)).to_bytes((size + beyond) // 8 + 1, "little")
    with pytest.raises(MalformedMessageError, match=f"has bit {size + beyond}"):
        bitmaps.from_bytes(data, size)
    with pytest.raises(MalformedMessageError):
        bitmaps.from_wire(base64.b64encode(data).decode(), size)


@pytest.mark.parametrize("text", [None, 7, True, [], {}, "AQ", "A===", "ä", "AQ==\n", "A Q=", "_w==", "\ud800"])
def test_malformed_base64_is_refused(text: object) -> None:
    """Other types, other alphabets, wrong padding and white space are malformed."""
    with pytest.raises(MalformedMessageError, match=r"^a bitmap is not base64$"):
        bitmaps.from_wire(text, 8)

"""Sets of a chunk's connections, as integers: bit i represents the chunk's i-th connection in key order.

On the wire a bitmap is the base64 of its bytes, bit i in byte i // 8, lowest bit first.
"""

import base64
import binascii
from collections.abc import Iterator

from loudhailer.errors import MalformedMessageError

type Bitmap = int


def full(size: int) -> Bitmap:
    """Return the bitmap of all of `size` connections."""
    return (1 << size) - 1


def members(bitmap: Bitmap) -> Iterator[int]:
    """The positions of the set bits, ascending."""
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest.bit_length() - 1
        bitmap ^= lowest


def to_bytes(bitmap: Bitmap, size: int) -> bytes:
    """The bitmap of `size` connections as (size + 7) // 8 bytes."""
    return bitmap.to_bytes((size + 7) // 8, "little")


def from_bytes(data: bytes, size: int) -> Bitmap:
    """Read the bitmap of `size` connections; MalformedMessageError if a bit beyond them is set."""
    bitmap = int.from_bytes(data, "little")
    if bitmap.bit_length() > size:
        raise MalformedMessageError(f"a bitmap of {size} connections has bit {bitmap.bit_length() - 1}")
    return bitmap


def to_wire(bitmap: Bitmap, size: int) -> str:
    """The bitmap's text in a message."""
    return base64.b64encode(to_bytes(bitmap, size)).decode()


def from_wire(text: object, size: int) -> Bitmap:
    """Read the bitmap from a message's text; MalformedMessageError if it is not one of `size` connections."""
    try:
        return from_bytes(base64.b64decode(text, validate=True), size)  # type: ignore[arg-type]  # refused below
    except (TypeError, binascii.Error, ValueError) as error:
        raise MalformedMessageError("a bitmap is not base64") from error

"""Pack the recipients of a chunk into few bytes: writing a row costs by the kilobyte.

The packed form has each partition with its number of connections, then the ids in the same order. API Gateway's ids are
the base64 of eleven bytes; the bytes are stored, so 500 connections take 6 KB instead of 10:

    {partition: number of connections, ...} as JSON, a zero byte, the bytes of an id, the ids

Ids of different lengths, or that base64 does not reproduce exactly, are stored as JSON, with 0 as the bytes of an id.
"""

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence

from loudhailer import codec
from loudhailer.broadcast.recipients import Recipients
from loudhailer.ids import ConnectionId, Partition

_END = b"\0"
"""JSON has no zero byte."""

_LONGEST = 255


def pack(recipients: Recipients) -> bytes:
    """The recipients as bytes."""
    connections = [connection for found in recipients.values() for connection in found]
    counts = codec.encode({partition: len(found) for partition, found in recipients.items()})
    raw = _raw(connections)
    size = len(raw[0]) if raw else 0
    ids = b"".join(raw) if raw else codec.encode(connections)
    return counts + _END + bytes([size]) + ids


def unpack(packed: bytes) -> Recipients:
    """The recipients that `pack` was given."""
    counts, _, rest = packed.partition(_END)
    size, ids = rest[0], rest[1:]
    connections: list[ConnectionId] = (
        [ConnectionId(b64encode(ids[position : position + size]).decode()) for position in range(0, len(ids), size)]
        if size
        else codec.decode(ids)
    )
    recipients: Recipients = {}
    position = 0
    for partition, number in codec.decode(counts).items():
        recipients[Partition(partition)] = connections[position : position + number]
        position += number
    return recipients


def _raw(connections: Sequence[ConnectionId]) -> list[bytes]:
    """Return the bytes of which the ids are the base64, all of one length; empty if there are none."""
    try:
        raw = [b64decode(connection, validate=True) for connection in connections]
    except (Error, ValueError):
        return []
    sizes = set(map(len, raw))
    is_exact = all(b64encode(one).decode() == connection for one, connection in zip(raw, connections, strict=True))
    return raw if len(sizes) == 1 and is_exact and 0 < sizes.pop() <= _LONGEST else []

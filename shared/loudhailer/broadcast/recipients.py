"""The recipients of a chunk."""

from loudhailer import ids
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import ConnectionId, Partition

type Recipients = dict[Partition, list[ConnectionId]]
"""A chunk's connections by partition; their order, partition by partition, is the order of the chunk's bitmaps."""


def from_wire(value: object) -> Recipients:
    """Read a chunk's connections from a message or row."""
    if not isinstance(value, dict) or not all(isinstance(found, list) for found in value.values()):
        raise MalformedMessageError("connections must be lists of ids by partition")
    return {
        ids.recipients_partition(key, "connections"): ids.connection_ids(found, "connections")
        for key, found in value.items()
    }

"""Recognition of a broadcast's frame by a crowd, at the cost of one slice and one look-up."""

import json
import re
from dataclasses import dataclass, field

_HEAD_LENGTH = 192
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]+)"')


@dataclass(frozen=True)
class Stamp:
    """Id of a broadcast, and its time of publication (epoch milliseconds), as its frame says them."""

    broadcast_id: str
    published_at: int


@dataclass
class StampReader:
    """Reads the stamps of broadcast frames.

    All sockets get the same bytes, so a frame is parsed once and recognised by its head afterwards. A head is
    remembered only if it contains the id; otherwise two broadcasts could look alike.
    """

    _known: dict[bytes, Stamp] = field(default_factory=dict)

    def stamp(self, payload: bytes) -> Stamp | None:
        """The frame's stamp; None if it is no broadcast."""
        head = payload[:_HEAD_LENGTH]
        stamp = self._known.get(head)
        if stamp is None:
            stamp = _parsed(payload)
            found = _ID.search(head)
            if stamp is not None and found is not None and found[1] == stamp.broadcast_id.encode():
                self._known[head] = stamp
        return stamp


def _parsed(payload: bytes) -> Stamp | None:
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    match document:
        case {"type": "broadcast", "id": str(broadcast_id), "publishedAt": int(published_at)}:
            return Stamp(broadcast_id, published_at)
    return None

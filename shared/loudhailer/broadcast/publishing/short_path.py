"""The short path of a small broadcast: its recipients are found and fixed at once, in one chunk for the express lanes.

`swarm` and `query` would have made the same rows, so all later steps are the same. The rows are put together, before
the chunk is sent: a repeated request finds them, and sends the recorded chunk if it may not have been sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from loudhailer.broadcast.audience import Audience, Counted
from loudhailer.broadcast.messages import Announcement, ChunkMessage
from loudhailer.broadcast.model import Chunk, Source, Summary
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.scope import Scope
from loudhailer.broadcast.search import Page, PartitionSearch
from loudhailer.errors import TransientError
from loudhailer.ids import ChunkId, Partition
from loudhailer.observability import count
from loudhailer.queues.port import Queue

MOST_PARTITIONS = 20
"""Most partitions of a small audience: more partitions have thousands of connections, and take too long to read."""

_CHUNK = ChunkId("0.0")


class ShortPath:
    """Fixes and sends broadcasts of up to `most` recipients."""

    def __init__(
        self,
        search: PartitionSearch,
        broadcasts: BroadcastStore,
        queue: Queue,
        *,
        endpoint: str,
        most: int,
        clock: Callable[[], float],
    ) -> None:
        self.most = most
        self._search = search
        self._broadcasts = broadcasts
        self._queue = queue
        self._endpoint = endpoint
        self._clock = clock

    def recipients(self, audience: Audience, counts: Mapping[Partition, int]) -> Page | None:
        """Return all recipients; None if they are too many. `counts` has the whole partitions of the audience."""
        if not self.most or len(counts) > MOST_PARTITIONS or sum(counts.values()) > self.most:
            return None
        return self._search.at_most(_scope(audience, counts), self.most)

    def record(
        self, summary: Summary, counts: Mapping[Partition, int], recipients: Page
    ) -> tuple[Summary, Chunk | None]:
        """Put the broadcast with its recipients; return the recorded summary, and its chunk if the broadcast is new."""
        now_ms, number = int(self._clock() * 1000), len(recipients)
        small = replace(summary, sources=1, expected=number, swarmed_at=now_ms, express=True)
        source = Source(
            number=0,
            scope=_scope(summary.audience, counts),
            expected=number,
            dispatched=number,
            queried_at=now_ms,
        )
        chunk = self._search.chunk(_CHUNK, recipients)
        recorded = self._broadcasts.record_small(small, source, chunk)
        return recorded, chunk if recorded is small else None

    def send(self, announcement: Announcement, chunk: Chunk | None, *, cancelled: bool) -> None:
        """Send the chunk, or the recorded one; a broadcast without recipients has none."""
        if chunk is None:
            chunk = self._broadcasts.chunk(announcement.broadcast_id, _CHUNK)
        if chunk is None:
            raise TransientError("the row of a chunk was deleted before the chunk was sent")
        if chunk.size:
            message = ChunkMessage.of(announcement, chunk, endpoint=self._endpoint, cancelled=cancelled)
            self._queue.send_all([message.to_wire()], group=announcement.group)
        count("BroadcastExpress")
        count("RecipientDispatched", chunk.size)


def _scope(audience: Audience, counts: Mapping[Partition, int]) -> Scope:
    return tuple(sorted(counts)) if isinstance(audience, Counted) else audience

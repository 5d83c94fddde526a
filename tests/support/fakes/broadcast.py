"""The in-memory twins of the broadcasts' table and topic."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from loudhailer.broadcast.model import Chunk, Source, Summary, Tally, TallyKey, end_of_source
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.errors import TransientError
from loudhailer.ids import BroadcastId, ChunkId


class MemoryBroadcastStore(BroadcastStore):
    """Keeps the rows in dictionaries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._summaries: dict[BroadcastId, Summary] = {}
        self._sources: dict[tuple[BroadcastId, int], Source] = {}
        self._chunks: dict[tuple[BroadcastId, ChunkId], Chunk] = {}
        self._tallies: dict[TallyKey, Tally] = {}

    def record(self, summary: Summary) -> Summary:
        """See `BroadcastStore.record`."""
        return self._summaries.setdefault(summary.broadcast_id, summary)

    def mark_announced(self, broadcast_id: BroadcastId) -> None:
        """See `BroadcastStore.mark_announced`."""
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, announced=True)

    def cancel(self, broadcast_id: BroadcastId) -> bool:
        """See `BroadcastStore.cancel`."""
        summary = self._summaries.get(broadcast_id)
        if summary is None:
            return False
        self._summaries[broadcast_id] = replace(summary, cancelled=True)
        return True

    def mark_expired(self, broadcast_id: BroadcastId, *, cut_short: bool = False) -> None:
        """See `BroadcastStore.mark_expired`."""
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, expired=True, cut_short=cut_short or summary.cut_short)

    def live_again(self, broadcast_id: BroadcastId) -> None:
        """See `BroadcastStore.live_again`."""
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, expired=summary.cut_short)

    def summary(self, broadcast_id: BroadcastId) -> Summary | None:
        """See `BroadcastStore.summary`."""
        return self._summaries.get(broadcast_id)

    def fix_sources(self, broadcast_id: BroadcastId, sources: Sequence[Source]) -> bool:
        """See `BroadcastStore.fix_sources`."""
        with self._lock:
            if any((broadcast_id, source.number) in self._sources for source in sources):
                return False
            self._sources.update({(broadcast_id, source.number): source for source in sources})
            return True

    def sources(self, broadcast_id: BroadcastId) -> list[Source]:
        """See `BroadcastStore.sources`."""
        return [self._sources[key] for key in sorted(self._sources) if key[0] == broadcast_id]

    def source(self, broadcast_id: BroadcastId, number: int) -> Source | None:
        """See `BroadcastStore.source`."""
        return self._sources.get((broadcast_id, number))

    def complete_sources(
        self, broadcast_id: BroadcastId, count: int, expected: int | None, now: int, *, missed: int = 0
    ) -> None:
        """See `BroadcastStore.complete_sources`."""
        summary = self._summaries.get(broadcast_id)
        if summary is not None and summary.sources is None:
            self._summaries[broadcast_id] = replace(
                summary, sources=count, expected=expected, missed=missed, swarmed_at=now
            )

    def fix_chunk(self, broadcast_id: BroadcastId, chunk: Chunk) -> Chunk:
        """See `BroadcastStore.fix_chunk`."""
        with self._lock:
            return self._chunks.setdefault((broadcast_id, chunk.chunk_id), chunk)

    def chunk(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Chunk | None:
        """See `BroadcastStore.chunk`."""
        return self._chunks.get((broadcast_id, chunk_id))

    def chunk_sizes(self, broadcast_id: BroadcastId, source: int) -> list[int]:
        """See `BroadcastStore.chunk_sizes`."""
        found: list[int] = []
        while (chunk := self._chunks.get((broadcast_id, ChunkId(f"{source}.{len(found)}")))) and chunk.size:
            found.append(chunk.size)
        return found

    def complete_source(
        self, broadcast_id: BroadcastId, number: int, *, chunks: int, dispatched: int, now: int, missed: int = 0
    ) -> bool:
        """See `BroadcastStore.complete_source`."""
        with self._lock:
            source = self._sources.get((broadcast_id, number))
            end = end_of_source(number, chunks)
            if source is None or source.dispatched is not None or (broadcast_id, end.chunk_id) in self._chunks:
                return False
            self._chunks[broadcast_id, end.chunk_id] = end
            self._sources[broadcast_id, number] = replace(source, dispatched=dispatched, missed=missed, queried_at=now)
            return True

    def reopen_source(self, broadcast_id: BroadcastId, number: int) -> None:
        """See `BroadcastStore.reopen_source`."""
        with self._lock:
            source = self._sources.get((broadcast_id, number))
            if source is not None and source.dispatched is not None:
                end = end_of_source(number, len(self.chunk_sizes(broadcast_id, number)))
                self._chunks.pop((broadcast_id, end.chunk_id), None)
                self._sources[broadcast_id, number] = replace(source, dispatched=None, missed=0, queried_at=None)

    def reopen_sources(self, broadcast_id: BroadcastId) -> None:
        """See `BroadcastStore.reopen_sources`."""
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, sources=None, expected=None, missed=0, swarmed_at=None)

    def tallies_of(self, keys: Iterable[TallyKey]) -> Mapping[TallyKey, Tally]:
        """See `BroadcastStore.tallies_of`."""
        return {key: self._tallies[key] for key in keys if key in self._tallies}

    def replace_tally(self, key: TallyKey, old: Tally | None, new: Tally) -> bool:
        """See `BroadcastStore.replace_tally`."""
        with self._lock:
            if self._tallies.get(key) != old:
                return False
            self._tallies[key] = new
            return True

    def tallies(self, broadcast_id: BroadcastId) -> list[Tally]:
        """See `BroadcastStore.tallies`."""
        return [tally for key, tally in self._tallies.items() if key.broadcast_id == broadcast_id]


class MemoryTopic(Topic):
    """Keeps what it was handed; `down` makes it refuse."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.groups: list[str | None] = []
        self.down = False

    def publish(self, body: str, *, group: str | None = None) -> None:
        """See `Topic.publish`."""
        if self.down:
            raise TransientError("the topic is down")
        self.bodies.append(body)
        self.groups.append(group)

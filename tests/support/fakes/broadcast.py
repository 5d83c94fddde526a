"""The in-memory twins of the broadcasts' table and topic."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import override

from loudhailer.broadcast.model import Chunk, Source, Summary, Tally, TallyKey, end_of_source
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.errors import TransientError
from loudhailer.history.model import Position
from loudhailer.ids import BroadcastId, ChunkId


class MemoryBroadcastStore(BroadcastStore):
    """Keeps the rows in dictionaries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._summaries: dict[BroadcastId, Summary] = {}
        self._sources: dict[tuple[BroadcastId, int], Source] = {}
        self._redriven: defaultdict[tuple[BroadcastId, int | None], set[str]] = defaultdict(set)
        self._chunks: dict[tuple[BroadcastId, ChunkId], Chunk] = {}
        self._tallies: dict[TallyKey, Tally] = {}
        self._versions: dict[BroadcastId, int] = {}

    @override
    def record(self, summary: Summary) -> Summary:
        return self._summaries.setdefault(summary.broadcast_id, summary)

    @override
    def record_small(self, summary: Summary, source: Source, chunk: Chunk) -> Summary:
        with self._lock:
            broadcast_id = summary.broadcast_id
            if (recorded := self._summaries.get(broadcast_id)) is not None:
                return recorded
            end = end_of_source(source.number, 1 if chunk.size else 0)
            self._summaries[broadcast_id] = summary
            self._sources[broadcast_id, source.number] = source
            self._chunks |= {(broadcast_id, one.chunk_id): one for one in (chunk, end) if one.size or one is end}
            return summary

    @override
    def mark_announced(
        self, broadcast_id: BroadcastId, *, ends_at: int | None = None, position: Position | None = None
    ) -> None:
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(
                summary, announced=True, ends_at=ends_at or summary.ends_at, position=position or summary.position
            )

    @override
    def positions_of(self, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Position | None]:
        return {message: self._summaries[message].position for message in messages if message in self._summaries}

    @override
    def note_position(self, message: BroadcastId, position: Position) -> None:
        if summary := self._summaries.get(message):
            self._summaries[message] = replace(summary, position=position)

    @override
    def cancel(self, broadcast_id: BroadcastId) -> bool:
        summary = self._summaries.get(broadcast_id)
        if summary is None:
            return False
        self._summaries[broadcast_id] = replace(summary, cancelled=True)
        return True

    @override
    def mark_expired(self, broadcast_id: BroadcastId) -> None:
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, expired=True)

    @override
    def live_again(self, broadcast_id: BroadcastId) -> None:
        if summary := self._summaries.get(broadcast_id):
            self._summaries[broadcast_id] = replace(summary, expired=summary.cut_short)

    @override
    def summary(self, broadcast_id: BroadcastId) -> Summary | None:
        return self._summaries.get(broadcast_id)

    @override
    def fix_sources(self, broadcast_id: BroadcastId, sources: Sequence[Source]) -> bool:
        with self._lock:
            if any((broadcast_id, source.number) in self._sources for source in sources):
                return False
            self._sources.update({(broadcast_id, source.number): source for source in sources})
            return True

    @override
    def sources(self, broadcast_id: BroadcastId) -> list[Source]:
        return [self._sources[key] for key in sorted(self._sources) if key[0] == broadcast_id]

    @override
    def source(self, broadcast_id: BroadcastId, number: int) -> Source | None:
        return self._sources.get((broadcast_id, number))

    @override
    def complete_sources(
        self,
        broadcast_id: BroadcastId,
        count: int,
        expected: int | None,
        now: int,
        *,
        missed: int = 0,
        cut_short: bool = False,
    ) -> None:
        summary = self._summaries.get(broadcast_id)
        if summary is not None and summary.sources is None:
            self._summaries[broadcast_id] = replace(
                _cut_short(summary) if cut_short else summary,
                sources=count,
                expected=expected,
                missed=missed,
                swarmed_at=now,
            )

    @override
    def fix_chunk(self, broadcast_id: BroadcastId, chunk: Chunk) -> Chunk:
        with self._lock:
            return self._chunks.setdefault((broadcast_id, chunk.chunk_id), chunk)

    @override
    def chunk(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Chunk | None:
        return self._chunks.get((broadcast_id, chunk_id))

    @override
    def chunk_sizes(self, broadcast_id: BroadcastId, source: int) -> list[int]:
        found: list[int] = []
        while (chunk := self._chunks.get((broadcast_id, ChunkId(f"{source}.{len(found)}")))) and chunk.size:
            found.append(chunk.size)
        return found

    @override
    def complete_source(
        self,
        broadcast_id: BroadcastId,
        number: int,
        *,
        chunks: int,
        dispatched: int,
        now: int,
        missed: int = 0,
        cut_short: bool = False,
    ) -> bool:
        with self._lock:
            source = self._sources.get((broadcast_id, number))
            end = end_of_source(number, chunks)
            if source is None or source.dispatched is not None or (broadcast_id, end.chunk_id) in self._chunks:
                return False
            if cut_short:
                if (summary := self._summaries.get(broadcast_id)) is None:
                    return False
                self._summaries[broadcast_id] = _cut_short(summary)
            self._chunks[broadcast_id, end.chunk_id] = end
            self._sources[broadcast_id, number] = replace(source, dispatched=dispatched, missed=missed, queried_at=now)
            return True

    @override
    def reopen_source(self, broadcast_id: BroadcastId, number: int, letter: str) -> None:
        with self._lock:
            source = self._sources.get((broadcast_id, number))
            if source is None or letter in self._redriven[broadcast_id, number]:
                return
            self._redriven[broadcast_id, number].add(letter)
            if source.dispatched is not None:
                end = end_of_source(number, len(self.chunk_sizes(broadcast_id, number)))
                self._chunks.pop((broadcast_id, end.chunk_id), None)
                self._sources[broadcast_id, number] = replace(source, dispatched=None, missed=0, queried_at=None)

    @override
    def reopen_sources(self, broadcast_id: BroadcastId, letter: str) -> None:
        redriven = self._redriven[broadcast_id, None]
        if letter not in redriven and (summary := self._summaries.get(broadcast_id)):
            redriven.add(letter)
            self._summaries[broadcast_id] = replace(summary, sources=None, expected=None, missed=0, swarmed_at=None)

    @override
    def tallies_of(self, keys: Iterable[TallyKey]) -> Mapping[TallyKey, Tally]:
        return {key: self._tallies[key] for key in keys if key in self._tallies}

    @override
    def replace_tally(self, key: TallyKey, old: Tally | None, new: Tally) -> bool:
        with self._lock:
            if self._tallies.get(key) != old:
                return False
            self._tallies[key] = new
            return True

    @override
    def tallies(self, broadcast_id: BroadcastId) -> list[Tally]:
        return [tally for key, tally in self._tallies.items() if key.broadcast_id == broadcast_id]

    @override
    def take_version(self, broadcast_id: BroadcastId, now_ms: int) -> int:
        with self._lock:
            self._versions[broadcast_id] = self._versions.get(broadcast_id, now_ms - 1) + 1
            return self._versions[broadcast_id]


def _cut_short(summary: Summary) -> Summary:
    return replace(summary, expired=True, cut_short=True)


class MemoryTopic(Topic):
    """Keeps the announcements; `down` makes it refuse."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.groups: list[str | None] = []
        self.down = False

    @override
    def publish(self, body: str, *, group: str | None = None) -> None:
        if self.down:
            raise TransientError("the topic is down")
        self.bodies.append(body)
        self.groups.append(group)

"""In-memory twins of the stores of history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import override

from loudhailer.history.model import SEGMENT_IDS, Head, Position, Publication
from loudhailer.history.port import HistoryStore, PositionNotes, PublicationStore
from loudhailer.ids import BroadcastId, ChannelKey, Epoch, TenantId, tenant_of


class MemoryHistoryStore(HistoryStore):
    """Keeps heads and segments in dictionaries."""

    def __init__(self) -> None:
        self.heads: dict[ChannelKey, Head] = {}
        self.closed: dict[tuple[ChannelKey, Epoch, int], tuple[BroadcastId, ...]] = {}

    @override
    def head(self, channel: ChannelKey) -> Head | None:
        return self.heads.get(channel)

    @override
    def begin(self, channel: ChannelKey, head: Head, expires_at: int) -> Head:
        return self.heads.setdefault(channel, head)

    @override
    def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
        row = self.heads.get(channel)
        if row is None or row.epoch != head.epoch or row.segment != head.segment:
            return row
        if len(row.ids) < SEGMENT_IDS and message not in row.ids:
            self.heads[channel] = replace(row, ids=(*row.ids, message))
        return self.heads[channel]

    @override
    def keep_segment(self, channel: ChannelKey, head: Head, expires_at: int) -> None:
        key = channel, head.epoch, head.segment
        if key not in self.closed or len(self.closed[key]) < len(head.ids):
            self.closed[key] = head.ids

    @override
    def move(self, channel: ChannelKey, head: Head, to: Head) -> None:
        row = self.heads.get(channel)
        if row and (row.epoch, row.segment) == (head.epoch, head.segment) and len(row.ids) == len(head.ids):
            self.heads[channel] = to

    @override
    def segments(self, channel: ChannelKey, epoch: Epoch, first: int, last: int) -> Mapping[int, Sequence[BroadcastId]]:
        of_epoch = {
            number: closed for (key, of, number), closed in self.closed.items() if (key, of) == (channel, epoch)
        }
        return {number: of_epoch[number] for number in sorted(of_epoch) if first <= number <= last}

    @override
    def forget(self, tenant: TenantId) -> int:
        heads = [channel for channel in self.heads if tenant_of(channel) == tenant]
        closed = [key for key in self.closed if tenant_of(key[0]) == tenant]
        for channel in heads:
            del self.heads[channel]
        for key in closed:
            del self.closed[key]
        return len(heads) + len(closed)


class MemoryPublicationStore(PublicationStore):
    """Keeps messages in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[TenantId, BroadcastId], Publication] = {}

    @override
    def put(self, publication: Publication, expires_at: int) -> None:
        self.rows[publication.tenant, publication.broadcast_id] = publication

    @override
    def of(self, tenant: TenantId, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Publication]:
        return {message: self.rows[tenant, message] for message in messages if (tenant, message) in self.rows}

    @override
    def forget(self, tenant: TenantId) -> int:
        found = [key for key in self.rows if key[0] == tenant]
        for key in found:
            del self.rows[key]
        return len(found)


class MemoryPositionNotes(PositionNotes):
    """Keeps the notes of the summaries that exist."""

    def __init__(self, *messages: BroadcastId) -> None:
        self.rows: dict[BroadcastId, Position | None] = dict.fromkeys(messages)

    @override
    def positions_of(self, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Position | None]:
        return {message: self.rows[message] for message in messages if message in self.rows}

    @override
    def note_position(self, message: BroadcastId, position: Position) -> None:
        if message in self.rows:
            self.rows[message] = position

"""Find a source's recipients, fix them in chunks, and send each chunk to a shard.

Messages to large rooms have a queue and lanes of their own, so that no broadcast waits for them. The lanes that will
post are marked before the first chunk is sent, so that lanes which borrow their share of the quota return it.

A chunk's row is put before its message is sent, in key order. If two queries process the same source, the second reuses
the chunks already written and continues after the last one. It sends a chunk again if it may not have been sent. The
same connections are in the same chunks, so an outcome means the same in every attempt.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass

from functions.broadcast.query.outbox import Outbox
from loudhailer.broadcast.messages import ChunkMessage, SourceMessage
from loudhailer.broadcast.model import Chunk, Priority, Source
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.search import Page, Search, each_once, overlaps, size_of_chunks
from loudhailer.broadcast.shards import shard_of
from loudhailer.connections.model import ConnectionKey
from loudhailer.delivery.lending.port import LaneStore
from loudhailer.errors import PermanentError, TransientError
from loudhailer.ids import ChunkId, ConnectionId
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue

ROOM_LANES = 2
"""Workers that post to large rooms: more chunks than they can work on would cost rows and messages for nothing."""

_MARKED_WITHIN_SECONDS = 0.25
"""Longest time in seconds that a chunk waits until its lanes are marked."""


@dataclass(slots=True)
class _Sent:
    """Progress of a source: the chunks that are being sent, and whether the broadcast was cancelled."""

    chunks: int = 0
    recipients: int = 0
    is_cancelled: bool = False
    is_cut_short: bool = False

    def note(self, chunk: Chunk) -> None:
        self.chunks += 1
        self.recipients += chunk.size


class Query:
    """Finds the recipients of one source and sends them to `post_message`."""

    def __init__(
        self,
        search: Search,
        broadcasts: BroadcastStore,
        shards: Sequence[Queue],
        rooms: Queue,
        *,
        lanes: LaneStore,
        endpoint: str,
        chunk_size: int,
        lane_count: int,
        executor: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._search = search
        self._broadcasts = broadcasts
        self._lanes = lanes
        self._shards = shards
        self._rooms = rooms
        self._endpoint = endpoint
        self._chunk_size = chunk_size
        self._lane_count = lane_count
        self._executor = executor
        self._clock = clock

    def __call__(self, body: str) -> None:
        """Handle one source; when it returns, every recipient is fixed and its chunk's message is in a shard."""
        message = SourceMessage.from_wire(body)
        with logger.append_context_keys(broadcast_id=message.broadcast_id, source=message.source):
            marked = self._executor.submit(self._mark, message.priority)
            source = self._source(message)
            if source.dispatched is not None:
                logger.info("the source was sent before")
                return
            summary = self._broadcasts.summary(message.broadcast_id)
            shards = [self._rooms] if message.priority is Priority.LOW else self._shards
            outbox = Outbox(shards, self._executor, group=message.group)
            sent = _Sent(is_cancelled=summary is not None and summary.cancelled)
            with suppress(TimeoutError):
                marked.result(_MARKED_WITHIN_SECONDS)
            for chunk in self._chunks(message, sent):
                shard = shard_of(message.broadcast_id, chunk.chunk_id, len(shards))
                body = ChunkMessage.of(message, chunk, endpoint=self._endpoint, cancelled=sent.is_cancelled).to_wire()
                outbox.put(shard, body)
                sent.note(chunk)
            outbox.flush()
            self._complete(message, sent, source)

    def _mark(self, priority: Priority) -> None:
        """Mark the lanes that will post the chunks; if that fails, they mark themselves when they post."""
        try:
            self._lanes.mark(priority, int(self._clock() * 1000))
        except TransientError as error:
            logger.warning("the lanes could not be marked", error=str(error))

    def _source(self, message: SourceMessage) -> Source:
        source = self._broadcasts.source(message.broadcast_id, message.source)
        if source is None or source.scope != message.scope:
            raise PermanentError("the source is not one of its broadcast's")
        return source

    def _complete(self, message: SourceMessage, sent: _Sent, source: Source) -> None:
        now_ms = int(self._clock() * 1000)
        missed = source.missed_behind(sent.recipients) if sent.is_cut_short else 0
        # A cancelled broadcast is marked as such. One source's mark is enough for all, and others may end just now.
        summary = (
            self._broadcasts.summary(message.broadcast_id) if sent.is_cut_short and not sent.is_cancelled else None
        )
        if self._broadcasts.complete_source(
            message.broadcast_id,
            message.source,
            chunks=sent.chunks,
            dispatched=sent.recipients,
            missed=missed,
            now=now_ms,
            cut_short=summary is not None and not summary.cut_short,
        ):
            if sent.is_cut_short:
                count("SourceExpired")
            count("RecipientDispatched", sent.recipients)
            count("RecipientMissed", missed)
            logger.info("chunks sent", chunks=sent.chunks, recipients=sent.recipients, missed=missed)
        elif self._source(message).dispatched is None:
            raise TransientError("another query has fixed more chunks of the source meanwhile")

    def _chunks(self, message: SourceMessage, sent: _Sent) -> Iterator[Chunk]:
        """Yield every chunk of the source: first the chunks that are already fixed, then new ones."""
        number = 0
        last: ConnectionKey | None = None
        seen: set[ConnectionId] | None = set() if overlaps(message.scope) else None
        # Read them one at a time: all fixed chunks together may not fit into memory.
        while fixed_chunk := self._broadcasts.chunk(message.broadcast_id, ChunkId(f"{message.source}.{number}")):
            if not fixed_chunk.size:
                logger.info("another query has sent the source meanwhile")
                return
            number, last = number + 1, _last_key(fixed_chunk.recipients)
            _note(fixed_chunk, seen)
            yield fixed_chunk
        if sent.is_cancelled or message.expires_at <= self._clock():
            sent.is_cut_short = True
            logger.warning("the broadcast was over before all recipients were found")
            return
        pages = self._search.pages(message.scope, last)
        waiting: Page = []
        expected = message.expected
        if not isinstance(message.scope, tuple):
            # All of a room, a player or a session is one page.
            found = next(pages)
            expected, waiting = len(found), found if last is None else _beyond(found, last)
        lanes = ROOM_LANES if message.priority is Priority.LOW else self._lane_count
        size = size_of_chunks(expected, lanes=lanes, most=self._chunk_size)
        while True:
            while len(waiting) < size and (page := next(pages, None)) is not None:
                waiting += page if last is None else _beyond(page, last)
            if not waiting:
                return
            recipients = _next(waiting, size, seen)
            if not recipients:
                waiting = []
                continue
            new_chunk = self._search.chunk(ChunkId(f"{message.source}.{number}"), recipients)
            chunk = self._broadcasts.fix_chunk(message.broadcast_id, new_chunk)
            if not chunk.size:
                logger.info("another query has sent the source meanwhile")
                return
            number, last = number + 1, _last_key(chunk.recipients)
            _note(chunk, seen)
            yield chunk
            # Another query may have fixed other recipients under this number: continue after its chunks.
            waiting = waiting[size:] if chunk is new_chunk and seen is None else _beyond(waiting, last)


def _next(waiting: Page, size: int, seen: set[ConnectionId] | None) -> Page:
    """The recipients of the next chunk: the first ones, or the first ones that are in no chunk of the source yet."""
    return waiting[:size] if seen is None else each_once(waiting, set(seen))[:size]


def _note(chunk: Chunk, seen: set[ConnectionId] | None) -> None:
    """Note the connections of a chunk that is fixed: they get no other frame of the source."""
    if seen is not None:
        seen.update(*chunk.recipients.values())


def _beyond(page: Page, last: ConnectionKey) -> Page:
    return [recipient for recipient in page if recipient[:2] > last]


def _last_key(recipients: Recipients) -> ConnectionKey:
    partition = next(reversed(recipients))
    return ConnectionKey(partition, recipients[partition][-1])

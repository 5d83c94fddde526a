"""Find a source's recipients, fix them in chunks, and send each chunk to a shard.

Messages to large rooms have a queue and lanes of their own, so that no broadcast waits for them. The lanes that will
post are marked before the first chunk is sent, so that lanes which borrow their share of the quota return it.

A chunk's row is put before its message is sent, in key order. If two queries process the same source, the second reuses
the chunks already written and continues after the last one. It sends a chunk again if it may not have been sent. The
same connections are in the same chunks, so an outcome means the same in every attempt.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from functions.broadcast.query.outbox import Outbox
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.audience import InRoom, OfPlayer, OfSession
from loudhailer.broadcast.messages import ChunkMessage, SourceMessage
from loudhailer.broadcast.model import Chunk, Priority, Source
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.scope import Scope
from loudhailer.broadcast.shards import shard_of
from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.delivery.lending.port import LaneStore
from loudhailer.errors import PermanentError, TransientError
from loudhailer.ids import ChunkId, ConnectionId, Partition
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue
from loudhailer.sessions.port import SessionStore

_PARTITIONS_AHEAD = 4
"""Number of partitions whose first page is read in advance: the pages take at most 1 MB of memory each."""

_MARKED_WITHIN_SECONDS = 0.25
"""Longest time in seconds that a chunk waits until its lanes are marked."""

type Recipient = tuple[Partition, ConnectionId, int]
"""A connection's key and the time when it was made; recipients are sorted in the order of chunks."""

type Page = list[Recipient]


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
        connections: ConnectionStore,
        sessions: SessionStore,
        broadcasts: BroadcastStore,
        shards: Sequence[Queue],
        rooms: Queue,
        *,
        devices: DeviceStore,
        lanes: LaneStore,
        endpoint: str,
        chunk_size: int,
        executor: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._sessions = sessions
        self._devices = devices
        self._broadcasts = broadcasts
        self._lanes = lanes
        self._shards = shards
        self._rooms = rooms
        self._endpoint = endpoint
        self._chunk_size = chunk_size
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
                outbox.put(shard, self._message(message, chunk, is_cancelled=sent.is_cancelled))
                sent.note(chunk)
            outbox.flush()
            self._complete(message, sent, source.missed_behind(sent.recipients) if sent.is_cut_short else 0)

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

    def _complete(self, message: SourceMessage, sent: _Sent, missed: int) -> None:
        now_ms = int(self._clock() * 1000)
        if self._broadcasts.complete_source(
            message.broadcast_id,
            message.source,
            chunks=sent.chunks,
            dispatched=sent.recipients,
            missed=missed,
            now=now_ms,
        ):
            count("RecipientDispatched", sent.recipients)
            count("RecipientMissed", missed)
            logger.info("chunks sent", chunks=sent.chunks, recipients=sent.recipients, missed=missed)
        elif self._source(message).dispatched is None:
            raise TransientError("another query has fixed more chunks of the source meanwhile")

    def _chunks(self, message: SourceMessage, sent: _Sent) -> Iterator[Chunk]:
        """Yield every chunk of the source: first the chunks that are already fixed, then new ones."""
        number = 0
        last: ConnectionKey | None = None
        # Read them one at a time: all fixed chunks together may not fit into memory.
        while standing := self._broadcasts.chunk(message.broadcast_id, ChunkId(f"{message.source}.{number}")):
            if not standing.size:
                logger.info("another query has sent the source meanwhile")
                return
            number, last = number + 1, _last_key(standing.recipients)
            yield standing
        if sent.is_cancelled or message.expires_at <= self._clock():
            sent.is_cut_short = True
            count("SourceExpired")
            if not sent.is_cancelled:
                self._broadcasts.mark_expired(message.broadcast_id, cut_short=True)
            logger.warning("the broadcast was over before all recipients were found")
            return
        pages = self._pages(message.scope, last)
        waiting: Page = []
        while True:
            while len(waiting) < self._chunk_size and (page := next(pages, None)) is not None:
                waiting += page if last is None else _beyond(page, last)
            if not waiting:
                return
            mine = self._chunk(ChunkId(f"{message.source}.{number}"), waiting[: self._chunk_size])
            chunk = self._broadcasts.fix_chunk(message.broadcast_id, mine)
            if not chunk.size:
                logger.info("another query has sent the source meanwhile")
                return
            number, last = number + 1, _last_key(chunk.recipients)
            yield chunk
            # Another query may have fixed other recipients under this number: continue after its chunks.
            waiting = waiting[self._chunk_size :] if chunk is mine else _beyond(waiting, last)

    def _pages(self, scope: Scope, after: ConnectionKey | None) -> Iterator[Page]:
        match scope:
            case InRoom(tenant, room):
                yield self._among(self._connections.in_room(tenant, room))
            case OfPlayer(tenant, player):
                yield self._among(self._devices.of_player(tenant, player))
            case OfSession(tenant, session):
                standing = self._sessions.get(tenant, session)
                yield self._among(list(standing.connections) if standing else [])
            case partitions:
                yield from self._in_partitions(partitions, after)

    def _in_partitions(self, partitions: Sequence[Partition], after: ConnectionKey | None) -> Iterator[Page]:
        """Yield the partitions' pages in key order, and read the next partitions while one is processed.

        The first page is read alone, so that the first chunk does not wait for other reads.
        """
        ahead: deque[tuple[Iterator[Page], Future[Page | None]]] = deque()
        left = (partition for partition in sorted(partitions) if after is None or partition >= after.partition)

        def read(many: int) -> None:
            for partition in islice(left, many - len(ahead)):
                further = self._in_partition(partition, after)
                ahead.append((further, self._executor.submit(next, further, None)))

        read(1)
        while ahead:
            further, first = ahead.popleft()
            page = first.result()
            read(_PARTITIONS_AHEAD)
            while page is not None:
                yield page
                page = next(further, None)

    def _in_partition(self, partition: Partition, after: ConnectionKey | None) -> Iterator[Page]:
        beyond = after.connection_id if after is not None and partition == after.partition else None
        pages = self._connections.in_partition(partition, after=beyond, not_expired_at=int(self._clock()))
        for page in pages:
            yield [(partition, connection, connected_at) for connection, connected_at in page]

    def _among(self, keys: Sequence[ConnectionKey]) -> Page:
        connected_at = self._connections.connected_at(keys)
        return sorted((key.partition, key.connection_id, at) for key, at in connected_at.items())

    def _chunk(self, chunk_id: ChunkId, recipients: Page) -> Chunk:
        now = int(self._clock())
        grouped: Recipients = {}
        young = 0
        for place, (partition, connection, connected_at) in enumerate(recipients):
            grouped.setdefault(partition, []).append(connection)
            if connected_at > now - YOUNG_SECONDS:
                young |= 1 << place
        return Chunk(chunk_id=chunk_id, recipients=grouped, young=young, young_until=now + YOUNG_SECONDS)

    def _message(self, message: SourceMessage, chunk: Chunk, *, is_cancelled: bool) -> str:
        return ChunkMessage(
            broadcast_id=message.broadcast_id,
            chunk_id=chunk.chunk_id,
            endpoint=self._endpoint,
            recipients=chunk.recipients,
            young=chunk.young,
            young_until=chunk.young_until,
            remaining=bitmaps.full(chunk.size),
            attempt=1,
            payload=message.payload,
            published_at=message.published_at,
            expires_at=message.expires_at,
            priority=message.priority,
            cancelled=is_cancelled,
        ).to_wire()


def _beyond(page: Page, last: ConnectionKey) -> Page:
    return [recipient for recipient in page if recipient[:2] > last]


def _last_key(recipients: Recipients) -> ConnectionKey:
    partition = next(reversed(recipients))
    return ConnectionKey(partition, recipients[partition][-1])

"""A source's recipients are found and fixed in chunks, and each chunk becomes a message to a shard.

A chunk's row is put before its message is sent, in key order. A second query of the same source, after a crash or
beside this one, takes the chunks that stand, goes on behind the last of them, and sends again what may not have been
sent: the same connections in the same chunks, so that an outcome means the same whichever attempt it comes from.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.audience import InRoom, OfPlayer, OfSession
from loudhailer.broadcast.messages import ChunkMessage, PartitionMessage, Recipients, Scope
from loudhailer.broadcast.model import Chunk
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import PermanentError, TransientError
from loudhailer.ids import ChunkId, Partition
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue
from loudhailer.tenancy.port import SessionStore

YOUNG_SECONDS = 30
"""A connection's row is written before its handshake is over; the rest of that takes no longer than this."""


class Recipient(NamedTuple):
    """A connection and when it was made; in key order, as chunks are."""

    key: ConnectionKey
    connected_at: int


class Query:
    """Finds the recipients of one source and sends them to `post_message`."""

    def __init__(
        self,
        connections: ConnectionStore,
        sessions: SessionStore,
        broadcasts: BroadcastStore,
        shards: Sequence[Queue],
        *,
        endpoint: str,
        chunk_size: int,
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._sessions = sessions
        self._broadcasts = broadcasts
        self._shards = shards
        self._endpoint = endpoint
        self._chunk_size = chunk_size
        self._clock = clock

    def __call__(self, body: str) -> None:
        """Handles one source; when it returns, every recipient is fixed and its chunk's message is in a shard."""
        message = PartitionMessage.from_wire(body)
        with logger.append_context_keys(broadcast_id=message.broadcast_id, source=message.source):
            standing = self._broadcasts.chunks(message.broadcast_id, message.source)
            if self._is_complete(message):
                logger.info("the source was sent before")
                return
            chunks, dispatched = 0, 0
            for chunk in self._chunks(message, standing):
                self._send(message, chunk)
                chunks, dispatched = chunks + 1, dispatched + chunk.size
            now_ms = int(self._clock() * 1000)
            if self._broadcasts.complete_source(
                message.broadcast_id, message.source, chunks=chunks, dispatched=dispatched, now=now_ms
            ):
                count("RecipientDispatched", dispatched)
                logger.info("chunks sent", chunks=chunks, recipients=dispatched)
            elif not self._is_complete(message):
                raise TransientError("another query has fixed more chunks of the source meanwhile")

    def _is_complete(self, message: PartitionMessage) -> bool:
        """Whether all chunks of the source are sent.

        A chunk that was seen before this was asked, and the answer no, is one of them: a source is not completed while
        there is a chunk that whoever completes it has not sent.
        """
        source = self._broadcasts.source(message.broadcast_id, message.source)
        if source is None or source.scope != message.scope:
            raise PermanentError("the source is not one of its broadcast's")
        return source.dispatched is not None

    def _chunks(self, message: PartitionMessage, standing: Sequence[Chunk]) -> Iterator[Chunk]:
        """Every chunk of the source, fixed: those that stand, then those that are left to make."""
        number = 0
        last: ConnectionKey | None = None
        for chunk in standing:
            number, last = number + 1, _last_key(chunk.recipients)
            yield chunk
        if message.expires_at <= self._clock():
            count("SourceExpired")
            logger.warning("the broadcast expired before all recipients were found")
            return
        found = self._find(message.scope, last)
        waiting: list[Recipient] = []
        while True:
            while len(waiting) < self._chunk_size and (recipient := next(found, None)):
                if last is None or recipient.key > last:
                    waiting.append(recipient)
            if not waiting:
                return
            mine = self._chunk(ChunkId(f"{message.source}.{number}"), waiting[: self._chunk_size])
            chunk = self._broadcasts.fix_chunk(message.broadcast_id, mine)
            if self._is_complete(message):
                logger.info("another query has sent the source meanwhile")
                return
            number, last = number + 1, _last_key(chunk.recipients)
            yield chunk
            # Another query may have fixed other recipients under this number: go on behind those that stand.
            waiting = [recipient for recipient in waiting if recipient.key > last]

    def _find(self, scope: Scope, after: ConnectionKey | None) -> Iterator[Recipient]:
        match scope:
            case InRoom(tenant, room):
                yield from self._among(self._connections.in_room(tenant, room), after)
            case OfPlayer(tenant, player):
                yield from self._among(self._connections.of_player(tenant, player), after)
            case OfSession(tenant, session):
                standing = self._sessions.get(tenant, session)
                yield from self._among(list(standing.connections) if standing else [], after)
            case partitions:
                yield from self._in_partitions(partitions, after)

    def _in_partitions(self, partitions: Sequence[Partition], after: ConnectionKey | None) -> Iterator[Recipient]:
        now = int(self._clock())
        for partition in sorted(partitions):
            if after is not None and partition < after.partition:
                continue
            beyond = after.connection_id if after is not None and partition == after.partition else None
            for connection, connected_at in self._connections.in_partition(partition, after=beyond, not_expired_at=now):
                yield Recipient(ConnectionKey(partition, connection), connected_at)

    def _among(self, keys: Sequence[ConnectionKey], after: ConnectionKey | None) -> Iterator[Recipient]:
        connected_at = self._connections.connected_at(keys)
        for key in sorted(connected_at):
            if after is None or key > after:
                yield Recipient(key, connected_at[key])

    def _chunk(self, chunk_id: ChunkId, recipients: Sequence[Recipient]) -> Chunk:
        now = int(self._clock())
        grouped: Recipients = {}
        young = 0
        for place, (key, connected_at) in enumerate(recipients):
            grouped.setdefault(key.partition, []).append(key.connection_id)
            if connected_at > now - YOUNG_SECONDS:
                young |= 1 << place
        return Chunk(chunk_id=chunk_id, recipients=grouped, young=young, young_until=now + YOUNG_SECONDS)

    def _send(self, message: PartitionMessage, chunk: Chunk) -> None:
        source, _, number = chunk.chunk_id.partition(".")
        shard = self._shards[(int(source) + int(number)) % len(self._shards)]
        wire = ChunkMessage(
            broadcast_id=message.broadcast_id,
            chunk_id=chunk.chunk_id,
            endpoint=self._endpoint,
            recipients=chunk.recipients,
            young=chunk.young,
            young_until=chunk.young_until,
            remaining=bitmaps.full(chunk.size),
            attempt=1,
            frame=message.frame,
            published_at=message.published_at,
            expires_at=message.expires_at,
        ).to_wire()
        shard.send_all([wire])


def _last_key(recipients: Recipients) -> ConnectionKey:
    partition = next(reversed(recipients))
    return ConnectionKey(partition, recipients[partition][-1])

"""Settle messages that no function could handle as failed, so that every report ends.

SQS moves a message here when it was received too often. For a chunk, its remaining connections are counted as failed.
For a source or a whole broadcast, the existing chunks are counted as failed and no further chunks are made; the
expected recipients that were not found count as failed, too. Connections that did receive the frame stay delivered. The
message itself goes to the dead-letter queue, with its ids, and `loudhailer redrive` can send it again from there. An
outcome is tried once more.
"""

from collections.abc import Callable

from functions.broadcast.settle.settle import Settle
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.messages import (
    Announcement,
    ChunkMessage,
    OutcomeMessage,
    SourceMessage,
    message_from_wire,
)
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.errors import TransientError
from loudhailer.ids import BroadcastId, ChunkId
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue

NOBODY = "000000000000"
"""Account id in outcomes that no worker reported."""


class GiveUp:
    """Settles one undelivered message."""

    def __init__(
        self,
        settle: Settle,
        broadcasts: BroadcastStore,
        dead_letters: Queue,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settle = settle
        self._broadcasts = broadcasts
        self._dead_letters = dead_letters
        self._clock = clock

    def __call__(self, body: str) -> None:
        """Handle one message: its report counts it as failed, and the dead-letter queue has a copy."""
        message = message_from_wire(body)
        with logger.append_context_keys(broadcast_id=message.broadcast_id):
            match message:
                case Announcement():
                    self._end_broadcast(message.broadcast_id)
                case SourceMessage():
                    self._end_source(message.broadcast_id, message.source)
                case ChunkMessage():
                    self._settle.outcomes(
                        [_failed(message.broadcast_id, message.chunk_id, message.size, message.remaining)]
                    )
                case OutcomeMessage():
                    self._settle.outcomes([message])
                    return
            self._dead_letters.send_all([body], attributes={"reason": "it was received too often"})
            count("MessageGivenUp")
            logger.error("message given up", kind=type(message).__name__)

    def _end_broadcast(self, broadcast_id: BroadcastId) -> None:
        # These sources are final: a source that `swarm` fixes later is not part of the broadcast any more.
        sources = self._broadcasts.sources(broadcast_id)
        for source in sources:
            self._end_source(broadcast_id, source.number)
        # If that completes them, more recipients may be where `swarm` has not looked.
        self._broadcasts.complete_sources(broadcast_id, len(sources), None, self._now(), cut_short=True)
        planned = self._broadcasts.summary(broadcast_id)
        if planned is not None and planned.sources is not None and planned.sources > len(sources):
            # A `swarm` that is killed now sends no message for them, so they end with the next attempt.
            raise TransientError("swarm has fixed more sources meanwhile")

    def _end_source(self, broadcast_id: BroadcastId, number: int) -> None:
        source = self._broadcasts.source(broadcast_id, number)
        if source is None or source.dispatched is not None:
            return
        sizes = self._broadcasts.chunk_sizes(broadcast_id, number)
        self._settle.outcomes(
            [
                _failed(broadcast_id, ChunkId(f"{number}.{position}"), size, bitmaps.full(size))
                for position, size in enumerate(sizes)
            ]
        )
        found = sum(sizes)
        missed = source.missed_behind(found)
        summary = self._broadcasts.summary(broadcast_id)
        if not self._broadcasts.complete_source(
            broadcast_id,
            number,
            chunks=len(sizes),
            dispatched=found,
            missed=missed,
            now=self._now(),
            # Counts lag behind connections by seconds: more recipients than the missed ones may not have been found.
            cut_short=summary is not None and not summary.cut_short,
        ):
            raise TransientError("another query is still working on the source")

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _failed(broadcast_id: BroadcastId, chunk_id: ChunkId, size: int, connections: Bitmap) -> OutcomeMessage:
    return OutcomeMessage(
        broadcast_id=broadcast_id,
        chunk_id=chunk_id,
        size=size,
        account=NOBODY,
        delivered=0,
        gone=0,
        failed=connections,
    )

"""Post a chunk's frame to its connections, and report each connection's outcome.

Finished connections are reported to `settle`. Connections that need another attempt go back to the chunk's shard under
the same chunk id, with a bitmap that names them; those of an express lane go to a shard. Both messages are in their
queues before the chunk is acknowledged: if the worker dies before that, the whole chunk is delivered again, and
reporting an outcome twice changes nothing.

Connections that were answered 429 are returned in a separate message and group, so that other connections do not wait
for them. The message carries the number of refusals, and the clients that seem not to read. A connection is closed when
it has taken nothing for half a minute and two workers found that its client does not read. Its client then knows that
it missed something.

Only failed posts count as attempts. Posts that were not sent because time ran out are returned at once, and refused
posts after a growing delay. Neither counts as an attempt; both end with the broadcast's lifetime.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.messages import ChunkMessage, ChunkName, OutcomeMessage, chunk_name
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.shards import shard_of
from loudhailer.deadline import Deadline
from loudhailer.delivery.closing import close, note_closed
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Closer, Sender
from loudhailer.delivery.throttling import FEW_TRIES, ONE_TRY
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import ConnectionId
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue

MAX_ATTEMPTS = 8
"""Attempts of a chunk's connections until they are given up."""

REFUSED_SECONDS = (1, 4, 10, 16)
"""Delays in seconds before refused posts are tried again: after the first refusal, the second and so on.
Each return costs as much as a chunk, and a client that has not read for five seconds rarely reads in the next one."""

CLOSED_AT_REFUSAL = 5
"""Refusals in a row after which a connection whose client does not read is closed: 31 s after the first one."""

_DOUBLINGS = 4
"""Doublings of the delay before another attempt, which begins at 1 s: the longest delay is 16 s."""

_REFUSED = "!refused"
"""Message group of all posts that were answered 429, of any broadcast; no tenant has this name. Once it uses a tenth of
the workers' time, SQS delivers other groups first:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html"""
_CLOSE_SECONDS = 1.0


class PostMessage:
    """Posts one chunk."""

    def __init__(
        self,
        sender: Sender,
        closer: Closer,
        outcomes: Queue,
        dead_letters: Queue,
        *,
        endpoint: str,
        clock: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._closer = closer
        self._outcomes = outcomes
        self._dead_letters = dead_letters
        self._endpoint = endpoint
        self._clock = clock

    def __call__(self, body: str, *, queues_for_rest: Sequence[Queue], account: str, deadline: Deadline) -> None:
        """Handle one chunk.

        Args:
            body: the shard queue's message.
            queues_for_rest: the queues for its remaining connections; the chunk's id chooses one.
            account: the AWS account that posts.
            deadline: the time at which posting must end.
        """
        try:
            chunk = self._read(body)
            frame = chunk.payload.open()
        except MalformedMessageError:
            if named := chunk_name(body):
                self._report(named, account, failed=bitmaps.full(named.size))
            raise
        with logger.append_context_keys(
            broadcast_id=chunk.broadcast_id, chunk_id=chunk.chunk_id, attempt=chunk.attempt
        ):
            if chunk.cancelled:
                self._report(chunk, account, failed=chunk.remaining)
                return
            if chunk.expires_at <= self._clock():
                count("ChunkExpired")
                if chunk.has_deadline:  # the publisher asked for this end: an operator need not look at it
                    self._report(chunk, account, failed=chunk.remaining, expired=True)
                else:
                    self._give_up(chunk, account, "the broadcast expired", expired=True)
                return
            shard = queues_for_rest[shard_of(chunk.broadcast_id, chunk.chunk_id, len(queues_for_rest))]
            found = self._post(chunk, frame, deadline.seconds_left)
            delivered, gone, rejected = found[Outcome.DELIVERED], found[Outcome.GONE], found[Outcome.REJECTED]
            gone &= ~self._young(chunk)
            self._report(chunk, account, delivered=delivered, gone=gone)
            if rejected:
                self._give_up(replace(chunk, remaining=rejected), account, "the gateway refuses the frame")
            opening = found[Outcome.GONE] & ~gone
            self._try_again(replace(chunk, remaining=found[Outcome.FAILED] | opening), shard, account)
            self._send_refused(chunk, found[Outcome.SLOW], found[Outcome.THROTTLED], shard, account)
            self._send_back(replace(chunk, remaining=found[Outcome.UNSENT]), shard, delay=0)

    def _read(self, body: str) -> ChunkMessage:
        """Read the chunk; MalformedMessageError if it names another API than the cell's own.

        Otherwise anyone who can send a message to a shard could make the worker sign requests to a host of their
        choice.
        """
        chunk = ChunkMessage.from_wire(body)
        if chunk.endpoint != self._endpoint:
            raise MalformedMessageError("endpoint must be that of the cell's own API")
        return chunk

    def _post(self, chunk: ChunkMessage, frame: bytes, seconds: float) -> dict[Outcome, Bitmap]:
        """The bitmaps of the remaining connections, by outcome."""
        connections = _connections(chunk, chunk.remaining)
        outcomes = self._sender.post(
            self._endpoint,
            list(connections.values()),
            frame,
            seconds=seconds,
            starts_within=chunk.expires_at - self._clock(),
            tries=ONE_TRY if chunk.refusals else FEW_TRIES,
        )
        found: dict[Outcome, Bitmap] = dict.fromkeys(Outcome, 0)
        for position, outcome in zip(connections, outcomes, strict=True):
            found[outcome] |= 1 << position
        return found

    def _close(self, chunk: ChunkMessage, slow: Bitmap, account: str) -> Bitmap:
        """Close the connections; return the ones that are closed now, reported as failed, or that were gone before.

        The row of a closed connection goes with `$disconnect`. A connection that was gone before is reported as gone:
        `settle` deletes its row. If its handshake may not be over, it is reported as failed and its row stays.
        """
        connections = _connections(chunk, slow)
        closing = close(self._closer, self._endpoint, connections, seconds=_CLOSE_SECONDS)
        note_closed([connections[position] for position in closing.over])
        closed = sum(1 << position for position in closing.closed)
        gone = sum(1 << position for position in closing.gone)
        young = gone & self._young(chunk)
        self._report(chunk, account, failed=closed | young, gone=gone & ~young)
        return closed | gone

    def _young(self, chunk: ChunkMessage) -> Bitmap:
        """The connections whose handshake may not be over, so that a 410 does not mean that they are gone."""
        return chunk.young if self._clock() < chunk.young_until else 0

    def _send_refused(self, chunk: ChunkMessage, slow: Bitmap, throttled: Bitmap, shard: Queue, account: str) -> None:
        """Return refused connections to the shard; close those whose client has not read for half a minute."""
        refusals = chunk.refusals + 1
        closed = 0
        if refusals >= CLOSED_AT_REFUSAL and slow & chunk.slow:
            closed = self._close(chunk, slow & chunk.slow, account)
        remaining = (slow | throttled) & ~closed
        delay = REFUSED_SECONDS[min(refusals, len(REFUSED_SECONDS)) - 1]
        again = replace(chunk, remaining=remaining, refusals=refusals, slow=(chunk.slow | slow) & remaining)
        self._send_back(again, shard, delay=delay, refused=True)

    def _try_again(self, chunk: ChunkMessage, shard: Queue, account: str) -> None:
        """Send the part back as another attempt, or give it up after the last one."""
        if chunk.attempt < MAX_ATTEMPTS:
            delay = 2 ** min(chunk.attempt - 1, _DOUBLINGS)
            self._send_back(replace(chunk, attempt=chunk.attempt + 1, refusals=0, slow=0), shard, delay=delay)
        elif chunk.remaining:
            self._give_up(chunk, account, "the attempts are used up")

    def _send_back(self, chunk: ChunkMessage, shard: Queue, *, delay: int, refused: bool = False) -> None:
        if not chunk.remaining:
            return
        group = _REFUSED if refused and chunk.priority is Priority.NORMAL else chunk.group
        shard.send_all([chunk.to_wire()], delay_seconds=delay, group=group)
        count("PostRequeued", chunk.remaining.bit_count())
        logger.info("part of the chunk goes back", remaining=chunk.remaining.bit_count(), delay_seconds=delay)

    def _give_up(self, chunk: ChunkMessage, account: str, reason: str, *, expired: bool = False) -> None:
        """Settle the remaining connections as failed, and copy the message with their ids to the dead-letter queue."""
        logger.error("part of the chunk is given up", remaining=chunk.remaining.bit_count(), reason=reason)
        self._dead_letters.send_all([chunk.to_wire()], attributes={"reason": reason})
        self._report(chunk, account, failed=chunk.remaining, expired=expired)

    def _report(
        self,
        chunk: ChunkMessage | ChunkName,
        account: str,
        *,
        delivered: Bitmap = 0,
        gone: Bitmap = 0,
        failed: Bitmap = 0,
        expired: bool = False,
    ) -> None:
        if not (delivered or gone or failed):
            return
        outcome = OutcomeMessage(
            broadcast_id=chunk.broadcast_id,
            chunk_id=chunk.chunk_id,
            size=chunk.size,
            account=account,
            delivered=delivered,
            gone=gone,
            failed=failed,
            expired=expired,
        )
        self._outcomes.send_all([outcome.to_wire()])
        count("PostDelivered", delivered.bit_count())
        count("PostGone", gone.bit_count())
        count("PostFailed", failed.bit_count())


def _connections(chunk: ChunkMessage, positions: Bitmap) -> dict[int, ConnectionId]:
    """Return the connections at these positions of the chunk."""
    connections = [connection for found in chunk.recipients.values() for connection in found]
    return {position: connections[position] for position in bitmaps.members(positions)}

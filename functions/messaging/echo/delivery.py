"""Post the frames of a batch, each connection's frames in order.

The batch does not wait for a client that does not read. Its record fails, and SQS delivers it again after 2 s, then 4
s, with all later records of its group. So the order holds, and the session's other connections receive those frames
twice. A post that fails for another reason is repeated until the deadline; then its record is delivered again as well.

A connection that still takes nothing is closed: at the third delivery if its client does not read, otherwise at the
fourth, which is the last but one that SQS makes. Its client reconnects and knows that it missed something. Without
closing, a gap in the middle, or a record that SQS has moved away, would go unnoticed.

A connection that is gone, or a frame that API Gateway will never accept, delays nothing. The row of a gone connection
is deleted, unless the connection is new, in case its `$disconnect` was lost.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.connections.stale import delete_gone
from loudhailer.deadline import Deadline
from loudhailer.delivery.closing import close, note_closed
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, TenantId
from loudhailer.observability import count, logger
from loudhailer.queues.consumer import Record

DELIVERIES = {Outcome.SLOW: 3, Outcome.THROTTLED: 4, Outcome.FAILED: 4}
"""Number of deliveries of a record after which a connection that does not take its frame is closed, by outcome."""

_CLOSE_SECONDS = 1.0


class EchoReply(NamedTuple):
    """A frame for a connection, the record that it is sent for, and the key of the connection, if known.

    Without a frame, the connection is to be closed.
    """

    to: ConnectionId
    frame: bytes | None
    record: Record
    key: ConnectionKey | None = None


class ReplyDelivery:
    """Delivers replies; `connections_of` returns the store of a tenant's connections."""

    def __init__(
        self,
        sender: OrderedSender,
        connections_of: Callable[[TenantId], ConnectionStore],
        *,
        endpoint: str,
        clock: Callable[[], float],
    ) -> None:
        self._sender = sender
        self._connections_of = connections_of
        self._endpoint = endpoint
        self._clock = clock

    def deliver(self, replies: Iterable[EchoReply], deadline: Deadline) -> dict[str, TransientError]:
        """Post the replies until the deadline; return the records to be delivered again, by id, with the reasons."""
        by_connection: dict[ConnectionId, list[EchoReply]] = defaultdict(list)
        closing: dict[ConnectionId, tuple[EchoReply, Outcome]] = {}
        for reply in replies:
            by_connection[reply.to].append(reply)
            if reply.frame is None:
                closing.setdefault(reply.to, (reply, Outcome.UNSENT))
        gone: set[ConnectionId] = set()
        waiting = {connection: found for connection, found in by_connection.items() if connection not in closing}
        stuck = self._post(waiting, deadline, gone)
        refusing = [
            connection
            for connection, (reply, outcome) in stuck.items()
            if outcome in DELIVERIES and reply.record.receives >= DELIVERIES[outcome]
        ]
        closed = self._close([*closing, *refusing], gone)
        keys = (reply.key for connection in sorted(gone) for reply in by_connection[connection][:1])
        delete_gone(self._connections_of, filter(None, keys), now=self._clock())
        return {
            reply.record.message_id: TransientError(f"a frame was not posted: {outcome.name}")
            for connection, (reply, outcome) in (stuck | closing).items()
            if connection not in closed
        }

    def _post(
        self, waiting: Mapping[ConnectionId, Sequence[EchoReply]], deadline: Deadline, gone: set[ConnectionId]
    ) -> dict[ConnectionId, tuple[EchoReply, Outcome]]:
        """Return the first reply of each connection that may be posted later, and its outcome; add to `gone`."""
        stuck: dict[ConnectionId, tuple[EchoReply, Outcome]] = {}
        while waiting:
            frames = {
                connection: [reply.frame for reply in replies if reply.frame is not None]
                for connection, replies in waiting.items()
            }
            outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=deadline.seconds_left)
            remaining: dict[ConnectionId, Sequence[EchoReply]] = {}
            for connection, replies in waiting.items():
                taken = outcomes[connection].count(Outcome.DELIVERED)
                count("ReplyDelivered", taken)
                if taken == len(replies):
                    continue
                match outcomes[connection][taken]:
                    case Outcome.GONE:
                        count("ReplyGone", len(replies) - taken)
                        gone.add(connection)
                    case Outcome.REJECTED:
                        count("ReplyRejected")
                        logger.error("the gateway refuses a frame", connection_id=connection)
                        remaining[connection] = replies[taken + 1 :]
                    case outcome:
                        stuck[connection] = replies[taken], outcome
            waiting = {connection: replies for connection, replies in remaining.items() if replies}
        return stuck

    def _close(self, connections: Sequence[ConnectionId], gone: set[ConnectionId]) -> set[ConnectionId]:
        """Close connections; return the ones that are closed now or were closed before, which are added to `gone`."""
        closing = close(self._sender, self._endpoint, {one: one for one in connections}, seconds=_CLOSE_SECONDS)
        note_closed(closing.over)
        gone.update(closing.gone)
        return set(closing.over)

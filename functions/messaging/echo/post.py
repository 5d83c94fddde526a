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


class Letter(NamedTuple):
    """A frame for a connection, the record that it is sent for, and the key of the connection, if known.

    Without a frame, the connection is to be closed.
    """

    to: ConnectionId
    frame: bytes | None
    record: Record
    key: ConnectionKey | None = None


class Post:
    """Delivers letters; `connections_of` returns the store of a tenant's connections."""

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

    def deliver(self, letters: Iterable[Letter], deadline: Deadline) -> dict[str, TransientError]:
        """Post the letters until the deadline; return the records to be delivered again, by id, with the reasons."""
        by_connection: dict[ConnectionId, list[Letter]] = defaultdict(list)
        closing: dict[ConnectionId, tuple[Letter, Outcome]] = {}
        for letter in letters:
            by_connection[letter.to].append(letter)
            if letter.frame is None:
                closing.setdefault(letter.to, (letter, Outcome.UNSENT))
        gone: set[ConnectionId] = set()
        waiting = {connection: found for connection, found in by_connection.items() if connection not in closing}
        stuck = self._post(waiting, deadline, gone)
        refusing = [
            connection
            for connection, (letter, outcome) in stuck.items()
            if outcome in DELIVERIES and letter.record.receives >= DELIVERIES[outcome]
        ]
        closed = self._close([*closing, *refusing], gone)
        keys = (letter.key for connection in sorted(gone) for letter in by_connection[connection][:1])
        delete_gone(self._connections_of, filter(None, keys), now=self._clock())
        return {
            letter.record.message_id: TransientError(f"a frame was not posted: {outcome.name}")
            for connection, (letter, outcome) in (stuck | closing).items()
            if connection not in closed
        }

    def _post(
        self, waiting: Mapping[ConnectionId, Sequence[Letter]], deadline: Deadline, gone: set[ConnectionId]
    ) -> dict[ConnectionId, tuple[Letter, Outcome]]:
        """Return the first letter of each connection that may be posted later, and its outcome; add to `gone`."""
        stuck: dict[ConnectionId, tuple[Letter, Outcome]] = {}
        while waiting:
            frames = {
                connection: [letter.frame for letter in letters if letter.frame is not None]
                for connection, letters in waiting.items()
            }
            outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=deadline.seconds_left)
            behind: dict[ConnectionId, Sequence[Letter]] = {}
            for connection, letters in waiting.items():
                taken = outcomes[connection].count(Outcome.DELIVERED)
                count("ReplyDelivered", taken)
                if taken == len(letters):
                    continue
                match outcomes[connection][taken]:
                    case Outcome.GONE:
                        count("ReplyGone", len(letters) - taken)
                        gone.add(connection)
                    case Outcome.REJECTED:
                        count("ReplyRejected")
                        logger.error("the gateway refuses a frame", connection_id=connection)
                        behind[connection] = letters[taken + 1 :]
                    case outcome:
                        stuck[connection] = letters[taken], outcome
            waiting = {connection: letters for connection, letters in behind.items() if letters}
        return stuck

    def _close(self, connections: Sequence[ConnectionId], gone: set[ConnectionId]) -> set[ConnectionId]:
        """Close connections; return the ones that are closed now or were closed before, which are added to `gone`."""
        closing = close(self._sender, self._endpoint, {one: one for one in connections}, seconds=_CLOSE_SECONDS)
        note_closed(closing.over)
        gone.update(closing.gone)
        return set(closing.over)

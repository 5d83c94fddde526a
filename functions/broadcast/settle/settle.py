"""Add outcomes to the tallies of their chunks, and have the rows of connections that are gone deleted.

Settling is a union of sets: an outcome that arrives twice, late or out of order does not change the result. A batch's
outcomes for the same chunk are combined first. If another invocation changed a tally in the meantime, it is read again
and the write is repeated.

A batch may require thousands of deletions. Chunks for which there is no time are returned to the queue at once. If the
function timed out instead, they would wait for their visibility timeout, which is minutes on AWS.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import batched

from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.messages import OutcomeMessage
from loudhailer.broadcast.model import Tally, TallyKey
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.channels.leaving import CONNECTIONS_A_MESSAGE, Gone
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.errors import PermanentError, TransientError
from loudhailer.ids import is_of_channel
from loudhailer.observability import count, logger
from loudhailer.queues.consumer import Failures
from loudhailer.queues.port import Queue

_CONFLICTS = 5

_OTHER_SIZE = "the chunk is of another size"
_OTHER_CHUNK = "the chunk is not one of its broadcast's"


class Settle:
    """Settles a batch of outcomes; `queue` is the one that they come from.

    Members of channels that are gone are sent to `leave`: their connections' rows and other members go with them.
    """

    def __init__(
        self,
        broadcasts: BroadcastStore,
        connections: ConnectionStore,
        queue: Queue,
        leave: Queue,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._broadcasts = broadcasts
        self._connections = connections
        self._queue = queue
        self._leave = leave
        self._clock = clock

    def __call__(self, bodies: Mapping[str, str], *, deadline: Deadline) -> Failures:
        """Settle each message's outcome until the deadline, but at least one chunk; return the failed message ids.

        Messages for which there is no time are sent to the queue again.
        """
        failures: dict[str, Exception] = {}
        outcomes: defaultdict[TallyKey, dict[str, OutcomeMessage]] = defaultdict(dict)
        for message_id, body in bodies.items():
            try:
                outcome = OutcomeMessage.from_wire(body)
            except PermanentError as error:
                failures[message_id] = error
            else:
                outcomes[TallyKey(outcome.broadcast_id, outcome.chunk_id)][message_id] = outcome
        tallies = self._broadcasts.tallies_of(outcomes)
        unprocessed: list[str] = []
        for position, (key, of_chunk) in enumerate(outcomes.items()):
            if position and deadline.is_over():
                unprocessed += of_chunk
                continue
            fitting = of_chunk
            try:
                size = self._size(key, of_chunk.values(), tallies.get(key))
                fitting = {message_id: outcome for message_id, outcome in of_chunk.items() if outcome.size == size}
                failures |= dict.fromkeys(of_chunk.keys() - fitting.keys(), PermanentError(_OTHER_SIZE))
                if fitting:
                    self._settle(key, list(fitting.values()), tallies.get(key))
            except Exception as error:  # noqa: BLE001  # whatever it is, the other chunks are settled
                failures |= dict.fromkeys(fitting, error)
        return failures | self._send_again(bodies, unprocessed)

    def _send_again(self, bodies: Mapping[str, str], unprocessed: Collection[str]) -> dict[str, Exception]:
        """Send the messages again; return those for which that failed."""
        if not unprocessed:
            return {}
        try:
            self._queue.send_all([bodies[message_id] for message_id in unprocessed])
        except TransientError as error:
            return dict.fromkeys(unprocessed, error)
        count("OutcomeHandedBack", len(unprocessed))
        return {}

    def outcomes(self, outcomes: Iterable[OutcomeMessage]) -> None:
        """Settle the outcomes, each of another chunk; stop at the first error."""
        by_key = {TallyKey(outcome.broadcast_id, outcome.chunk_id): outcome for outcome in outcomes}
        tallies = self._broadcasts.tallies_of(by_key)
        for key, outcome in by_key.items():
            self._settle(key, [outcome], tallies.get(key))

    def _size(self, key: TallyKey, outcomes: Collection[OutcomeMessage], tally: Tally | None) -> int:
        """Return the chunk's size; read its row only if nothing is settled yet and the outcomes disagree."""
        if tally is not None:
            return tally.size
        sizes = {outcome.size for outcome in outcomes}
        if len(sizes) == 1:
            return sizes.pop()
        chunk = self._broadcasts.chunk(key.broadcast_id, key.chunk_id)
        if chunk is None:
            raise PermanentError(_OTHER_CHUNK)
        return chunk.size

    def _settle(self, key: TallyKey, outcomes: Sequence[OutcomeMessage], old: Tally | None) -> None:
        gone = 0
        for outcome in outcomes:
            gone |= outcome.gone
        # A tally counts a connection as gone only after its row is deleted: a repeated batch continues where it
        # stopped.
        if undeleted := gone & ~(old.gone if old else 0):
            self._delete(key, undeleted)
        for _ in range(_CONFLICTS):
            new = old or Tally(size=outcomes[0].size)
            if any(outcome.size != new.size for outcome in outcomes):
                raise PermanentError(_OTHER_SIZE)
            for outcome in outcomes:
                new = new.after(outcome, int(self._clock() * 1000))
            if new == old or self._broadcasts.replace_tally(key, old, new):
                break
            old = self._broadcasts.tallies_of([key]).get(key)
        else:
            raise TransientError("other invocations changed the tally at every attempt")
        if any(outcome.expired for outcome in outcomes):
            self._broadcasts.mark_expired(key.broadcast_id)

    def _delete(self, key: TallyKey, gone: Bitmap) -> None:
        chunk = self._broadcasts.chunk(key.broadcast_id, key.chunk_id)
        if chunk is None or gone.bit_length() > chunk.size:
            raise PermanentError(_OTHER_CHUNK)
        if self._clock() < chunk.young_until:
            gone &= ~chunk.young
        connections = [
            ConnectionKey(partition, connection)
            for partition, found in chunk.recipients.items()
            for connection in found
        ]
        stale = [connections[position] for position in bitmaps.members(gone)]
        members = [key for key in stale if is_of_channel(key.partition)]
        self._connections.delete_all([key for key in stale if not is_of_channel(key.partition)])
        self._leave.send_all(Gone(some).to_wire() for some in batched(members, CONNECTIONS_A_MESSAGE, strict=False))
        count("StaleConnectionDeleted", len(stale))
        logger.info(
            "stale connections deleted", broadcast_id=key.broadcast_id, chunk_id=key.chunk_id, deleted=len(stale)
        )

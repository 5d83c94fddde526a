"""Have the subscriptions of connections end whose rows are gone, whatever ended them.

They are named to `leave_channels` twice: at once, and when no `subscribe` can be at work any more that has found such a
row.
"""

from collections.abc import Iterable
from itertools import batched

from loudhailer import ids
from loudhailer.channels.leaving import CONNECTIONS_A_MESSAGE, Ended
from loudhailer.channels.model import SETTLED_SECONDS, SubscriberKey
from loudhailer.connections.model import ConnectionKey
from loudhailer.queues.port import Queue
from loudhailer.streams.records import StreamEvent, StreamRecord, parsed


class SubscriptionEnds:
    """Sends the ends that a batch of stream records tells of."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __call__(self, records: Iterable[StreamEvent]) -> None:
        """Send all ends; sending one again does no harm.

        Raises:
            TransientError: some ends could not be sent.
        """
        ended = list(parsed(records, _ended, is_counted=False))  # `accounting` reads the same stream, and counts
        for is_last, seconds in ((False, 0), (True, SETTLED_SECONDS)):
            messages = (Ended(some, is_last).to_wire() for some in batched(ended, CONNECTIONS_A_MESSAGE, strict=False))
            self._queue.send_all(messages, delay_seconds=seconds)


def _ended(record: StreamRecord) -> SubscriberKey | None:
    """Return the connection whose subscriptions end with a record; None for other changes."""
    if record.event != "REMOVE" or "subscribes" not in record.old:
        return None
    partition, connection = record.keys["partition"]["S"], record.keys["connectionId"]["S"]
    return SubscriberKey.of(ConnectionKey(ids.partition(partition), ids.connection_id(connection)))

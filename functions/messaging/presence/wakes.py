"""A new message wakes its inbox, and so does a new connection of a player.

Only an INSERT does: a message that is deleted, by whomever, is none that waits. The records of a batch that are for the
same inbox share a wake: whoever is woken reads all of it.
"""

from collections.abc import Iterable

from loudhailer import ids
from loudhailer.inbox.model import Inbox, Wake
from loudhailer.queues.port import FifoQueue
from loudhailer.streams.records import StreamEvent, StreamRecord, parsed


class Wakes:
    """Sends the wakes that a batch of stream records asks for."""

    def __init__(self, queue: FifoQueue) -> None:
        self._queue = queue

    def __call__(self, records: Iterable[StreamEvent]) -> None:
        """Send them all; twice is as good as once.

        Raises:
            TransientError: some are not sent.
        """
        wakes = dict(parsed(records, _wake_of))
        self._queue.send_all(wake.to_message(event_id) for wake, event_id in wakes.items())


def _wake_of(record: StreamRecord) -> tuple[Wake, str] | None:
    """The wake that a record asks for, and the record's event; None for a change that wakes nobody."""
    if record.event != "INSERT":
        return None
    if "inbox" in record.keys:
        return Wake(Inbox.of_key(record.keys["inbox"]["S"])), record.event_id
    if "playerId" not in record.new:
        return None
    partition = ids.partition(record.keys["partition"]["S"])
    return Wake(Inbox(ids.tenant_of(partition), ids.player_id(record.new["playerId"]["S"]))), record.event_id

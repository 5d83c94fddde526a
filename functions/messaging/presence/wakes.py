"""Wake an inbox for a new message, or for a new connection of its player.

Only an INSERT wakes: a deleted message does not wait any more. Records of a batch that concern the same inbox share one
wake, since a woken inbox is read as a whole.
"""

from collections.abc import Iterable
from dataclasses import replace

from loudhailer import ids
from loudhailer.inbox.model import Inbox, Wake
from loudhailer.queues.port import FifoQueue
from loudhailer.streams.records import StreamEvent, StreamRecord, parsed


class Wakes:
    """Sends the wakes that a batch of stream records requires."""

    def __init__(self, queue: FifoQueue) -> None:
        self._queue = queue

    def __call__(self, records: Iterable[StreamEvent]) -> None:
        """Send all wakes; sending one twice does no harm.

        Raises:
            TransientError: some wakes could not be sent.
        """
        wakes: dict[Inbox, tuple[Wake, str]] = {}
        for wake, event_id in parsed(records, _wake_of):
            former, _ = wakes.get(wake.inbox, (wake, ""))
            wakes[wake.inbox] = replace(wake, connected=wake.connected or former.connected), event_id
        self._queue.send_all(wake.to_message(event_id) for wake, event_id in wakes.values())


def _wake_of(record: StreamRecord) -> tuple[Wake, str] | None:
    """Return the wake that a record requires, with the id of its event; None for a change that wakes no inbox."""
    if record.event != "INSERT":
        return None
    if "inbox" in record.keys:
        return Wake(Inbox.of_key(record.keys["inbox"]["S"])), record.event_id
    if "playerId" not in record.new:
        return None
    partition = ids.partition(record.keys["partition"]["S"])
    inbox = Inbox(ids.tenant_of(partition), ids.player_id(record.new["playerId"]["S"]))
    return Wake(inbox, connected=True), record.event_id

"""A new message wakes its inbox, and so does a new connection of a player.

Only an INSERT does: a message that is deleted, by whomever, is none that waits. The records of a batch that are for the
same inbox share a wake: whoever is woken reads all of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loudhailer import ids
from loudhailer.errors import InvalidFieldError
from loudhailer.inbox.model import Inbox, Wake
from loudhailer.observability import count, logger
from loudhailer.queues.port import FifoQueue


class Wakes:
    """Sends the wakes that a batch of stream records asks for."""

    def __init__(self, queue: FifoQueue) -> None:
        self._queue = queue

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Sends them all; twice is as good as once.

        Raises:
            TransientError: some are not sent.
        """
        wakes = dict(_wakes_of(records))
        self._queue.send_all(wake.to_message(event_id) for wake, event_id in wakes.items())


def _wakes_of(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Wake, str]]:
    """Each record's wake and its event; a record that makes no sense is left out."""
    for record in records:
        if record.get("eventName") != "INSERT":
            continue
        try:
            wake = _wake_of(record["dynamodb"])
            event_id = str(record["eventID"])
        except (KeyError, TypeError, AttributeError, InvalidFieldError) as error:
            count("RecordSkipped")
            logger.error("record skipped", event_id=record.get("eventID"), reason=repr(error))
        else:
            if wake is not None:
                yield wake, event_id


def _wake_of(change: Mapping[str, Any]) -> Wake | None:
    keys = change["Keys"]
    if "inbox" in keys:
        return Wake(Inbox.of_key(keys["inbox"]["S"]))
    if "playerId" not in change["NewImage"]:
        return None
    partition = ids.partition(keys["partition"]["S"])
    return Wake(Inbox(ids.tenant_of(partition), ids.player_id(change["NewImage"]["playerId"]["S"])))

"""Act on changes of the tables `connections` and `messages`: wake inboxes, announce leaves.

First the wakes, since messages wait for them; then the leaves. If not all wakes are sent, the batch comes again, and
the queue knows those that it has by their events. Leaves are announced once all wakes are sent, and only as well as can
be: the stream never stands still for them, and with it the wakes that come after.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loudhailer.errors import TransientError
from loudhailer.observability import logger
from loudhailer.streams.records import StreamEvent, batch_response


class Presence:
    """Handles one batch of a stream shard.

    `wakes` raises TransientError if not all wakes of the batch are sent; `leaves` never raises.
    """

    def __init__(
        self, wakes: Callable[[Sequence[StreamEvent]], None], leaves: Callable[[Sequence[StreamEvent]], None]
    ) -> None:
        self._wakes = wakes
        self._leaves = leaves

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The partial batch response: the first record, if not all wakes are sent."""
        records = event["Records"]
        try:
            self._wakes(records)
        except TransientError:
            logger.exception("not all wakes are sent; the batch comes again")
            return batch_response(records[0]["dynamodb"]["SequenceNumber"])
        self._leaves(records)
        return batch_response(None)

"""Act on changes of the tables `connections` and `messages`: wake inboxes and announce leaves.

Wakes are sent first, because messages wait for them; leaves follow. If some wakes cannot be sent, the batch is
delivered again. The queue discards wakes that it already has, by the id of their event. Leaves are announced once all
wakes are sent, best effort: a failure never stops the stream, which would delay later wakes.
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
        """Return the partial batch response: the first record, if some wakes could not be sent."""
        records = event["Records"]
        try:
            self._wakes(records)
        except TransientError:
            logger.exception("not all wakes are sent; the batch will be delivered again")
            return batch_response(records[0]["dynamodb"]["SequenceNumber"])
        self._leaves(records)
        return batch_response(None)

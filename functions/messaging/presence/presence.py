"""Act on changes of the tables `connections` and `messages`: wake inboxes, end subscriptions and announce leaves.

Wakes are sent first, because messages wait for them; ends of subscriptions and leaves follow. If some wakes or ends
cannot be sent, the batch is delivered again. The queue discards wakes that it already has, by the id of their event.
Leaves are announced when all of these are sent, best effort: a failure never stops the stream, which would delay later
wakes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loudhailer.errors import TransientError
from loudhailer.observability import logger
from loudhailer.streams.records import StreamEvent, batch_response


class Presence:
    """Handles one batch of a stream shard.

    `wakes` and `ends` raise TransientError if not all that the batch requires is sent; `leaves` never raises.
    """

    def __init__(
        self,
        wakes: Callable[[Sequence[StreamEvent]], None],
        ends: Callable[[Sequence[StreamEvent]], None],
        leaves: Callable[[Sequence[StreamEvent]], None],
    ) -> None:
        self._wakes = wakes
        self._ends = ends
        self._leaves = leaves

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the partial batch response: the first record, if not all wakes and ends are sent."""
        records = event["Records"]
        try:
            self._wakes(records)
            self._ends(records)
        except TransientError:
            logger.exception("not all wakes and ends are sent; the batch will be delivered again")
            return batch_response(records[0]["dynamodb"]["SequenceNumber"])
        self._leaves(records)
        return batch_response(None)

"""The number of batches of a standard queue that Lambda reads at once.

Five at first. While messages wait, up to 300 more a minute, to 1,250; then five again.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
AWS does not say how soon it takes pollers back: here, as soon as a queue is empty.
"""

import time
from collections.abc import Callable

FIRST_BATCHES = 5
MOST_BATCHES = 1_250
_MORE_A_SECOND = 300 / 60


class PollerScaling:
    """The pollers of one event source mapping."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy_since: float | None = None

    def batches_at_once(self, *, waiting: bool) -> int:
        """Return how many batches may be read at once now; `waiting` says whether the queue has messages to read."""
        if not waiting:
            self._busy_since = None
            return FIRST_BATCHES
        now = self._clock()
        if self._busy_since is None:
            self._busy_since = now
        return min(MOST_BATCHES, FIRST_BATCHES + int((now - self._busy_since) * _MORE_A_SECOND))

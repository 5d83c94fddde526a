"""A lane's rate: a token bucket whose rate drops when throttled and then recovers.

Each lane of an account uses its share of the quota, and the share that is lent to it at the moment, see
`loudhailer.delivery.lending.policy`. When API Gateway answers 429 nevertheless, the lane reduces its rate by a factor,
at most once in a while. It raises the rate again step by step, like TCP (additive increase, multiplicative decrease:
Chiu and Jain, 1989).
"""

import math
from collections.abc import Callable

_BUCKET_SECONDS = 0.05
_SMALLEST_BUCKET = 2.0
"""Must exceed 1, or fractional tokens are lost between calls."""

_PATIENCE_SECONDS = 0.25
"""Seconds for which a post waits for a lane with a bucket of its own; after that, other lanes post it."""

_DECREASE = 0.7
_DECREASE_EVERY_SECONDS = 0.2
_LOWEST_PART = 0.05
_INCREASE_A_SECOND = 0.2


class Lane:
    """Grants permissions to post, on average at most `posts_per_second` times the current value of `lent`.

    The bucket holds 50 ms of the rate, however long it was unused: a worker that was frozen between two invocations
    does not resume with a burst. Times are seconds of any monotonic clock.

    An express lane has a larger bucket, which is full at first: it is a part of the account's own, which other lanes
    never use. Its posts wait for at most `patience` seconds; after that, other lanes post them.
    """

    def __init__(
        self,
        posts_per_second: float,
        now: float,
        lent: Callable[[float], float] = lambda _: 1.0,
        *,
        bucket: int = 0,
    ) -> None:
        self._share = posts_per_second
        self._lent = lent
        self._most = posts_per_second
        self._part = 1.0
        self._bucket = bucket
        self._tokens = float(bucket)
        self._filled_at = now
        self._decreased_at = -math.inf

    @property
    def patience(self) -> float:
        """Seconds that a post may wait for the lane."""
        return _PATIENCE_SECONDS if self._bucket else math.inf

    @property
    def rate(self) -> float:
        """The present rate, in posts per second."""
        return self._most * self._part

    def take(self, wanted: int, now: float) -> int:
        """Return the number of the wanted posts that may be sent now."""
        elapsed = max(0.0, now - self._filled_at)
        self._filled_at = now
        self._most = self._share * self._lent(now)
        self._part = min(1.0, self._part + _INCREASE_A_SECOND * min(elapsed, 1.0))
        most = max(_SMALLEST_BUCKET, self._bucket, self.rate * _BUCKET_SECONDS)
        self._tokens = min(most, self._tokens + self.rate * elapsed)
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def wait(self) -> float:
        """Seconds until one more post may be sent."""
        return max(0.0, (1.0 - self._tokens) / self.rate)

    def throttled(self, now: float) -> None:
        """Reduce the rate: the account's quota was used up. Late answers to the same burst count once."""
        if now - self._decreased_at >= _DECREASE_EVERY_SECONDS:
            self._decreased_at = now
            self._part = max(_LOWEST_PART, self._part * _DECREASE)
            self._tokens = min(self._tokens, 0.0)

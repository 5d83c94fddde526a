"""A lane's rate: a token bucket whose rate yields to throttling and comes back.

The lanes of an account share its quota without talking to each other. Each keeps to its part; when the gateway answers
429 all the same, it lowers its rate by a factor, at most once in a while, and raises it again step by step, as TCP does
(additive increase, multiplicative decrease: Chiu and Jain, 1989).
"""

import math

_BUCKET_SECONDS = 0.05
_SMALLEST_BUCKET = 2.0
"""One permission and a part of the next: a bucket of one would spill what flows in between two looks at it."""

_DECREASE = 0.7
_DECREASE_EVERY_SECONDS = 0.2
_LOWEST_SHARE = 0.05
_INCREASE_SHARE_A_SECOND = 0.2


class Lane:
    """Hands out permissions to post, at most `posts_per_second` on average.

    The bucket holds 50 ms of the rate, however long nobody asked: a worker that was frozen between two invocations does
    not come back with a burst. Times are those of any clock that does not go back, in seconds.
    """

    def __init__(self, posts_per_second: float, now: float) -> None:
        self._most = posts_per_second
        self._rate = posts_per_second
        self._tokens = 0.0
        self._filled_at = now
        self._decreased_at = -math.inf

    @property
    def rate(self) -> float:
        """The present rate, in posts per second."""
        return self._rate

    def take(self, wanted: int, now: float) -> int:
        """How many of the wanted posts may be sent now."""
        elapsed = max(0.0, now - self._filled_at)
        self._filled_at = now
        self._rate = min(self._most, self._rate + self._most * _INCREASE_SHARE_A_SECOND * min(elapsed, 1.0))
        self._tokens = min(max(_SMALLEST_BUCKET, self._rate * _BUCKET_SECONDS), self._tokens + self._rate * elapsed)
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken

    def wait(self) -> float:
        """How many seconds it takes until there is one more permission."""
        return max(0.0, (1.0 - self._tokens) / self._rate)

    def throttled(self, now: float) -> None:
        """Lowers the rate: the account's quota was used up. What is answered late to the same burst counts once."""
        if now - self._decreased_at >= _DECREASE_EVERY_SECONDS:
            self._decreased_at = now
            self._rate = max(self._most * _LOWEST_SHARE, self._rate * _DECREASE)
            self._tokens = min(self._tokens, 0.0)

"""Token buckets, by which AWS throttles: a bucket fills at a rate, and a request takes tokens out of it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html says so for DynamoDB.
"""

import time
from collections.abc import Callable, Hashable

_SEEN_AT_ONCE = 10_000


class TokenBuckets[K: Hashable]:
    """One bucket for each key: it starts full, and holds as many tokens as it gets in a second.

    A request may take more than there is, since its cost may be known only after it was carried out. The next one
    then waits until the bucket has made up for it.
    """

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._clock = clock
        self._buckets: dict[K, tuple[float, float]] = {}

    def __len__(self) -> int:
        """The number of buckets that are not known to be full."""
        return len(self._buckets)

    def is_empty(self, key: K) -> bool:
        """Tell whether nothing can be taken out of the key's bucket now."""
        return self._tokens(key, self._clock()) <= 0

    def take(self, key: K, tokens: float = 1.0) -> None:
        """Take tokens out of the key's bucket."""
        now = self._clock()
        if len(self._buckets) >= _SEEN_AT_ONCE:
            self._forget_full(now)
        self._buckets[key] = (self._tokens(key, now) - tokens, now)

    def _tokens(self, key: K, now: float) -> float:
        tokens, since = self._buckets.get(key, (self._a_second, now))
        return min(self._a_second, tokens + (now - since) * self._a_second)

    def _forget_full(self, now: float) -> None:
        for key in [key for key in self._buckets if self._tokens(key, now) == self._a_second]:
            del self._buckets[key]

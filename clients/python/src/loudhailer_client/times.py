"""Times in seconds, bounds, and the time before another try."""

import random
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loudhailer_client.errors import LoudhailerError

REMEMBERED = 1_000
"""Ids, frames behind a gap, and channels that a pattern has brought: the most that a client remembers of each."""

LONGEST_WAIT = 3_600.0
"""Seconds that a client waits for its turn at most."""

_TOO_MANY = 429


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of a client, in seconds, and its sources of chance.

    API Gateway closes an idle connection after ten minutes, and each one after two hours:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    """

    keep_alive: tuple[float, float] = (480, 540)
    renewal: tuple[float, float] = (6_300, 6_900)
    overlap: float = 2
    longest_overlap: float = 7_200
    handshake: float = 15
    session: float = 30
    answer: float = 10
    request: float = 60
    gap: float = 0.5
    spread: float = 1
    shortest_backoff: float = 1
    longest_backoff: float = 30
    stable: float = 10
    random: Callable[[], float] = random.random
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex

    def between(self, limits: tuple[float, float]) -> float:
        """Return a random time between two times."""
        return limits[0] + self.random() * (limits[1] - limits[0])

    def backoff(self, attempt: int) -> float:
        """Return a random time up to a bound that doubles with each attempt (full jitter).

        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        return self.random() * min(self.longest_backoff, self.shortest_backoff * 2.0 ** min(attempt, 30))


def delay_of(error: BaseException | None, spread: Callable[[], float]) -> float:
    """Return the time before another try: a 429 names this client's own turn, other errors a time for all clients."""
    if not isinstance(error, LoudhailerError) or not error.retry_after:
        return spread()
    return min(error.retry_after, LONGEST_WAIT) + (0 if error.status == _TOO_MANY else spread())


class Recent:
    """The newest values, up to `REMEMBERED`."""

    def __init__(self) -> None:
        self._values: OrderedDict[Any, None] = OrderedDict()

    def add(self, value: Any) -> bool:
        """Remember a value; return False if it is remembered already."""
        if value in self._values:
            return False
        self._values[value] = None
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
        return True

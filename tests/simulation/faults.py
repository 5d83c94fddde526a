"""The faults of a run: their kinds, how often each strikes, and the dice.

Each fault that strikes has a name. A run of the same seed that leaves some of them out is how a failing run is made
shorter, see `shrinking.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import NamedTuple

from tests.simulation.scheduler import Scheduler

LOST_REQUEST = "a request is lost before it has an effect"
LOST_ANSWER = "a call has its effect, and its answer is lost"
REPEATED_CALL = "the SDK repeats a call whose answer was lost"
THROTTLED_CALL = "a call is throttled"
CONFLICT = "a transaction conflicts with another writer"
KILLED_BEFORE = "a function is killed before a call"
KILLED_AFTER = "a function is killed after a call has had its effect"
KILLED_WITHIN = "a function is killed when a part of a batch has had its effect"
SLOW_CALL = "a call takes seconds"
DUPLICATE = "a queue delivers a message twice"
LATE_MESSAGE = "a queue delivers a message late"
STREAM_STALLS = "a stream stands still"
NO_DISCONNECT = "a $disconnect is lost"
GOES_EARLY = "a client is gone before its $connect ends"
POST_FAILS = "a post is answered 5xx without an effect"
POST_LOST = "a post has its effect and is answered 5xx"
CLIENT_SLOW = "a client does not read for a while"
ACCOUNT_THROTTLED = "the account's quota is used up for a while"
INDEX_LAGS = "the replicas of an index lag behind by seconds"
CLOCK_SKEW = "clocks are seconds apart"
TIME_JUMPS = "the time jumps by minutes or hours"
STALE_READ = "a read that need not be consistent sees the rows of a moment ago"
PART_LEFT = "a service carries out a part of a batch, and says which it has left"
STREAM_REPEATS = "a stream delivers a batch again that was handled, after a while"
CROSSES_LATE = "a topic's message reaches another account late"
CROSSES_TWICE = "a topic's message reaches another account twice"
CELL_SILENT = "a cell and the hub do not reach each other for a while"
CELL_LOST = "a cell does nothing for a while, and loses its clients"

RATES: Mapping[str, float] = {
    LOST_REQUEST: 0.006,
    LOST_ANSWER: 0.006,
    REPEATED_CALL: 0.006,
    THROTTLED_CALL: 0.006,
    CONFLICT: 0.006,
    KILLED_BEFORE: 0.004,
    KILLED_AFTER: 0.004,
    KILLED_WITHIN: 0.2,
    SLOW_CALL: 0.01,
    DUPLICATE: 0.08,
    LATE_MESSAGE: 0.08,
    STREAM_STALLS: 0.03,
    NO_DISCONNECT: 0.15,
    GOES_EARLY: 0.08,
    POST_FAILS: 0.03,
    POST_LOST: 0.03,
    CLIENT_SLOW: 0.03,
    ACCOUNT_THROTTLED: 0.01,
    INDEX_LAGS: 0.1,
    CLOCK_SKEW: 0.3,
    TIME_JUMPS: 0.01,
    STALE_READ: 0.3,
    PART_LEFT: 0.04,
    STREAM_REPEATS: 0.02,
    CROSSES_LATE: 0.2,
    CROSSES_TWICE: 0.2,
    CELL_SILENT: 0.015,
    CELL_LOST: 0.005,
}
"""The share of occasions on which a fault of the kind strikes, in a run that has it."""


class Fault(NamedTuple):
    """A fault that has struck; its name says on which occasion."""

    name: str
    kind: str
    at: float


class Dice:
    """Decide where faults strike; those of kinds that are silent, and some names, are left out.

    Each of the kinds strikes so many times as often as its rate says.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        kinds: Mapping[str, float],
        *,
        silent: Collection[str] = (),
        left_out: Collection[str] = (),
    ) -> None:
        self._scheduler = scheduler
        self.rates = {kind: RATES[kind] * often for kind, often in kinds.items()}
        self._silent = silent
        self._left_out = left_out
        self.fired: list[Fault] = []
        self.off = False

    def first_of(self, kinds: tuple[str, ...]) -> str | None:
        """The fault that strikes on this occasion, one of these kinds at most; chance is asked once."""
        if self.off:
            return None
        at = self._scheduler.chance.random.random()
        for kind in kinds:
            rate = self.rates.get(kind, 0.0)
            if at < rate:
                return kind if self._strikes(kind) else None
            at -= rate
        return None

    def strikes(self, kind: str) -> bool:
        """Tell whether a fault of the kind strikes on this occasion."""
        return self.first_of((kind,)) is not None

    def _strikes(self, kind: str) -> bool:
        name = self._scheduler.chance.child_key(kind)
        if kind in self._silent or name in self._left_out:
            return False
        self.fired.append(Fault(name, kind, self._scheduler.now))
        return True


def kinds_of(random: Random, shares: Sequence[float]) -> frozenset[str]:
    """The kinds of one run: a share of them, so that a run meets few kinds often and not all of them rarely."""
    share = random.choice(shares)
    return frozenset(kind for kind in RATES if random.random() < share)

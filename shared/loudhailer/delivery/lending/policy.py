"""Kinds of lanes lend each other what they leave idle.

Each kind has a share of the quota. While all kinds are posting, each keeps to its own; what an idle kind leaves is
divided among those that post, by their shares. So a kind that is alone has all of it.

A kind that posts is *marked*, twice a second. Whoever posts looks at the marks four times a second, and borrows only
what a look found idle that came after a mark of its own kind: of two kinds that begin at the same moment, one at least
sees the other.

Clocks need not agree. The marks are times, but what counts is that a mark has changed since the last look, and how long
ago that was by the reader's own clock. At a worker's first look there is nothing to compare, so the times are believed.
Where a clock is behind by more than a second, its kind may be taken for idle until the mark changes: half a second.

What a look found is believed for 0.4 seconds, from the moment at which it was sent. So neither a read that hangs, nor a
worker that was frozen, posts for longer than that on old news. A kind that begins has its share within 0.3 seconds, and
0.4 where a read hangs. What is posted above the quota meanwhile is less than what nobody used before: a kind lends what
it has when two seconds have passed since its last mark, and it was marked less than a second before its last post.
"""

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future

from loudhailer.delivery.lending.port import LaneStore
from loudhailer.errors import ConfigurationError
from loudhailer.observability import count, logger

LOOK_EVERY_SECONDS = 0.25
BELIEVED_SECONDS = 0.4
MARK_EVERY_SECONDS = 0.5
IDLE_AFTER_SECONDS = 2.0
TELL_EVERY_SECONDS = 60.0


class Lending:
    """Tells one worker by how much its kind may exceed its own share at the moment.

    The calls to the store are made by the executor, one at a time: posting never waits for them.
    """

    def __init__(
        self,
        kind: str,
        shares: Mapping[str, float],
        store: LaneStore,
        executor: Executor,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if kind not in shares:
            raise ConfigurationError(f"no share is given for {kind}: {dict(shares)}")
        self._kind = kind
        self._shares = shares
        self._store = store
        self._executor = executor
        self._clock = clock
        self._monotonic = monotonic
        self._look_at: float | None = None
        self._looking: Future[tuple[float, float]] | None = None
        self._factor, self._until = 1.0, -math.inf
        self._told_at = -math.inf
        # What follows is the executor's.
        self._looked_at = -math.inf
        self._marks: dict[str, int] = {}
        self._posting_at: dict[str, float] = {}

    def factor(self, now: float) -> float:
        """The multiple of its own share that the kind may post at the moment; one at least.

        It is asked while posts are sent, by a clock that does not go back. It looks at the marks when it is time to,
        but not when it is first asked: a worker that has just started sends its first posts before.
        """
        if self._looking is not None and self._looking.done():
            if (error := self._looking.exception()) is None:
                self._factor, self._until = self._looking.result()
            else:
                self._failed(error, now)
            self._looking = None
        if self._look_at is None:
            self._look_at = now
        elif self._looking is None and now >= self._look_at:
            self._look_at = now + LOOK_EVERY_SECONDS
            self._looking = self._executor.submit(self._look)
        return self._factor if now < self._until else 1.0

    def _failed(self, error: BaseException, now: float) -> None:
        count("LanesUnknown")
        if now >= self._told_at + TELL_EVERY_SECONDS:
            self._told_at = now
            logger.warning("it is not known which lanes are idle: this one keeps to its share", error=str(error))

    def _look(self) -> tuple[float, float]:
        """The factor, and until when it holds. Marks the own kind before, unless a fresh mark of it is known."""
        if self._age(self._kind, self._clock()) >= MARK_EVERY_SECONDS:
            self._mark()
        sent, now = self._monotonic(), self._clock()
        self._read(now)
        if self._age(self._kind, now) >= MARK_EVERY_SECONDS:
            return 1.0, sent  # The mark took too long: others may take it for an old one.
        posting = {kind for kind in self._shares if self._age(kind, now) < IDLE_AFTER_SECONDS}
        return 1.0 / sum(self._shares[kind] for kind in posting), sent + BELIEVED_SECONDS

    def _mark(self) -> None:
        now = self._clock()
        mark = int(now * 1000)
        self._store.mark(self._kind, mark)
        self._marks[self._kind], self._posting_at[self._kind] = mark, now

    def _read(self, now: float) -> None:
        """Read the marks, and note when those that have changed since the last look were set."""
        for kind, mark in self._store.marks().items():
            if mark != self._marks.get(kind):
                self._marks[kind], self._posting_at[kind] = mark, min(now, max(self._looked_at, mark / 1000))
        self._looked_at = now

    def _age(self, kind: str, now: float) -> float:
        """The seconds since the kind was last known to be posting."""
        return now - self._posting_at[kind] if kind in self._posting_at else math.inf

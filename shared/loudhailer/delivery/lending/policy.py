"""Kinds of lanes lend each other their idle share of the quota.

Each kind has a share of the quota. While all kinds are posting, each uses its own share; the share of an idle kind is
divided among the kinds that post, in proportion to their shares. So a kind that posts alone has the whole quota.

A worker that posts *marks* its kind twice a second, and reads the marks four times a second. It borrows the share of a
kind only if a read found that kind idle after a mark of its own kind: if two kinds begin at the same moment, at least
one of them sees the other.

Clocks need not agree. The marks are times, but a reader only considers when it saw a mark change, by its own clock. A
worker's first read has nothing to compare with, so it trusts the times. If another clock is more than a second slow,
its kind may seem idle until its mark changes: half a second.

The result of a read is used for 0.4 seconds, counted from the moment at which the read was sent. So neither a read that
hangs nor a frozen worker posts on outdated information for longer. A kind that begins to post gets its share within 0.3
seconds, or 0.4 if a read hangs. The posts above the quota in that time are fewer than the posts that were left unused
before: a kind lends its share two seconds after its last mark, which was set less than a second before its last post.
"""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future

from loudhailer.delivery.lending.port import LaneStore
from loudhailer.errors import ConfigurationError
from loudhailer.observability import count, logger

LOOK_EVERY_SECONDS = 0.25
BELIEVED_SECONDS = 0.4
MARK_EVERY_SECONDS = 0.5
IDLE_AFTER_SECONDS = 2.0
WARN_EVERY_SECONDS = 60.0


class Lending:
    """Computes the factor by which a worker's kind may exceed its own share at the moment.

    The executor calls the store, one call at a time: posting never waits for it.
    """

    def __init__(
        self,
        kind: str,
        shares: Mapping[str, float],
        store: LaneStore,
        executor: Executor,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
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
        self._warned_at = -math.inf
        # The executor runs the methods below.
        self._looked_at = -math.inf
        self._marks: dict[str, int] = {}
        self._posting_at: dict[str, float] = {}

    def factor(self, now: float) -> float:
        """Return the multiple of its own share that the kind may post at the moment; at least one.

        It is called while posts are sent, with the time of a monotonic clock. It starts a read of the marks when one is
        due, except at its first call: a worker that has just started sends its first posts without waiting.
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
        if now >= self._warned_at + WARN_EVERY_SECONDS:
            self._warned_at = now
            logger.warning("idle lanes are unknown; this lane keeps to its share", error=str(error))

    def _look(self) -> tuple[float, float]:
        """Return the factor, and the time until which it holds; mark the own kind first, if that is due."""
        if self._age(self._kind, self._clock()) >= MARK_EVERY_SECONDS:
            self._mark()
        sent, now = self._monotonic(), self._clock()
        self._read(now)
        if self._age(self._kind, now) >= MARK_EVERY_SECONDS:
            return 1.0, sent  # The mark took too long: others may have missed it.
        posting = {kind for kind in self._shares if self._age(kind, now) < IDLE_AFTER_SECONDS}
        return 1.0 / sum(self._shares[kind] for kind in posting), sent + BELIEVED_SECONDS

    def _mark(self) -> None:
        now = self._clock()
        mark = int(now * 1000)
        self._store.mark(self._kind, mark)
        self._marks[self._kind], self._posting_at[self._kind] = mark, now

    def _read(self, now: float) -> None:
        """Read the marks, and note the time of each mark that changed since the last read."""
        for kind, mark in self._store.marks().items():
            if mark != self._marks.get(kind):
                self._marks[kind], self._posting_at[kind] = mark, min(now, max(self._looked_at, mark / 1000))
        self._looked_at = now

    def _age(self, kind: str, now: float) -> float:
        """Return the seconds since the kind was last known to be posting."""
        return now - self._posting_at[kind] if kind in self._posting_at else math.inf

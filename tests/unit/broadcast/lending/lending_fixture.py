"""Workers of several kinds of lanes in a time of their own, and the bucket of the account that they post for."""

import heapq
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from itertools import count
from random import Random
from typing import override

from loudhailer.delivery.lane import Lane
from loudhailer.delivery.lending.policy import Lending
from loudhailer.delivery.lending.port import LaneStore
from loudhailer.errors import TransientError
from tests.support.fakes.lanes import MemoryLaneStore

QUOTA = 10_000.0
"""Posts a second that the account lets in."""

HEADROOM = 0.98
RATE = QUOTA * HEADROOM
"""Posts a second of all lanes together."""

START = 1_800_000_000.0
_PLENTY = 10**6


class Time(Executor):
    """A clock that tests advance, and the tasks that run meanwhile, one at a time."""

    def __init__(self) -> None:
        self.now = START
        self._numbers = count()
        self._sleeping: list[tuple[float, int, threading.Semaphore]] = []
        self._parked = threading.Semaphore(0)

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the function until it sleeps, and resume it when its time has come."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001  # it is handed to whoever asks for the result
                future.set_exception(error)
            self._parked.release()

        threading.Thread(target=run, daemon=True).start()
        self._await_parked()
        return future

    def sleep(self, seconds: float) -> None:
        """Sleeps, in a function that was submitted."""
        awake = threading.Semaphore(0)
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._numbers), awake))
        self._parked.release()
        awake.acquire()

    def go_on(self, seconds: float) -> None:
        """Let the time pass."""
        ends = self.now + seconds
        while self._sleeping and self._sleeping[0][0] <= ends:
            self.now, _, awake = heapq.heappop(self._sleeping)
            awake.release()
            self._await_parked()
        self.now = ends

    def _await_parked(self) -> None:
        assert self._parked.acquire(timeout=10)


class Network(LaneStore):
    """The marks at a distance, as one worker reaches them.

    Attributes:
        delay: how many seconds a request or an answer takes, asked for each.
        lost: whether an answer to a read is lost, asked for each.
        patience: how many seconds it takes until that is noticed.
    """

    def __init__(self, store: LaneStore, time: Time) -> None:
        self._store = store
        self._time = time
        self.delay: Callable[[], float] = lambda: 0.004
        self.lost: Callable[[], bool] = lambda: False
        self.patience = 0.0

    @override
    def mark(self, kind: str, at: int) -> None:
        self._time.sleep(self.delay())
        self._store.mark(kind, at)
        self._time.sleep(self.delay())

    @override
    def marks(self) -> Mapping[str, int]:
        self._time.sleep(self.delay())
        marks = self._store.marks()
        self._time.sleep(self.delay())
        if self.lost():
            self._time.sleep(self.patience)
            raise TransientError("no answer")
        return marks


class LaneWorker:
    """A worker, and the lane that it posts at.

    Attributes:
        clock_is_off_by: seconds.
        network: its way to the marks.
        posted: how many posts it has sent.
    """

    def __init__(self, account: "LendingFixture", kind: str, lanes: int) -> None:
        self.network = Network(account.store, account.time)
        self.clock_is_off_by = 0.0
        self.posted = 0
        self._time = account.time
        self._frozen = 0.0
        lending = Lending(
            kind,
            account.shares,
            self.network,
            account.time,
            clock=lambda: self._time.now + self.clock_is_off_by,
            monotonic=self._monotonic,
        )
        self._lane = Lane(account.quota * HEADROOM * account.shares[kind] / lanes, self._monotonic(), lending.factor)

    def post(self) -> int:
        """Send as many posts as it may; how many that are."""
        taken = self._lane.take(_PLENTY, self._monotonic())
        self.posted += taken
        return taken

    def freeze(self, seconds: float) -> None:
        """Note that its monotonic clock was stopped for so long."""
        self._frozen += seconds

    def _monotonic(self) -> float:
        return self._time.now - self._frozen


class LendingFixture:
    """Kinds of lanes with their shares, a number of workers of each, and the account.

    The account's bucket has half of what a second brings, as that of every Region has:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html

    Attributes:
        quota: posts a second that the account lets in.
        shares: of each kind.
        workers: of each kind.
        left: what the account's bucket has at the moment; below 0 it would have answered 429.
        least: the least that it has had.
    """

    def __init__(self, shares: Mapping[str, float], workers: int = 2, quota: float = QUOTA) -> None:
        self.time = Time()
        self.store = MemoryLaneStore()
        self.shares = shares
        self.quota = quota
        self.workers = {kind: [LaneWorker(self, kind, workers) for _ in range(workers)] for kind in shares}
        self.bucket_level = self.lowest_level = self._bucket = quota / 2

    def announce(self, kind: str, by: float = 0.0) -> None:
        """Marks the kind, as `query` does before its first chunk is sent, by a clock that is off by so many seconds."""
        self.store.mark(kind, int((self.time.now + by) * 1000))

    def run(self, seconds: float, *kinds: str, tick: Callable[[], float] = lambda: 0.01) -> dict[str, float]:
        """Let the workers of these kinds post; the posts a second of each kind."""
        before = {kind: self._posted(kind) for kind in kinds}
        started = self.time.now
        while self.time.now < started + seconds:
            step = tick()
            self.time.go_on(step)
            self.bucket_level = min(self._bucket, self.bucket_level + self.quota * step)
            self.bucket_level -= sum(worker.post() for kind in kinds for worker in self.workers[kind])
            self.lowest_level = min(self.lowest_level, self.bucket_level)
        return {kind: (self._posted(kind) - before[kind]) / (self.time.now - started) for kind in kinds}

    def rest(self, seconds: float) -> None:
        """Let time pass in which nobody posts."""
        self.time.go_on(seconds)
        self.bucket_level = min(self._bucket, self.bucket_level + self.quota * seconds)

    def disturb(self, random: Random, *, delay: float, lost: float) -> None:
        """Make all ways to the marks slow and bad: up to so many seconds, and such a share of reads without answer."""
        for worker in [worker for workers in self.workers.values() for worker in workers]:
            worker.network.delay = lambda: random.uniform(0, delay)
            worker.network.lost = lambda: random.random() < lost
            worker.network.patience = 0.5

    def _posted(self, kind: str) -> int:
        return sum(worker.posted for worker in self.workers[kind])

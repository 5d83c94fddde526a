"""The workers of all functions: as many as a laptop can bear, in place of AWS's thousand."""

import itertools
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.emulator.containers.worker import Function, Worker

_PATIENCE_SECONDS = 60.0
_WAITING = 1000
_LATELY_SECONDS = 10.0


class PoolExhaustedError(Exception):
    """No worker became free in time, or too many invocations wait already."""


@dataclass(eq=False)
class _Ticket:
    """An invocation that waits for a worker; granted either an idle one or the room to start one.

    While it hesitates, it takes a new one only if its function has none at all.
    """

    function: Function
    number: int
    hesitates: bool
    granted: threading.Event = field(default_factory=threading.Event)
    worker: Worker | None = None


class WorkerPool:
    """Leases workers: idle ones first, new ones up to two caps, then in order of arrival.

    An invocation whose function has workers that are all busy waits for one of them, up to `hesitation` seconds, before
    it has another one started. A start takes longer, and its work is taken from all that runs on the machine;
    invocations that were at the same time by chance would leave the machine with nothing but starts. But AWS has nobody
    wait for another's invocation. So a function's invocations wait no more than `hesitation` together in ten seconds:
    a function that is busy for long again and again gets another worker.
    `per_function` bounds the processes of one function over all its versions, `total` those of all functions; at
    `total`, the worker idle for longest makes room. `waiting` bounds the line of each function: as with AWS's reserved
    concurrency, one that is called too often keeps no other from being called.
    """

    def __init__(
        self,
        per_function: int,
        total: int,
        start: Callable[[Function], Worker],
        *,
        hesitation: float = 0.0,
        patience: float = _PATIENCE_SECONDS,
        waiting: int = _WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_function = per_function
        self._total = total
        self._hesitation = hesitation
        self._patience = patience
        self._max_waiting = waiting
        self._start = start
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[Worker] = []  # the longest idle first
        self._busy: set[Worker] = set()
        self._retired: set[Worker] = set()
        self._processes: Counter[str] = Counter()  # by function name; a worker about to start counts
        self._lines: dict[Function, deque[_Ticket]] = {}  # who waits for what, first come first; none is empty
        self._waits: defaultdict[str, deque[tuple[float, float]]] = defaultdict(deque)  # when, and for how long
        self._numbers = itertools.count()
        self._closed = threading.Event()

    @contextmanager
    def lease(self, function: Function) -> Iterator[Worker]:
        """A worker of `function`, for one invocation. Raises PoolExhaustedError."""
        worker = self._acquire(function)
        try:
            yield worker
        finally:
            self._release(worker)

    def retire(self, concerns: Callable[[Function], bool]) -> None:
        """End the idle workers of the functions concerned; the busy ones end with their invocation."""
        with self._lock:
            ended = [worker for worker in self._idle if concerns(worker.function)]
            self._forget_idle(ended)
            self._retired |= {worker for worker in self._busy if concerns(worker.function)}
            ended += self._grant()
        _close(ended)

    def close(self) -> None:
        """End every worker, busy ones too, and refuse further work."""
        with self._lock:
            self._closed.set()
            ended, self._idle = self._idle, []
            for worker in self._busy:
                worker.kill()  # its invocation sees the end and releases it
            for ticket in itertools.chain.from_iterable(self._lines.values()):
                ticket.granted.set()
            self._lines.clear()
        _close(ended)

    def _acquire(self, function: Function) -> Worker:
        began = self._clock()
        with self._lock:
            hesitation = self._hesitation - self._waited_lately(function.name, began)
            ticket = _Ticket(function, next(self._numbers), hesitates=hesitation > 0)
            waiting = sum(len(line) for each, line in self._lines.items() if each.name == function.name)
            if self._closed.is_set() or waiting >= self._max_waiting:
                raise PoolExhaustedError
            self._lines.setdefault(function, deque()).append(ticket)
            ended = self._grant()
        _close(ended)
        if ticket.hesitates and not ticket.granted.is_set():
            self._hesitate(ticket, hesitation, began)
        if not ticket.granted.wait(self._patience) and self._give_up(ticket):
            raise PoolExhaustedError
        if ticket.worker is not None:
            return ticket.worker
        return self._start_worker(function)

    def _hesitate(self, ticket: _Ticket, seconds: float, began: float) -> None:
        """Wait so long for one of the function's workers; after that the ticket may have another one started."""
        ended: list[Worker] = []
        granted = ticket.granted.wait(seconds)
        now = self._clock()
        with self._lock:
            self._waits[ticket.function.name].append((now, now - began))
            if not granted:
                ticket.hesitates = False
                ended = self._grant()
        _close(ended)

    def _waited_lately(self, name: str, now: float) -> float:
        """The seconds that invocations of a function have waited for its workers lately, all together."""
        waits = self._waits[name]
        while waits and waits[0][0] < now - _LATELY_SECONDS:
            waits.popleft()
        return sum(seconds for _, seconds in waits)

    def _give_up(self, ticket: _Ticket) -> bool:
        """Leave the line; False when the ticket was granted at the last moment."""
        with self._lock:
            line = self._lines.get(ticket.function, deque())
            if ticket not in line:
                return False
            line.remove(ticket)
            if not line:
                del self._lines[ticket.function]
            return True

    def _start_worker(self, function: Function) -> Worker:
        if self._closed.is_set():
            raise PoolExhaustedError
        try:
            worker = self._start(function)
        except BaseException:
            with self._lock:
                self._processes[function.name] -= 1
            raise
        with self._lock:
            self._busy.add(worker)
            closed = self._closed.is_set()
        if closed:
            worker.kill()
        return worker

    def _release(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            ended = []
            if worker.alive and worker not in self._retired and not self._closed.is_set():
                self._idle.append(worker)
            else:
                self._retired.discard(worker)
                self._processes[worker.function.name] -= 1
                ended.append(worker)
            ended += self._grant()
        _close(ended)

    def _grant(self) -> list[Worker]:
        """Serve waiting invocations in order of arrival; return the workers that made room or died, to be closed."""
        ended = [worker for worker in self._idle if not worker.alive]
        self._forget_idle(ended)
        unsaturated = set(self._lines)
        while unsaturated:
            function = min(unsaturated, key=lambda each: self._lines[each][0].number)
            line = self._lines[function]
            if not self._serve(line[0], ended):
                unsaturated.remove(function)
                continue
            line.popleft().granted.set()
            if not line:
                del self._lines[function]
                unsaturated.remove(function)
        return ended

    def _serve(self, ticket: _Ticket, ended: list[Worker]) -> bool:
        function = ticket.function
        # The one used last is the warmest.
        if idle := next((worker for worker in reversed(self._idle) if worker.function == function), None):
            self._idle.remove(idle)
            self._busy.add(idle)
            ticket.worker = idle
            return True
        name = function.name
        if ticket.hesitates and any(worker.function == function for worker in self._busy):
            return False
        if self._processes[name] >= self._per_function:
            outdated = next((worker for worker in self._idle if worker.function.name == name), None)
        elif self._processes.total() >= self._total:
            outdated = next(iter(self._idle), None)
        else:
            self._processes[name] += 1
            return True
        if outdated is None:
            return False
        self._forget_idle([outdated])
        ended.append(outdated)
        self._processes[name] += 1
        return True

    def _forget_idle(self, workers: list[Worker]) -> None:
        for worker in workers:
            self._idle.remove(worker)
            self._processes[worker.function.name] -= 1


def _close(workers: list[Worker]) -> None:
    for worker in workers:
        worker.close()

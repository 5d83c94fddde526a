"""The one scheduler of a run: it owns the time, and chooses the next task.

A task is a greenlet. It runs alone until it sleeps or waits, which it does before each call; then the next one in the
order of time runs.

Chance is asked on behalf of something: an operation, a message, an invocation. Each has a key, which its origin
decides, and a generator of its own. So a run from which something is left out is much the same in the rest, and a
failing one can be made short.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from heapq import heappop, heappush
from random import Random
from typing import Any, cast, override
from zlib import crc32

from greenlet import getcurrent, greenlet

BEGIN = 1_800_000_000.0
"""When a run begins, in epoch seconds: the first second of a minute."""


_LONGEST_KEY = 60


class KilledError(BaseException):
    """The task ends here and now; no `except Exception` of the code that it runs sees this."""


class Chance:
    """Decider on behalf of something: its key, and the generator that the key and the seed make."""

    def __init__(self, seed: str, key: str) -> None:
        self.key = key
        self.random = Random(f"{seed} {key}")  # noqa: S311  # a run is to be repeated
        self._seed = seed
        self._children: Counter[str] = Counter()

    def child_key(self, name: str) -> str:
        """The key of the next thing of this name that comes of it."""
        self._children[name] += 1
        key = f"{self.key}/{name}{self._children[name]}"
        return key if len(key) < _LONGEST_KEY else f"{crc32(key.encode()):08x}"

    def of(self, key: str) -> "Chance":
        """Return what decides on behalf of something else."""
        return Chance(self._seed, key)


class Task:
    """Something that runs until it is done, or killed; `owner` is what it runs for."""

    def __init__(self, scheduler: "Scheduler", work: Callable[[], object], owner: object) -> None:
        self.owner = owner
        self.killed = False
        self.waits = False
        self.chance = scheduler.chance
        self._scheduler = scheduler
        self._work = work
        self.greenlet = greenlet(self._run)

    @property
    def is_over(self) -> bool:
        """True if nothing of it will run any more."""
        return bool(self.greenlet.dead)

    def go_on(self) -> None:
        """Let it run until it sleeps again; called by the scheduler alone."""
        if self.greenlet.dead:
            return
        self.waits = False
        self._switch()

    def kill(self) -> None:
        """End it where it is; from within itself, at its next sleep."""
        self.killed = True
        if self.greenlet.dead or self.greenlet is getcurrent():
            return
        if not self.greenlet:  # it has not begun
            self._work = lambda: None
        self._switch()

    def _switch(self) -> None:
        scheduler = self._scheduler
        before, scheduler.task = scheduler.task, self
        chance, scheduler.chance = scheduler.chance, self.chance
        self.greenlet.parent = getcurrent()
        self.greenlet.switch()
        scheduler.task, scheduler.chance = before, chance

    def _run(self) -> None:
        try:
            if not self.killed:
                self._work()
        except KilledError:
            pass


class Scheduler:
    """The time, the tasks and the generator of one run."""

    def __init__(self, seed: object) -> None:
        self.chance = Chance(str(seed), "world")
        self.now = BEGIN
        self.task: Task | None = None
        self._hub = getcurrent()
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0

    @property
    def random(self) -> Random:
        """The generator of whatever is at work."""
        return self.chance.random

    def on_behalf_of(self, key: str, action: Callable[[], object]) -> None:
        """Do something with the chance of a key."""
        before, self.chance = self.chance, self.chance.of(key)
        action()
        self.chance = before

    def time(self) -> float:
        """The time, as `time.time` tells it."""
        return self.now

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time, or at once if that is over."""
        self._number += 1
        heappush(self._queue, (max(when, self.now), self._number, action))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        self.at(self.now + seconds, action)

    def start(self, work: Callable[[], object], owner: object = None) -> Task:
        """Start a task; it begins when the present one sleeps."""
        task = Task(self, work, owner)
        self.at(self.now, task.go_on)
        return task

    def sleep(self, seconds: float) -> None:
        """Suspend the present task; others run meanwhile."""
        task = self._present()
        if task.killed:
            raise KilledError
        self.after(seconds, task.go_on)
        task.greenlet.parent.switch()
        if task.killed:
            raise KilledError

    def wait(self) -> Callable[[], None]:
        """A function that resumes the present task, once it has been `suspend`ed."""
        task = self._present()
        return lambda: self.at(self.now, lambda: task.go_on() if task.waits else None)

    def suspend(self) -> None:
        """Suspend the present task until it is resumed."""
        task = self._present()
        if task.killed:
            raise KilledError
        task.waits = True
        task.greenlet.parent.switch()
        if task.killed:
            raise KilledError

    def run(self, *, until: Callable[[], bool], latest: float) -> None:
        """Run until that holds or time runs out, which happens at once if nothing is left to do."""
        while not until():
            if not self._queue or self._queue[0][0] > latest:
                self.now = max(self.now, latest)
                return
            when, _, action = heappop(self._queue)
            self.now = max(self.now, when)
            action()

    def jump(self, seconds: float) -> None:
        """Let the time pass over all that was to happen meanwhile: it happens late."""
        self.now += seconds

    def _present(self) -> Task:
        return cast("Task", self.task)


class Promise[T](Future[T]):
    """The outcome of a task of an executor; waiting for it lets other tasks run."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    @override
    def result(self, timeout: float | None = None) -> T:
        ends = None if timeout is None else self._scheduler.now + timeout
        while not self.done():
            if ends is not None and self._scheduler.now >= ends:
                raise TimeoutError
            go_on = self._scheduler.wait()
            self.add_done_callback(lambda _, wake=go_on: wake())  # type: ignore[misc]
            if ends is not None:
                self._scheduler.at(ends, go_on)
            self._scheduler.suspend()
        return super().result()


class TaskExecutor(Executor):
    """An executor whose threads are tasks, of the same owner as the one that submits."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        promise: Promise[Any] = Promise(self._scheduler)

        def work() -> None:
            if not promise.set_running_or_notify_cancel():
                return  # cancelled before its turn, as in a pool of threads
            try:
                found = fn(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  # whoever asks for the result gets it
                promise.set_exception(error)
            else:
                promise.set_result(found)

        parent = self._scheduler.task
        task = self._scheduler.start(work, parent.owner if parent else None)
        if parent is not None and hasattr(parent.owner, "tasks"):
            parent.owner.tasks.append(task)
        return promise

    @override
    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        promises = [self.submit(fn, *one) for one in zip(*iterables, strict=False)]
        return (promise.result() for promise in promises)

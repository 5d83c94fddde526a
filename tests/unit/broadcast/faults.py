"""Crashes and races on demand: collaborators that die at a given call, or take turns call by call."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from loudhailer.queues.port import Queue
from tests.support.fakes.queues import MemoryQueue


class Killed(BaseException):
    """The function was killed: nothing in it can handle that."""


class Fuse:
    """Counts the calls of collaborators and kills the function at one of them, before or after it was carried out."""

    def __init__(self, at: int, *, carried_out: bool) -> None:
        self._at = at
        self._carried_out = carried_out
        self._calls = 0

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Carry the call out, unless it is the one."""
        self._calls += 1
        if self._calls != self._at:
            return method(*arguments, **named)
        if self._carried_out:
            method(*arguments, **named)
        raise Killed


class FaultTurns:
    """Lets several functions run at once, one call of a collaborator at a time, in the order of a schedule."""

    def __init__(self, schedule: Sequence[int]) -> None:
        self._schedule = iter(schedule)
        self._parked = threading.Semaphore(0)
        self._go: dict[int, threading.Semaphore] = {}
        self._ended: set[int] = set()
        self._errors: list[Exception] = []

    def actor(self, number: int) -> "Actor":
        """Make the collaborators of one of the functions wait for its turn."""
        return Actor(self, number)

    def call(self, number: int, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Carry the call out when it is the function's turn."""
        self._parked.release()
        self._go[number].acquire()
        return method(*arguments, **named)

    def run(self, *functions: Callable[[], object]) -> list[Exception]:
        """Runs the functions to their ends; the errors that they ended with."""
        self._go = {number: threading.Semaphore(0) for number in range(len(functions))}
        for number, function in enumerate(functions):
            threading.Thread(target=self._to_the_end, args=(number, function), daemon=True).start()
            assert self._parked.acquire(timeout=10)
        while waiting := sorted(self._go.keys() - self._ended):
            self._go[waiting[next(self._schedule, 0) % len(waiting)]].release()
            assert self._parked.acquire(timeout=10)
        return self._errors

    def _to_the_end(self, number: int, function: Callable[[], object]) -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001  # it is handed to the test
            self._errors.append(error)
        self._ended.add(number)
        self._parked.release()


class Actor:
    """One of the functions that take turns."""

    def __init__(self, turns: FaultTurns, number: int) -> None:
        self._turns = turns
        self._number = number

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """See `Turns.call`."""
        return self._turns.call(self._number, method, *arguments, **named)


class Watched:
    """A collaborator each of whose calls goes through `call`."""

    def __init__(self, target: object, call: Callable[..., Any]) -> None:
        self._target = target
        self._call = call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)
        return lambda *arguments, **named: self._call(method, *arguments, **named)


class WatchedQueue:
    """A queue that takes one message a call, so that a function can die between any two."""

    def __init__(self, target: Queue, call: Callable[..., Any]) -> None:
        self._target = target
        self._call = call

    def send_all(
        self,
        bodies: Iterable[str],
        *,
        delay_seconds: int = 0,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        """See `Queue.send_all`."""
        for body in bodies:
            self._call(self._target.send_all, [body], delay_seconds=delay_seconds, attributes=attributes, group=group)


def watched[T](target: T, call: Callable[..., Any]) -> T:
    """The collaborator, with each of its calls going through `call`."""
    wrapper = WatchedQueue if isinstance(target, MemoryQueue) else Watched
    return wrapper(target, call)  # type: ignore[return-value, arg-type]  # it has the target's methods


def killed(function: Callable[..., object], *arguments: object) -> bool:
    """Tell whether the function was killed before it came to its end."""
    try:
        function(*arguments)
    except Killed:
        return True
    return False

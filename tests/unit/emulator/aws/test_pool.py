"""The pool of workers: caps, reuse, the queue of waiting requests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_until
from tools.emulator.containers.pool import PoolExhaustedError, WorkerPool
from tools.emulator.containers.worker import Function


class _Worker:
    """A worker without a process."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.alive = True
        self.closed = False

    def kill(self) -> None:
        self.alive = False

    def close(self) -> None:
        self.alive = False
        self.closed = True


def _function(name: str, version: str = "1") -> Function:
    return Function(name, version, Path(), 3.0, ())


def _pool(per_function: int = 2, total: int = 3, **limits: Any) -> WorkerPool:
    return WorkerPool(per_function, total, _Worker, **({"patience": 5.0} | limits))  # type: ignore[arg-type]


def test_an_idle_worker_is_used_again() -> None:
    """The same function gets the same worker."""
    pool = _pool()
    with pool.lease(_function("a")) as first:
        pass
    with pool.lease(_function("a")) as second:
        assert second is first


def test_a_worker_that_died_idle_is_replaced() -> None:
    """Nobody's invocation is lost with it, and it does not count any more."""
    pool = _pool(per_function=1)
    with pool.lease(_function("a")) as first:
        pass
    first.kill()
    with pool.lease(_function("a")) as second:
        assert second is not first
        assert second.alive


def test_a_worker_serves_only_its_own_version() -> None:
    """Equal name, other content."""
    pool = _pool()
    with pool.lease(_function("a", "1")) as first:
        pass
    with pool.lease(_function("a", "2")) as second:
        assert second is not first


def test_a_busy_worker_is_waited_for_before_another_is_started() -> None:
    """A request at the same time gets the existing one."""
    pool = _pool(hesitation=5.0)
    with ThreadPoolExecutor(1) as threads:
        with pool.lease(_function("a")) as first:
            waiting = threads.submit(lambda: pool.lease(_function("a")).__enter__())
            wait_until(lambda: bool(pool._lines))
        assert waiting.result() is first


def test_a_second_worker_starts_beside_a_busy_one() -> None:
    """And a function that has none is not kept waiting at all."""
    pool = _pool(hesitation=0.01)
    with pool.lease(_function("a")) as first, pool.lease(_function("a")) as second:
        assert second is not first
    eager = _pool(hesitation=60.0)
    with eager.lease(_function("a")), eager.lease(_function("b")) as other:
        assert other.function.name == "b"


def test_a_function_with_repeated_waits_gets_another_worker() -> None:
    """Together its invocations wait no longer than one may wait alone; what was long ago does not count."""
    now = [0.0]
    pool = _pool(hesitation=8.0, clock=lambda: now[0])

    def lease() -> Any:
        with pool.lease(_function("a")) as worker:
            return worker

    def wait(seconds: float) -> Any:
        """The worker of an invocation that comes while another one is busy for so long."""
        with ThreadPoolExecutor(1) as threads:
            with pool.lease(_function("a")):
                waiting = threads.submit(lease)
                wait_until(lambda: bool(pool._lines) or waiting.done())
                now[0] += seconds
            return waiting.result()

    first = wait(6.0)
    now[0] += 20.0
    assert [wait(6.0) is first for _ in range(3)] == [True, True, False]


def test_a_function_has_no_more_workers_than_its_cap() -> None:
    """The third waits until one of two is free, and gets that one."""
    pool = _pool(per_function=2)
    with ThreadPoolExecutor(1) as threads, ExitStack() as held:
        workers = [held.enter_context(pool.lease(_function("a"))) for _ in range(2)]
        begun = threading.Event()

        def third() -> Any:
            begun.set()
            with pool.lease(_function("a")) as worker:
                return worker

        waiting = threads.submit(third)
        begun.wait()
        assert not waiting.done()
        held.close()
        assert waiting.result(5) in workers


def test_all_functions_together_have_no_more_than_the_total_and_the_idlest_makes_room() -> None:
    """The worker idle for longest is ended."""
    pool = _pool(per_function=2, total=2)
    with pool.lease(_function("a")) as idlest:
        pass
    with pool.lease(_function("b")) as idle:
        pass
    with pool.lease(_function("c")):
        assert (idlest.closed, idle.closed) == (True, False)  # type: ignore[attr-defined]


def test_an_outdated_version_makes_room_for_a_new_one() -> None:
    """At the function's cap an idle worker of another version ends."""
    pool = _pool(per_function=1)
    with pool.lease(_function("a", "1")) as old:
        pass
    with pool.lease(_function("a", "2")):
        assert old.closed  # type: ignore[attr-defined]


def test_a_dead_worker_is_not_used_again_and_frees_its_place() -> None:
    """A worker that timed out or exited is closed when it comes back."""
    pool = _pool(per_function=1)
    with pool.lease(_function("a")) as dead:
        dead.kill()
    with pool.lease(_function("a")) as fresh:
        assert fresh is not dead


def test_an_invocation_that_waits_too_long_gets_an_error() -> None:
    """Nothing blocks for ever."""
    pool = _pool(per_function=1, patience=0.01)
    with pool.lease(_function("a")), pytest.raises(PoolExhaustedError), pool.lease(_function("a")):
        pass
    with pool.lease(_function("a")) as worker:
        assert worker.alive


def test_the_queue_of_waiting_invocations_is_bounded() -> None:
    """With no room to wait, a busy function answers at once."""
    pool = _pool(per_function=1, waiting=1)
    with ThreadPoolExecutor(1) as threads, ExitStack() as held:
        held.enter_context(pool.lease(_function("a")))

        def lease() -> bool:
            with pool.lease(_function("a")):
                return True

        waiting = threads.submit(lease)
        while not pool._lines:
            threading.Event().wait(0.001)
        with pytest.raises(PoolExhaustedError), pool.lease(_function("a")):
            pass
        held.close()
        assert waiting.result(5)


def test_a_full_queue_of_one_function_blocks_no_other() -> None:
    """When a crowd ends together, `disconnect` has a long line; a newcomer's `connect` is not turned away for it."""
    pool = _pool(per_function=1, total=2, waiting=1)
    with ThreadPoolExecutor(2) as threads, ExitStack() as held:
        busy = [held.enter_context(pool.lease(_function(name))) for name in ("disconnect", "connect")]

        def lease(name: str) -> Any:
            with pool.lease(_function(name)) as worker:
                return worker

        waiting = [threads.submit(lease, name) for name in ("disconnect", "connect")]
        wait_until(lambda: sum(map(len, pool._lines.values())) == 2)
        for name in ("disconnect", "connect"):
            with pytest.raises(PoolExhaustedError), pool.lease(_function(name)):
                pytest.fail("its line is full")
        held.close()
        assert [each.result(5) for each in waiting] == busy


def test_a_function_that_cannot_start_gives_its_place_back() -> None:
    """A failed start does not use up the cap."""

    def failing(_function: Function) -> Any:
        raise OSError

    pool = WorkerPool(1, 1, patience=1.0, start=failing)
    for _ in range(2):
        with pytest.raises(OSError), pool.lease(_function("a")):  # noqa: PT011 (any)
            pass


def test_retired_workers_end_at_once_when_idle_and_after_their_invocation_when_busy() -> None:
    """An update does not cut an invocation short."""
    pool = _pool()
    with pool.lease(_function("a")) as busy:
        with pool.lease(_function("a")) as idle:
            pass
        pool.retire(lambda function: function.name == "a")
        assert (idle.closed, busy.closed) == (True, False)  # type: ignore[attr-defined]
    assert busy.closed  # type: ignore[attr-defined]
    with pool.lease(_function("a")) as fresh:
        assert fresh not in {idle, busy}


def test_a_closed_pool_ends_everything_and_takes_no_more() -> None:
    """Busy workers are killed too, and waiting requests are refused."""
    pool = _pool(per_function=1)
    with ThreadPoolExecutor(1) as threads:
        with pool.lease(_function("b")) as idle:
            pass
        with pool.lease(_function("a")) as busy:

            def wait() -> None:
                with pool.lease(_function("a")):
                    pass

            waiting = threads.submit(wait)
            while not pool._lines:
                threading.Event().wait(0.001)
            pool.close()
            assert not busy.alive
            assert idle.closed  # type: ignore[attr-defined]
            with pytest.raises(PoolExhaustedError):
                waiting.result(5)
    with pytest.raises(PoolExhaustedError), pool.lease(_function("a")):
        pass


def test_the_caps_hold_under_load() -> None:
    """Never more at once than allowed."""
    pool = _pool(per_function=2, total=3)
    lock = threading.Lock()
    busy: dict[str, int] = {}
    most: dict[str, int] = {}

    def use(number: int) -> None:
        name = "abc"[number % 3]
        with pool.lease(_function(name)):
            with lock:
                busy[name] = busy.get(name, 0) + 1
                most[name] = max(most.get(name, 0), busy[name])
                most["all"] = max(most.get("all", 0), sum(busy.values()))
            threading.Event().wait(0.001)
            with lock:
                busy[name] -= 1

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(use, range(300)))
    assert most["all"] <= 3
    assert all(most[name] <= 2 for name in "abc")

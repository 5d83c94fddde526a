"""Load that does not wait for answers."""

import asyncio
import math
import time

from tests.bench.open_loop import Times, at_rate


async def test_due_operations_start_before_earlier_ones_have_ended() -> None:
    """All are under way together, each with its number; the load ends when the last has ended."""
    begun: list[int] = []
    all_begun = asyncio.Event()

    async def act(turn: int, due: float) -> None:
        assert due <= time.monotonic()
        begun.append(turn)
        if len(begun) == 10:
            all_begun.set()
        await all_begun.wait()

    await at_rate(1_000, 0.01, act)
    assert begun == list(range(10))


async def test_latency_is_measured_from_the_due_time() -> None:
    """A late start is the system's slowness, too."""
    times = Times()

    async def done() -> float:
        return 12.0

    await times.add(done(), 10.0)
    assert (times.seconds, times.at(0.5), times.error_rate) == ([2.0], 2.0, 0.0)


def test_a_missing_answer_is_an_error_without_a_latency() -> None:
    """It cannot make a percentile better."""
    assert Times([0.01, 0.02], failures=2).error_rate == 0.5
    nothing = Times([], failures=1)
    assert math.isnan(nothing.at(0.99))
    assert nothing.columns() == ("-", "-", "100.0%")

"""Load at a rate that does not wait for answers, and its results.

A client that waits for each answer sends fewer requests to a slow system, and hides how slow it is. Here
everything has a time at which it is due, and its latency begins then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.bench.results import number, percent
from tools.client.socket import HandshakeRefusedError
from tools.demo.verdict import percentile

_PATIENCE_SECONDS = 10.0


@dataclass(slots=True)
class Times:
    """Times of calls that succeeded, in seconds, and the number of calls that did not."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    async def add(self, done: Awaitable[float], due: float) -> None:
        """Wait for one, which tells when it was done; it is a failure if it does not in time, or if it is refused."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                self.seconds.append(await done - due)
        except (TimeoutError, HandshakeRefusedError):
            self.failures += 1

    def at(self, share: float) -> float:
        """The time within which this share of them was done."""
        return percentile(self.seconds, share) if self.seconds else float("nan")

    @property
    def error_rate(self) -> float:
        """The share that did not succeed."""
        return self.failures / (self.failures + len(self.seconds))

    def columns(self) -> tuple[str, str, str]:
        """p50 and p99 in milliseconds, and the error rate."""
        return number(self.at(0.5) * 1000), number(self.at(0.99) * 1000), percent(self.error_rate)


async def at_rate(rate: float, seconds: float, act: Callable[[int, float], Awaitable[None]]) -> None:
    """Start `act` so many times a second, with its number and the time it is due; return when all have ended."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for turn in range(round(rate * seconds)):
            due = started + turn / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(_awaited(act(turn, due)))


async def _awaited(act: Awaitable[None]) -> None:
    await act

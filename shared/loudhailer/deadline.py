"""The time by which work must be over."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self


class RemainingTime(Protocol):
    """The part of Lambda's context that tells the time: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time `at` by which work must be over, in seconds of a clock that never goes back."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, context: RemainingTime, *, reserve: float) -> Self:
        """Return the end of an invocation, less the seconds in reserve for what follows the work."""
        return cls.after(context.get_remaining_time_in_millis() / 1000 - reserve)

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Self:
        """Return the deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.at - self.clock()

    def is_over(self, *, within: float = 0.0) -> bool:
        """Tell whether the deadline passes within so many seconds."""
        return self.clock() + within >= self.at

    def at_most(self, seconds: float) -> Self:
        """Return the earlier of this deadline and the one that many seconds from now."""
        return replace(self, at=min(self.at, self.clock() + seconds))

    def earlier(self, seconds: float) -> Self:
        """Return the deadline that many seconds before this one."""
        return replace(self, at=self.at - seconds)

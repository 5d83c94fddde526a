"""The time at which work must end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self


class RemainingTime(Protocol):
    """Lambda's context, which gives the remaining time: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time `at` at which work must end, in seconds of a monotonic clock."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, context: RemainingTime, *, reserve: float) -> Self:
        """Return the end of an invocation, less the seconds in reserve for the steps after the work."""
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
        """Tell whether fewer than this many seconds remain."""
        return self.clock() + within >= self.at

    def at_most(self, seconds: float) -> Self:
        """Return the earlier of this deadline and the one that many seconds from now."""
        return replace(self, at=min(self.at, self.clock() + seconds))

    def earlier(self, seconds: float) -> Self:
        """Return the deadline that many seconds before this one."""
        return replace(self, at=self.at - seconds)

"""Plan for a deadline: the cells that reach everyone in time, or the quota that given cells need for it."""

from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

from loudhailer.broadcast.estimate import START_SECONDS
from tools.errors import OperatorError
from tools.planner.load import MOST, Load

_LONGEST_SECONDS = 3_600
_STEP = 1_000
"""A quota is asked for in thousands of requests a second."""


def cells_in_time(deadline: float, **numbers: Any) -> Load:
    """Return the load over as few cells as meet the deadline, each in an account of its own.

    `numbers` are those of a Load but for `cells` and `accounts`. OperatorError if one of them or the deadline is
    illegal, or if no number of cells meets it.
    """
    most = max(1, min(MOST["cells"], numbers["connections"]))
    problem = f"With {most:,} cells a broadcast takes {{seconds:,.2f}} s; the deadline is {deadline:g}."
    remedy = "Plan with a later deadline, or with a higher --posts-per-second."
    return _least(deadline, most, lambda cells: Load(**numbers, cells=cells, accounts=cells), problem, remedy)


def quota_in_time(deadline: float, **numbers: Any) -> Load:
    """Return the load with the lowest quota, in thousands of requests a second, that meets the deadline.

    `numbers` are those of a Load but for `posts_per_second` and `burst`, which is half of it. OperatorError as above.
    """

    def make(thousands: int) -> Load:
        return Load(**numbers, posts_per_second=thousands * _STEP, burst=thousands * _STEP // 2)

    most = MOST["posts_per_second"]
    problem = f"With {most:,} posts a second a broadcast takes {{seconds:,.2f}} s; the deadline is {deadline:g}."
    return _least(deadline, most // _STEP, make, problem, "Plan with a later deadline, or with more cells.")


def _least(deadline: float, most: int, make: Callable[[int], Load], problem: str, remedy: str) -> Load:
    """Return the load of the least number that meets the deadline: a larger number is never slower."""
    if not (isfinite(deadline) and START_SECONDS < deadline <= _LONGEST_SECONDS):
        raise OperatorError(
            f"--deadline must be above {START_SECONDS} and at most {_LONGEST_SECONDS:,} seconds; it is {deadline:g}.",
            f"A broadcast takes {START_SECONDS} s until its first post.",
        )

    def is_in_time(number: int) -> bool:
        try:
            return make(number).broadcast_seconds <= Decimal(str(deadline))
        except OperatorError:
            return False  # so few accounts cannot take what the clients send

    if not is_in_time(most):
        raise OperatorError(problem.format(seconds=make(most).broadcast_seconds), remedy)
    least = 1
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if is_in_time(middle) else (middle + 1, most)
    return make(least)

"""New versions take over step by step, and lose everything again as soon as they are not well."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from tools.errors import OperatorError
from tools.release.errors import ErrorLog, ErrorWatch
from tools.release.health import SyntheticBroadcast
from tools.stack.traffic import Traffic

_LATE_LINES_SECONDS = 2.0
"""Seconds by which logs may arrive late."""


@dataclass(frozen=True)
class Steps:
    """Steps by which new versions take over.

    Attributes:
        weights: the shares of the invocations that they get one after the other, before they get all.
        watch_seconds: how long each of these states, and the last one, is watched.
    """

    weights: Sequence[float] = (0.1, 0.5)
    watch_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not all(0 < weight < 1 for weight in self.weights) or list(self.weights) != sorted(set(self.weights)):
            raise OperatorError(
                f"The weights {', '.join(map(str, self.weights))} are not legal.",
                "They must be above 0, below 1, and grow: 0.1 and 0.5, say.",
            )


@dataclass(frozen=True)
class GradualShift:
    """Moves the aliases of functions to their newest versions, with a look at their health at every step.

    `broadcast` is None where none can be sent: the hub's API is not the account's own. `stable_since` is when the
    earlier versions got all invocations, in epoch seconds.
    """

    traffic: Traffic
    errors: ErrorLog
    broadcast: SyntheticBroadcast | None
    steps: Steps
    say: Callable[[str], None]
    stable_since: float = 0.0

    async def __call__(self) -> None:
        """Shift all of it; OperatorError, with everything taken back, if the new versions are not well."""
        shifts = self.traffic.pending()
        errors = ErrorWatch(self.errors, shifts, stable_since=self.stable_since)
        try:
            async with self.broadcast.connected() if self.broadcast else nullcontext():
                before = await self._prepare()
                for weight in self.steps.weights if shifts else ():
                    self.traffic.weigh(shifts, weight)
                    errors.weigh(weight)
                    self.say(f"{weight:.0%} of the invocations go to the new versions of {len(shifts)} functions.")
                    await self._watch(errors)
                errors.weigh(1)  # which `finish` does first; then it waits for provisioned concurrency
                self.traffic.finish(shifts)
                self.say(f"All invocations go to the newest versions; {len(shifts)} functions were moved.")
                await self._try_routes(known=before)
                await self._watch(errors)
        except BaseException:
            self.traffic.take_back(shifts)
            if shifts:
                self.say("All invocations go to the earlier versions again.")
            raise

    async def _prepare(self) -> Collection[str]:
        """Wake functions that sleep, and try each route; return the routes that do not answer before the shift."""
        try:
            await asyncio.to_thread(self.traffic.wake)
        except OperatorError as error:
            self.say(f"Note: {error}")
        problems = await self.broadcast.problems_of_routes() if self.broadcast else {}
        for problem in problems.values():
            self.say(f"Note: {problem}. It is so before anything is shifted.")
        return problems.keys()

    async def _try_routes(self, known: Collection[str]) -> None:
        """Try each route on the new versions; OperatorError for one that answered before."""
        problems = await self.broadcast.problems_of_routes() if self.broadcast else {}
        _require_none([problem for route, problem in problems.items() if route not in known])

    async def _watch(self, errors: ErrorWatch) -> None:
        deadline = time.monotonic() + self.steps.watch_seconds
        while True:
            problems = await self.broadcast.problems() if self.broadcast else []
            await asyncio.sleep(_LATE_LINES_SECONDS)
            problems += await asyncio.to_thread(errors.problems)
            _require_none(problems)
            if time.monotonic() > deadline:
                return


def _require_none(problems: Collection[str]) -> None:
    if problems:
        raise OperatorError(
            f"The new versions are not well: {'; '.join(problems)}.",
            "Look at their logs; docs/runbook.md says how to continue.",
        )

"""Shorten a failing run as far as possible, and explain it step by step.

Omissions are tried, with a few orders of the calls each: kinds of faults, single faults, operations.
"""

import sys
import time
from dataclasses import replace

from tests.simulation.running import RunOutcome, SimulatedScenario, run
from tests.simulation.scheduler import BEGIN

SECONDS = 60.0
"""Seconds that shrinking may take."""

_ORDERS = 3


def explain(scenario: SimulatedScenario) -> int:
    """Run a scenario; if an invariant breaks, shrink it and say how, step by step. 1 if it does."""
    outcome = run(scenario)
    if outcome.broken is None:
        _say(f"seed {scenario.seed}: {outcome.calls} calls, {len(outcome.faults)} faults: every invariant holds")
        return 0
    _say(f"seed {scenario.seed} fails after {outcome.calls} calls: {outcome.broken}")
    _say("shrinking it ...")
    short = run(shrunk(outcome).scenario, trace=True)
    _say(f"\nThe shortest run found, of {len(short.scenario.plan.operations)} operations and {short.calls} calls:\n")
    tell(short)
    _say(f"\nAgain: make simulation SEED={scenario.seed}")
    return 1


def tell(outcome: RunOutcome) -> int:
    """Tell the steps of a run, its faults and what broke; 1 if something did."""
    for line in outcome.trace:
        _say(line)
    _say(f"\n{len(outcome.faults)} faults:")
    for fault in outcome.faults:
        _say(f"{fault.at - BEGIN:10.3f}  {fault.kind}")
    _say(f"\n{outcome.broken or 'every invariant holds'}")
    return int(outcome.broken is not None)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def shrunk(outcome: RunOutcome, seconds: float = SECONDS) -> RunOutcome:
    """The shortest outcome found in which the same invariant breaks."""
    search = _Search(outcome, time.monotonic() + seconds)
    while search.better():
        pass
    return search.best


class _Search:
    def __init__(self, outcome: RunOutcome, ends: float) -> None:
        self.best = outcome
        self._ends = ends

    def better(self) -> bool:
        """Try everything once; whether something could be left out."""
        before = self._size()
        self._try(replace(self.best.scenario, plan=replace(self.best.scenario.plan, heals=False)))
        for kind in sorted({fault.kind for fault in self.best.faults}):
            self._try(replace(self.best.scenario, silent=self.best.scenario.silent | {kind}))
        self._fewer_operations()
        self._fewer_faults()
        return self._size() < before and time.monotonic() < self._ends

    def _size(self) -> tuple[int, int, int]:
        return len(self.best.scenario.plan.operations), len(self.best.faults), self.best.calls

    def _try(self, scenario: SimulatedScenario) -> bool:
        for order in range(_ORDERS):
            if time.monotonic() > self._ends:
                return False
            seed = scenario.seed if not order else f"{scenario.seed.partition('/')[0]}/{order}"
            outcome = run(replace(scenario, seed=seed))
            if outcome.broken and self.best.broken and outcome.broken.invariant == self.best.broken.invariant:
                self.best = outcome
                return True
        return False

    def _fewer_operations(self) -> None:
        size = len(self.best.scenario.plan.operations)
        while size > 0:
            at = 0
            while at < len(self.best.scenario.plan.operations):
                plan = self.best.scenario.plan
                remaining = [*plan.operations[:at], *plan.operations[at + size :]]
                if not self._try(replace(self.best.scenario, plan=replace(plan, operations=remaining))):
                    at += size
            size //= 2

    def _fewer_faults(self) -> None:
        for fault in list(self.best.faults):
            if fault.name in {one.name for one in self.best.faults}:
                self._try(replace(self.best.scenario, left_out={*self.best.scenario.left_out, fault.name}))

"""One run: a seed, or what shrinking has left of it."""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from random import Random
from typing import Any

from loudhailer import observability
from loudhailer.errors import LoudhailerError
from tests.simulation import functions
from tests.simulation.cells import CellsWorkload, cells_plan_of
from tests.simulation.faults import Dice, Fault, kinds_of
from tests.simulation.invariants import OBSERVERS
from tests.simulation.lanes import LanesWorkload, lanes_plan_of
from tests.simulation.profiles import kind_of, profile_of
from tests.simulation.scheduler import Scheduler
from tests.simulation.storm import StormWorkload, storm_plan_of
from tests.simulation.system import SimulatedSystem
from tests.simulation.watch import UNEXPECTED, BrokenError
from tests.simulation.workload import Plan, Workload, plan_of


@dataclass(frozen=True)
class SimulatedScenario:
    """All that decides a run; faults of the kinds that are `silent` are decided on, and left out.

    Each of the kinds strikes so many times as often as its rate says.
    """

    seed: str
    plan: Plan
    kinds: Mapping[str, float]
    silent: frozenset[str] = frozenset()
    left_out: Collection[str] = ()
    calls: int = 2_000

    @classmethod
    def of(cls, seed: object, calls: int = 2_000) -> "SimulatedScenario":
        """The scenario of a seed."""
        match kind_of(seed):
            case "lanes":
                plan = lanes_plan_of(seed)
            case "cells":
                plan = cells_plan_of(seed, calls)
            case "storm":
                plan = storm_plan_of(seed)
            case "one cell":
                plan = plan_of(seed, calls, profile_of(seed))
        random = Random(f"kinds {seed}")  # noqa: S311  # a run is to be repeated
        kinds = {**dict.fromkeys(kinds_of(random, plan.profile.shares), 1.0), **plan.profile.faults}
        return cls(str(seed), plan, kinds, calls=calls)


@dataclass(frozen=True)
class RunOutcome:
    """Result of a run: the invariant that broke, if one did, and the faults that struck before."""

    scenario: SimulatedScenario
    calls: int
    faults: Sequence[Fault]
    broken: BrokenError | None
    trace: Sequence[str]


def run(scenario: SimulatedScenario, *, trace: bool = False) -> RunOutcome:
    """Run a scenario to its end, or to the first invariant that breaks."""
    scheduler = Scheduler(scenario.seed)
    dice = Dice(scheduler, scenario.kinds, silent=scenario.silent, left_out=scenario.left_out)
    system = _system(scheduler, dice, scenario.plan)
    steps: list[str] | None = [] if trace else None
    for cell in system.cells.values():
        cell.trace = steps
        cell.watch.observers = [observer(cell) for observer in OBSERVERS]
    functions.wire(system)
    broken = run_quietly(system, lambda: _carry_out(system, scenario))
    calls = sum(cell.calls for cell in system.cells.values())
    return RunOutcome(scenario, calls, dice.fired, broken, steps or [])


def _system(scheduler: Scheduler, dice: Dice, plan: Plan) -> SimulatedSystem:
    """The hub's cell, which knows the further ones."""
    hub, *further = plan.names
    system = SimulatedSystem(scheduler, dice, plan.profile.sizes, name=hub, names=plan.names)
    system.connects_per_second = plan.connects_per_second
    for name in further:
        SimulatedSystem(scheduler, dice, plan.profile.sizes, name=name, names=plan.names, hub=system)
    return system


def _carry_out(system: SimulatedSystem, scenario: SimulatedScenario) -> None:
    if scenario.plan.lanes:
        LanesWorkload(system, scenario.plan).run()
    elif scenario.plan.connects_per_second:
        StormWorkload(system, scenario.plan).run(scenario.calls)
    elif system.has_cells:
        CellsWorkload(system, scenario.plan).run(scenario.calls)
    else:
        Workload(system, scenario.plan).run(scenario.calls)


def run_quietly(system: SimulatedSystem, work: Callable[[], None]) -> BrokenError | None:
    """Run the workload in a system whose functions log into its trace; return the invariant that broke, if any."""
    with _quiet(system):
        try:
            work()
        except BrokenError as error:
            return error
        except Exception as error:  # noqa: BLE001  # nobody has caught it: a function would have failed with it
            return BrokenError(UNEXPECTED, repr(error))
    return None


@dataclass(frozen=True)
class RunSummary:
    """Results of several seeds: the first that fails, the number of calls, and the number of strikes of each fault."""

    failed: int | None
    text: str
    calls: int
    faults: Counter[str]


def run_all(seeds: Sequence[int], calls: int) -> RunSummary:
    """Run seeds, of so many calls each, up to the first that fails."""
    made, struck = 0, Counter[str]()
    for seed in seeds:
        outcome = run(SimulatedScenario.of(seed, calls))
        made += outcome.calls
        struck.update(fault.kind for fault in outcome.faults)
        if outcome.broken is not None:
            return RunSummary(seed, str(outcome.broken), made, struck)
    return RunSummary(None, "", made, struck)


class _Metrics:
    """Counts nothing: that is half of what a call of a function costs."""

    def add_metric(self, **_: object) -> None:
        pass


@contextmanager
def _quiet(system: SimulatedSystem) -> Iterator[None]:
    """Let functions log into the trace, and fail the run for an error that they do not know."""

    def say(text: str, **more: object) -> None:
        if system.trace is not None:
            system.say(f"logs: {text} {more or ''}")

    def fail(text: str, *, exc_info: BaseException | None = None, **more: object) -> None:
        error = exc_info or sys.exception()
        if error is not None and not isinstance(error, LoudhailerError):
            raise BrokenError(UNEXPECTED, f"{system.invocation}: {error!r}") from error
        say(f"{text} {error!r}", **more)

    logger: Any = observability.logger
    metrics: Any = _Metrics()
    observability.metrics = metrics
    sys.excepthook = sys.__excepthook__  # not Powertools', which logs
    logger.error = logger.exception = fail
    logger.info = logger.warning = say
    logger.append_context_keys = lambda **_: nullcontext()
    yield

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
from tests.simulation.faults import Dice, Fault, kinds_of
from tests.simulation.invariants import OBSERVERS
from tests.simulation.lanes import LanesWorkload, lanes_plan_of
from tests.simulation.profiles import is_of_lanes, profile_of
from tests.simulation.scheduler import Scheduler
from tests.simulation.watch import BrokenError
from tests.simulation.workload import Plan, Workload, plan_of
from tests.simulation.world import World

UNEXPECTED = "0: a function meets no error but those that it knows"


@dataclass(frozen=True)
class Scenario:
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
    def of(cls, seed: object, calls: int = 2_000) -> "Scenario":
        """The scenario of a seed."""
        plan = lanes_plan_of(seed) if is_of_lanes(seed) else plan_of(seed, calls, profile_of(seed))
        random = Random(f"kinds {seed}")  # noqa: S311  # a run is to be repeated
        kinds = {**dict.fromkeys(kinds_of(random, plan.profile.shares), 1.0), **plan.profile.faults}
        return cls(str(seed), plan, kinds, calls=calls)


@dataclass(frozen=True)
class Outcome:
    """Result of a run: the invariant that broke, if one did, and the faults that struck before."""

    scenario: Scenario
    calls: int
    faults: Sequence[Fault]
    broken: BrokenError | None
    trace: Sequence[str]


def run(scenario: Scenario, *, trace: bool = False) -> Outcome:
    """Run a scenario to its end, or to the first invariant that breaks."""
    scheduler = Scheduler(scenario.seed)
    dice = Dice(scheduler, scenario.kinds, silent=scenario.silent, left_out=scenario.left_out)
    world = World(scheduler, dice, scenario.plan.profile.sizes)
    world.trace = [] if trace else None
    world.watch.observers = [observer(world) for observer in OBSERVERS]
    functions.wire(world)
    broken = run_quietly(world, lambda: _carry_out(world, scenario))
    return Outcome(scenario, world.calls, dice.fired, broken, world.trace or [])


def _carry_out(world: World, scenario: Scenario) -> None:
    if scenario.plan.lanes:
        LanesWorkload(world, scenario.plan).run()
    else:
        Workload(world, scenario.plan).run(scenario.calls)


def run_quietly(world: World, work: Callable[[], None]) -> BrokenError | None:
    """Do the work in a world whose functions log into its trace; the invariant that broke, if one did."""
    with _quiet(world):
        try:
            work()
        except BrokenError as error:
            return error
        except Exception as error:  # noqa: BLE001  # nobody has caught it: a function would have failed with it
            return BrokenError(UNEXPECTED, repr(error))
    return None


@dataclass(frozen=True)
class Summary:
    """Results of several seeds: the first that fails, the number of calls, and the number of strikes of each fault."""

    failed: int | None
    text: str
    calls: int
    faults: Counter[str]


def run_all(seeds: Sequence[int], calls: int) -> Summary:
    """Run seeds, of so many calls each, up to the first that fails."""
    made, struck = 0, Counter[str]()
    for seed in seeds:
        outcome = run(Scenario.of(seed, calls))
        made += outcome.calls
        struck.update(fault.kind for fault in outcome.faults)
        if outcome.broken is not None:
            return Summary(seed, str(outcome.broken), made, struck)
    return Summary(None, "", made, struck)


class _Metrics:
    """Counts nothing: that is half of what a call of a function costs."""

    def add_metric(self, **_: object) -> None:
        pass


@contextmanager
def _quiet(world: World) -> Iterator[None]:
    """Let functions log into the trace, and fail the run for an error that they do not know."""

    def say(text: str, **more: object) -> None:
        if world.trace is not None:
            world.say(f"logs: {text} {more or ''}")

    def fail(text: str, *, exc_info: BaseException | None = None, **more: object) -> None:
        error = exc_info or sys.exception()
        if error is not None and not isinstance(error, LoudhailerError):
            raise BrokenError(UNEXPECTED, f"{world.invocation}: {error!r}") from error
        say(f"{text} {error!r}", **more)

    logger: Any = observability.logger
    metrics: Any = _Metrics()
    observability.metrics = metrics
    sys.excepthook = sys.__excepthook__  # not Powertools', which logs
    logger.error = logger.exception = fail
    logger.info = logger.warning = say
    logger.append_context_keys = lambda **_: nullcontext()
    yield

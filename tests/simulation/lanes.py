"""Lanes that post as fast as they may, and lend each other their idle share.

A run of this kind has nothing else. Each environment has the shipped `Lane` and `Lending` of each kind, over the table
`lanes`, to which calls fail as in any other run. Frames are only counted: what a lane may post is what matters.

The clocks of two environments are at most a second apart; docs/decisions/0032 says what happens beyond that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from loudhailer.delivery.lane import Lane
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.delivery.lending.policy import Lending
from loudhailer.delivery.lending.port import ONCE
from loudhailer.errors import TransientError
from tests.simulation import tables
from tests.simulation.profiles import LANES
from tests.simulation.scheduler import BEGIN, TaskExecutor
from tests.simulation.watch import holds
from tests.simulation.workload import Operation, Plan

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedEnvironment, SimulatedInvocation, SimulatedSystem

QUOTA = 2_000.0
"""Posts a second that the account lets in."""

_RATE = 0.98 * QUOTA
"""Posts a second of all lanes together."""

_LANES = 2
"""Lanes of a kind."""

SHARES: Sequence[Mapping[str, float]] = (
    {"normal": 0.9, "low": 0.1},
    {"normal": 0.5, "low": 0.5},
    {"small": 0.6, "normal": 0.3, "low": 0.1},
)
"""Shares that kinds may have, one of these in each run."""

HEALED = "12: whoever is alone has the whole quota, and whoever begins has its share"

_BURSTS = 16
_PLENTY = 10**6
_MARKED_WITHIN_SECONDS = 0.25
_INVOCATION_SECONDS = 8.0
_IDLE_SECONDS = 3.0
"""Time without posts after which every kind is idle for all: two seconds, and one for the clocks."""

_ALONE, _BESIDE_OTHERS = 0.4, 0.9
"""Parts of what is due that a lane has posted at least, though calls take up to a second now and then."""


def lanes_plan_of(seed: object) -> Plan:
    """The plan of a seed: bursts, in each of which a kind has frames enough for so many seconds."""
    random = Random(f"lanes {seed}")  # noqa: S311  # a run is to be repeated
    shares = random.choice(SHARES)
    now, operations = 0.0, []
    for number in range(_BURSTS):
        now += random.choice((0.1, 0.5, 1.0, 2.5, 4.0))
        burst = {"kind": random.choice(list(shares)), "seconds": random.choice((0.3, 1.0, 2.5, 6.0))}
        operations.append(Operation(round(now, 3), "post", burst, number))
    return Plan((), operations, heals=False, profile=LANES, lanes=shares)


class Lanes:
    """The lanes of all kinds in a system."""

    def __init__(self, system: "SimulatedSystem", shares: Mapping[str, float]) -> None:
        self._system = system
        self._shares = shares
        self._busy_until: dict[str, float] = {}
        self._at_work = dict.fromkeys(shares, 0)
        self.posted = dict.fromkeys(shares, 0)
        system.make = self._make

    def begin(self, kind: str, seconds: float, *, announced: bool = True) -> None:
        """Have something to post; it is announced first, as `query` does, if nothing is lost."""
        until = self._system.scheduler.now + seconds
        self._busy_until[kind] = max(until, self._busy_until.get(kind, 0.0))

        def go_on(_: Any) -> None:
            for _ in range(_LANES - self._at_work[kind]):
                self._at_work[kind] += 1
                self._hand_out(kind)

        if announced:
            self._system.invoke("query", kind, go_on)
        else:
            go_on(None)

    def is_idle(self) -> bool:
        """Tell whether nothing is posted."""
        return not self._system.running

    def _hand_out(self, kind: str) -> None:
        if self._system.scheduler.now < self._busy_until[kind]:
            self._system.invoke("post_message", kind, lambda _: self._hand_out(kind))
        else:
            self._at_work[kind] -= 1

    def _make(self, environment: "SimulatedEnvironment") -> "Callable[[str, SimulatedInvocation], Any]":
        system = self._system
        executor = TaskExecutor(system.scheduler)
        clock: Callable[[], float] = lambda: system.scheduler.now + environment.skew / 4  # noqa: E731  # it is handed on
        marks = DynamoLaneStore(tables.client(system, **ONCE), "lanes")
        if environment.function == "query":
            return lambda kind, _: _announce(marks, executor, kind, int(clock() * 1000))
        lanes: dict[str, Lane] = {}

        def lane_of(kind: str) -> Lane:
            monotonic = system.scheduler.time
            lending = Lending(kind, self._shares, marks, executor, clock=clock, monotonic=monotonic)
            return Lane(_RATE * self._shares[kind] / _LANES, monotonic(), lending.factor)

        def handle(kind: str, _: "SimulatedInvocation") -> bool:
            lane = lanes.get(kind) or lanes.setdefault(kind, lane_of(kind))
            self._post(kind, lane)
            return True

        return handle

    def _post(self, kind: str, lane: Lane) -> None:
        system = self._system
        begun = system.scheduler.now
        own_rate = _RATE * self._shares[kind] / _LANES
        while system.scheduler.now < min(self._busy_until[kind], begun + _INVOCATION_SECONDS):
            taken = lane.take(_PLENTY, system.scheduler.now)
            self.posted[kind] += taken
            system.watch.posted(kind, taken, lane.rate / own_rate, self._shares, system.scheduler.now - begun)
            system.calls += 1
            if system.trace is not None:
                system.say(f"posts {taken}, {lane.rate / own_rate:.2f} times the share of {kind}")
            system.scheduler.sleep(system.scheduler.random.uniform(0.01, 0.05))


def _announce(store: DynamoLaneStore, executor: TaskExecutor, kind: str, at: int) -> bool:
    """Mark a kind as `query` does, which does not wait for long, and for no success."""

    def mark() -> None:
        with suppress(TransientError):
            store.mark(kind, at)

    marked = executor.submit(mark)
    with suppress(TimeoutError):
        marked.result(_MARKED_WITHIN_SECONDS)
    return True


class LanesWorkload:
    """Carries out a plan of bursts in a system, then some more, which show whether all is well again."""

    def __init__(self, system: "SimulatedSystem", plan: Plan) -> None:
        self._system = system
        self._plan = plan
        self._shares = plan.lanes
        self._lanes = Lanes(system, plan.lanes)

    def run(self) -> None:
        """Begin all bursts at their times; at the end have a kind post alone, and all kinds together."""
        scheduler = self._system.scheduler
        for burst in self._plan.operations:
            begin = partial(self._begin, **burst.arguments)
            scheduler.at(BEGIN + burst.at, partial(scheduler.on_behalf_of, f"burst {burst.number}", begin))
        end = max((burst.at + burst.arguments["seconds"] for burst in self._plan.operations), default=0.0)
        scheduler.run(until=lambda: False, latest=BEGIN + end)
        self._system.dice.off = True
        scheduler.run(until=self._lanes.is_idle, latest=scheduler.now + 60.0)
        scheduler.run(until=lambda: False, latest=scheduler.now + _IDLE_SECONDS)
        self._is_well()

    def _begin(self, kind: str, seconds: float) -> None:
        self._system.say(f"--- {kind} has something to post for {seconds} s")
        self._lanes.begin(kind, seconds)

    def _is_well(self) -> None:
        scheduler, lanes = self._system.scheduler, self._lanes
        one = min(self._shares, key=self._shares.__getitem__)
        lanes.begin(one, 14.0, announced=False)
        alone = self._posted_in(1.0, 4.0)
        self._is_enough(one, alone[one], _ALONE * _RATE)
        for other in self._shares.keys() - {one}:
            lanes.begin(other, 9.0, announced=False)
        together = self._posted_in(1.5, 4.0)
        for kind, share in self._shares.items():
            self._is_enough(kind, together[kind], _BESIDE_OTHERS * share * _RATE)
        scheduler.run(until=lanes.is_idle, latest=scheduler.now + 30.0)

    def _posted_in(self, after: float, seconds: float) -> Mapping[str, float]:
        """Posts a second of each kind, in so many seconds that begin after so many others."""
        scheduler = self._system.scheduler
        scheduler.run(until=lambda: False, latest=scheduler.now + after)
        before = dict(self._lanes.posted)
        scheduler.run(until=lambda: False, latest=scheduler.now + seconds)
        return {kind: (posted - before[kind]) / seconds for kind, posted in self._lanes.posted.items()}

    @staticmethod
    def _is_enough(kind: str, rate: float, least: float) -> None:
        holds(that=rate >= least, invariant=HEALED, text=f"{kind} posts {rate:.0f} a second, {least:.0f} are due")

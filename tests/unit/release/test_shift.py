"""New versions take over only as long as they are well."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from tools.errors import OperatorError
from tools.release import shift
from tools.release.shift import GradualShift, Steps
from tools.stack.traffic import Shift, Traffic

if TYPE_CHECKING:
    from tools.release.errors import ErrorLog
    from tools.release.health import SyntheticBroadcast

SHIFTS = [Shift("swarm", "1", "2"), Shift("query", "4", "5")]


@dataclass
class Deployment:
    """Stands for the aliases, the logs and the broadcast; it writes down what is done."""

    pending_shifts: list[Shift] = field(default_factory=lambda: [*SHIFTS])
    answers: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    wakes: int = 0
    routes: dict[str, str] = field(default_factory=dict)
    new_routes: dict[str, str] = field(default_factory=dict)

    def pending(self) -> list[Shift]:
        """See `Traffic`."""
        return self.pending_shifts

    def weigh(self, _shifts: Sequence[Shift], weight: float) -> None:
        """See `Traffic`."""
        self.done.append(f"{weight}")

    def finish(self, _shifts: Sequence[Shift]) -> None:
        """See `Traffic`."""
        self.done.append("all")

    def wake(self) -> list[str]:
        """See `Traffic`."""
        self.wakes += 1
        self.done.append("woken")
        return []

    def take_back(self, shifts: Sequence[Shift]) -> None:
        """See `Traffic`."""
        self.done.append(f"back {len(shifts)}")

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """See `SyntheticBroadcast`."""
        self.done.append("connected")
        yield

    async def problems_of_routes(self) -> dict[str, str]:
        """See `SyntheticBroadcast`."""
        return self.new_routes if self.done[-1] == "all" else self.routes

    async def problems(self) -> list[str]:
        """See `SyntheticBroadcast`."""
        answer = self.answers.get(self.done[-1], [])
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)


@dataclass(frozen=True)
class Log:
    """Logs in which new versions have so many errors."""

    errors: int = 0

    def lines(self, _function: str, version: str, _begin: float, _end: float) -> Iterator[tuple[str, str]]:
        """See `ErrorLog`."""
        return iter([(str(number), "it fails") for number in range(self.errors)] if version in {"2", "5"} else [])


def run(deployment: Deployment, errors: int = 0, *, broadcast: bool = True) -> list[str]:
    """Shift without waiting; return the printed lines."""
    printed: list[str] = []
    gradual = GradualShift(
        cast("Traffic", deployment),
        cast("ErrorLog", Log(errors)),
        cast("SyntheticBroadcast", deployment) if broadcast else None,
        Steps((0.1, 0.5), 0),
        printed.append,
    )
    asyncio.run(gradual())
    return printed


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are there at once."""
    monkeypatch.setattr(shift, "_LATE_LINES_SECONDS", 0)


def test_healthy_versions_take_over_in_steps() -> None:
    """No function sleeps when it begins; then a tenth, a half, all."""
    deployment = Deployment()
    printed = run(deployment)
    assert deployment.done == ["connected", "woken", "0.1", "0.5", "all"]
    assert deployment.wakes == 1
    assert printed[0] == "10% of the invocations go to the new versions of 2 functions."


def test_health_is_checked_even_without_new_versions() -> None:
    """The first release of a stack has none: its aliases were made for it."""
    deployment = Deployment(pending_shifts=[])
    run(deployment)
    assert deployment.done == ["connected", "woken", "all"]


def test_a_missing_pong_is_reported_without_a_rollback() -> None:
    """Terraform makes the route: no version of a function could mend it."""
    ping = {"ping": "a ping was not answered with a pong"}
    deployment = Deployment(routes=ping, new_routes=ping)
    printed = run(deployment)
    assert printed[0].startswith("Note: a ping was not answered with a pong. ")
    assert deployment.done[-1] == "all"


def test_an_unanswered_route_causes_a_rollback() -> None:
    """Before, routes were tried on the earlier versions alone."""
    deployment = Deployment(routes={"ping": "no pong"}, new_routes={"ping": "no pong", "joinroom": "no join"})
    with pytest.raises(OperatorError, match="not well: no join"):
        run(deployment)
    assert deployment.done[-2:] == ["all", "back 2"]


def test_a_function_that_cannot_be_woken_is_reported_without_a_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not be one of the shifted ones."""
    deployment = Deployment()

    def fail() -> list[str]:
        raise OperatorError("Version 3 of echo cannot be invoked: its state is Failed.")

    monkeypatch.setattr(deployment, "wake", fail)
    assert run(deployment)[0].startswith("Note: Version 3 of echo cannot be invoked")
    assert deployment.done[-1] == "all"


@pytest.mark.parametrize("step", ["0.1", "0.5", "all"])
def test_a_failed_broadcast_causes_a_rollback(step: str) -> None:
    """At whatever step; later ones are not begun."""
    deployment = Deployment(answers={step: ["nobody got it"]})
    with pytest.raises(OperatorError, match="nobody got it"):
        run(deployment)
    steps = ["0.1", "0.5", "all"]
    assert deployment.done == ["connected", "woken", *steps[: steps.index(step) + 1], "back 2"]


def test_errors_in_the_logs_cause_a_rollback() -> None:
    """Without a broadcast too, as in a subscriber's account."""
    deployment = Deployment()
    with pytest.raises(OperatorError, match="it fails"):
        run(deployment, 6, broadcast=False)
    assert deployment.done == ["woken", "0.1", "back 2"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), asyncio.CancelledError(), ValueError()])
def test_every_interruption_of_a_shift_causes_a_rollback(interruption: BaseException) -> None:
    """No weights are left behind by an operator who loses patience."""
    deployment = Deployment(answers={"0.5": interruption})
    with pytest.raises(type(interruption)):
        run(deployment)
    assert deployment.done[-1] == "back 2"


@pytest.mark.parametrize("weights", [(0.0,), (1.0,), (0.5, 0.1), (0.5, 0.5), (-1.0,), (float("nan"),)])
def test_steps_that_do_not_grow_are_refused(weights: tuple[float, ...]) -> None:
    """With an example of legal ones."""
    with pytest.raises(OperatorError, match="are not legal"):
        Steps(weights)

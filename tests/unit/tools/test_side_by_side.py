"""Work on several stacks at once: its order, its limit, its failures and its interruption."""

import signal
import threading
import time

import pytest

from tools.errors import OperatorError
from tools.stack.dependents import Dependent
from tools.stack.side_by_side import MOST_AT_ONCE, side_by_side

NORTH, SOUTH, BLUE = Dependent("cell", "north"), Dependent("cell", "south"), Dependent("subscriber", "blue")
TIMEOUT_SECONDS = 10.0


def not_interrupted() -> None:
    """Stand in for what ends the work after an interruption."""
    pytest.fail("nobody has interrupted")


def test_several_stacks_are_worked_on_at_once() -> None:
    """Each waits until all are there; the results have the order of the stacks."""
    stacks = [Dependent("cell", str(number)) for number in range(MOST_AT_ONCE)]
    together = threading.Barrier(MOST_AT_ONCE, timeout=TIMEOUT_SECONDS)

    def work(stack: Dependent) -> str:
        together.wait()
        return stack.name

    assert [*side_by_side(stacks, work, not_interrupted).items()] == [(stack, stack.name) for stack in stacks]


def test_no_more_stacks_than_the_limit_are_worked_on_at_once() -> None:
    """The others wait for their turn."""
    lock, working, most = threading.Lock(), 0, 0

    def work(_: Dependent) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.001)
        with lock:
            working -= 1

    side_by_side([Dependent("cell", str(number)) for number in range(5 * MOST_AT_ONCE)], work, not_interrupted)
    assert most <= MOST_AT_ONCE


def test_nothing_is_done_without_a_stack() -> None:
    """Most hubs have neither cells nor subscribers."""
    assert side_by_side([], str, not_interrupted) == {}


def test_a_failure_names_its_stack_and_the_others_come_to_their_end() -> None:
    """Even stacks that are begun after it."""
    stacks = [NORTH, *(Dependent("cell", str(number)) for number in range(2 * MOST_AT_ONCE))]
    ended: list[Dependent] = []

    def work(stack: Dependent) -> None:
        if stack == NORTH:
            raise OperatorError("terraform apply failed: no", "look at the log")
        ended.append(stack)

    with pytest.raises(OperatorError) as failed:
        side_by_side(stacks, work, not_interrupted)
    assert failed.value.problem == "The cell north: terraform apply failed: no"
    assert failed.value.remedy == "look at the log"
    assert sorted(map(str, ended)) == sorted(map(str, stacks[1:]))


def test_each_of_several_failures_is_reported() -> None:
    """One line each; a remedy that helps with both is given once."""

    def work(stack: Dependent) -> None:
        if stack != SOUTH:
            raise OperatorError(f"no {stack.name}", "try again")

    with pytest.raises(OperatorError) as failed:
        side_by_side([NORTH, SOUTH, BLUE], work, not_interrupted)
    assert failed.value.problem.splitlines() == ["The cell north: no north", "The subscriber blue: no blue"]
    assert failed.value.remedy == "try again"


def test_another_error_than_the_operators_is_raised_as_it_is() -> None:
    """The command says what the operating system has refused."""

    def work(stack: Dependent) -> None:
        raise OperatorError("no") if stack == NORTH else OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        side_by_side([NORTH, SOUTH], work, not_interrupted)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_ends_the_work_that_was_begun_and_begins_no_other() -> None:
    """The work is ended until no part of it runs on; a second interruption meanwhile changes nothing."""
    stacks = [Dependent("cell", str(number)) for number in range(3 * MOST_AT_ONCE)]
    begun: list[Dependent] = []
    all_begun, over = threading.Barrier(MOST_AT_ONCE, timeout=TIMEOUT_SECONDS), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def work(stack: Dependent) -> None:
        begun.append(stack)
        if all_begun.wait() == 0:
            signal.pthread_kill(main, signal.SIGINT)
            # Python drops an interruption that arrives while it runs a finalizer; an operator interrupts again.
            while not over.wait(1.0):
                signal.pthread_kill(main, signal.SIGINT)
        assert over.wait(TIMEOUT_SECONDS)

    def end() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        over.set()

    with pytest.raises(KeyboardInterrupt):
        side_by_side(stacks, work, end)
    assert over.is_set()
    assert sorted(map(str, begun)) == sorted(map(str, stacks[:MOST_AT_ONCE]))

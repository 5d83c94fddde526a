"""A crowd's work leaves turns of the loop to others."""

import asyncio
import itertools

from tools.emulator.gateway.turns import A_TURN, Turns


async def test_other_tasks_run_between_the_steps_of_a_crowd() -> None:
    """A handshake takes several turns of the loop: none of them may hold a whole crowd."""
    turns, done, seen = Turns(), itertools.count(), list[int]()
    steps = 10 * A_TURN
    for _ in range(steps):
        turns.add(lambda: seen.append(next(done)))
    before = 0
    while len(seen) < steps:
        await asyncio.sleep(0)
        assert len(seen) - before <= A_TURN
        before = len(seen)
    assert seen == list(range(steps))


async def test_a_step_can_add_another_step() -> None:
    """Steps that arrive during others have their turn, too."""
    turns, seen = Turns(), list[str]()
    turns.add(lambda: turns.add(lambda: seen.append("second")))
    for _ in range(4):
        await asyncio.sleep(0)
    assert seen == ["second"]


async def test_a_failed_step_blocks_no_other() -> None:
    """The loop reports the error."""
    turns, seen, reported = Turns(), list[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    failure = RuntimeError("broken")

    def fail() -> None:
        raise failure

    turns.add(fail)
    for _ in range(A_TURN):
        turns.add(lambda: seen.append("x"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert reported == [failure]
    assert len(seen) == A_TURN

"""A stack of its own, killed, brought up again and taken down."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import System, brought_up, remains, running_system, started
from tests.support.waiting import eventually
from tools.stack.lifecycle import AWS
from tools.stack.state import load_state


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A stack to be killed, in place of the one that all other tests share."""
    with running_system(tmp_path_factory.mktemp("stacks"), "recovery") as running:
        yield running


async def test_a_stack_starts_again_after_any_kill(system: System) -> None:
    """The local AWS dies without a word, and so does the command that is about to bring it up again."""
    pid = system.pids()[AWS]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert system.loudhailer("status").returncode == 1
    async with started(system.home, system.name, "up", "--no-template") as command:
        try:
            await eventually(
                lambda: load_state(system.directory.state_file), lambda state: state is not None and state.applying
            )
        finally:
            command.kill()
    again = brought_up(system.home, system.name)
    assert None not in again.pids().values()
    async with Scene(again) as scene:
        guest = await scene.guest(tenant := scene.tenant())
        broadcast_id = await scene.broadcast({"tenantId": tenant})
        assert (await guest.frame())["id"] == broadcast_id


def test_down_removes_every_trace(system: System) -> None:
    """No file and no process is left; a second time there is nothing to do, which is no mistake."""
    down = system.loudhailer("down")
    assert down.returncode == 0, down.stderr
    assert remains(system.home) == []
    again = system.loudhailer("down")
    assert (again.returncode, again.stderr.strip()) == (0, "There was no stack.")
    assert remains(system.home) == []

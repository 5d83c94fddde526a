"""Fixtures of the end-to-end tests: one stack for all of them; coroutine tests run in a loop of their own."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import System, running_system

_LAST = [Path(__file__).with_name(name) for name in ("test_logs.py", "test_recovery.py", "test_subscribers.py")]
"""First what looks for the secrets of all other tests, then what kills the stack and takes it down, then who brings up
another one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those tests come last that have to, however pytest was called."""
    items.sort(key=lambda item: _LAST.index(item.path) + 1 if item.path in _LAST else 0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end, within its scene if it has one."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def play() -> None:
        if isinstance(scene := arguments.get("scene"), Scene):
            async with scene:
                await pyfuncitem.obj(**arguments)
        else:
            await pyfuncitem.obj(**arguments)

    asyncio.run(play())
    return True


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that all tests share."""
    with running_system(tmp_path_factory.mktemp("stacks"), "e2e") as running:
        yield running


@pytest.fixture
def scene(system: System) -> Scene:
    """The test's own part of the system."""
    return Scene(system)

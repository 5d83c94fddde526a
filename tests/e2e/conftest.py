"""Fixtures of the end-to-end tests: one stack for all of them."""

from collections.abc import AsyncIterator, Iterator
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


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that all tests share."""
    with running_system(tmp_path_factory.mktemp("stacks"), "e2e") as running:
        yield running


@pytest.fixture
async def scene(system: System) -> AsyncIterator[Scene]:
    """The test's own part of the system."""
    async with Scene(system) as scene:
        yield scene

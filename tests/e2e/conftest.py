"""Fixtures of the end-to-end tests: one stack for all of them in each process."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import System, running_system, secrets_in_logs
from tests.support.decisions import disagreements
from tools.emulator.aws.options import DECISIONS


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that all tests of a process share.

    In the end no log holds a secret of any test. A second engine of IAM has decided as the local AWS did.
    """
    decisions = tmp_path_factory.mktemp("decisions") / "decisions.jsonl"
    with running_system(tmp_path_factory.mktemp("stacks"), "e2e", **{DECISIONS: str(decisions)}) as running:
        yield running
        assert secrets_in_logs(running) == set()
    assert disagreements(decisions) == []


@pytest.fixture
async def scene(system: System) -> AsyncIterator[Scene]:
    """The test's own part of the system."""
    async with Scene(system) as scene:
        yield scene

"""The import boundaries in `pyproject.toml`: the code keeps them, and each of them would be seen broken."""

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.repository.checkout import ROOT


@dataclass(frozen=True)
class Violation:
    """A line that breaks one contract, and the module it is added to."""

    contract: str
    module: str
    line: str


VIOLATIONS = [
    Violation(contract, module, line)
    for contract, cases in {
        "Tools use functions, functions use loudhailer, never the other way round": {
            "loudhailer.errors": "import tools.errors",
            "loudhailer.ids": "import functions.swarm.swarm",
            "functions.swarm.swarm": "import tools.errors",
        },
        "Nothing that runs outside the tests needs them": {
            "functions.swarm.swarm": "import tests.unit",
            "tools.errors": "import tests.unit",
        },
        "Functions never import each other": {
            "functions.swarm.swarm": "from functions.query import query",
        },
        "AWS is called by adapters, for clients that handlers make": {
            "functions.swarm.swarm": "import boto3",
            "functions.settle.settle": "from botocore.exceptions import ClientError",
            "loudhailer.broadcast.report": "from loudhailer.aws import client",
        },
        "Adapters are chosen by handlers": {
            "loudhailer.broadcast.model": "import loudhailer.broadcast.dynamodb",
            "loudhailer.queues.port": "import loudhailer.queues.sqs",
            "functions.post_message.post_message": "from loudhailer.delivery import curl",
        },
        "In-memory twins are for tests": {
            "functions.swarm.handler": "import loudhailer.broadcast.memory",
        },
        "JSON is read and written by the codec": {
            "functions.publish.publish": "import orjson",
        },
        "libcurl is the senders' choice": {
            "functions.post_message.handler": "import pycurl",
        },
    }.items()
    for module, line in cases.items()
]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the code and of its contracts, with every package at the root."""
    for package in ("shared/loudhailer", "functions", "tools"):
        shutil.copytree(ROOT / package, tmp_path / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _broken(folder: Path) -> list[str]:
    """The names of the contracts that the code in the folder breaks."""
    linter = Path(sys.executable).with_name("lint-imports")
    report = subprocess.run([linter, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False).stdout
    assert "Contracts:" in report, report
    return [line.removesuffix(" BROKEN") for line in report.splitlines() if line.endswith(" BROKEN")]


def test_the_code_keeps_every_contract(copied: Path) -> None:
    """What is committed crosses no boundary."""
    assert _broken(copied) == []


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: f"{violation.module}: {violation.line}")
def test_a_contract_is_seen_broken(copied: Path, violation: Violation) -> None:
    """One import across a boundary, anywhere in the code, breaks its contract."""
    with (copied / violation.module.replace(".", "/")).with_suffix(".py").open("a") as module:
        module.write(f"\n{violation.line}\n")
    assert violation.contract in _broken(copied)


def test_every_contract_has_a_violation_above() -> None:
    """No contract goes without proof that it can fail."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == {violation.contract for violation in VIOLATIONS}

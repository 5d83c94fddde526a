"""The import boundaries in `pyproject.toml`: the code keeps them, and each of them would be seen broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT


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
            "loudhailer.ids": "import functions.broadcast.swarm.swarm",
            "functions.broadcast.swarm.swarm": "import tools.errors",
        },
        "Shared packages build on lower ones alone": {
            "loudhailer.ids": "import loudhailer.aws.rows",
            "loudhailer.rooms.model": "import loudhailer.inbox.model",
        },
        "Tools build on lower ones alone": {
            "tools.stack.lifecycle": "import tools.release.cloud",
            "tools.console": "import tools.toolchain.terraform",
        },
        "Nothing that runs outside the tests needs them": {
            "functions.broadcast.swarm.swarm": "import tests.unit",
            "tools.errors": "import tests.unit",
        },
        "Functions never import each other": {
            "functions.broadcast.swarm.swarm": "from functions.broadcast.query import query",
        },
        "AWS is called by adapters, for clients that handlers make": {
            "functions.broadcast.swarm.swarm": "import boto3",
            "functions.broadcast.settle.settle": "from botocore.exceptions import ClientError",
            "loudhailer.broadcast.report": "from loudhailer.aws.clients import client",
        },
        "Adapters are chosen by handlers": {
            "loudhailer.broadcast.model": "import loudhailer.broadcast.dynamodb",
            "loudhailer.queues.port": "import loudhailer.queues.sqs",
            "functions.broadcast.post_message.post_message": "from loudhailer.delivery import curl",
        },
        "JSON is read and written by the codec": {
            "functions.broadcast.publish.publish": "import orjson",
        },
        "libcurl is the senders' choice": {
            "functions.broadcast.post_message.handler": "import pycurl",
        },
    }.items()
    for module, line in cases.items()
]

CIRCLES = "No modules or packages import each other in a circle"
"""The contract whose report names the two modules or packages, and no line."""

CIRCULAR = [
    (Violation(CIRCLES, "loudhailer.broadcast.model", "import loudhailer.broadcast.report"), ".model -> .report"),
    (Violation(CIRCLES, "tools.emulator.perimeter.signature", "import tools.emulator.aws.guard"), ".perimeter -> .aws"),
]
"""Two modules of a package, and two packages side by side; the report has the second text for each."""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the code and of its contracts, with every package at the root."""
    ignored = shutil.ignore_patterns("__pycache__", ".venv")  # `make check` installs checkov below `tools`
    for package in ("shared/loudhailer", "functions", "tools"):
        shutil.copytree(ROOT / package, tmp_path / Path(package).name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _report(folder: Path) -> str:
    """The report on the imports of the code in the folder."""
    linter = Path(sys.executable).with_name("lint-imports")
    wide = os.environ | {"COLUMNS": "200"}
    report = subprocess.run(
        [linter, "--no-cache"], cwd=folder, env=wide, capture_output=True, text=True, check=False
    ).stdout
    assert "Contracts:" in report, report
    return report


def test_the_code_keeps_every_contract(copied: Path) -> None:
    """The committed code crosses no boundary."""
    assert " BROKEN" not in _report(copied)


def test_every_violation_is_detected(copied: Path) -> None:
    """An import across a boundary, anywhere in the code, is reported with its line under its contract; so is a circle.

    All of them are in one report: each takes seconds.
    """
    lines = {violation: _add(copied, violation) for violation in VIOLATIONS}
    for violation, _ in CIRCULAR:
        _add(copied, violation)
    _, *sections = re.split(r"^(.+)\n-+\n", _report(copied).partition("Broken contracts")[2], flags=re.MULTILINE)
    reported = dict(zip(sections[::2], sections[1::2], strict=True))
    for violation, line in lines.items():
        found = rf"^- +{re.escape(violation.module)} -> \S+ \(l\.{line}\)$"
        assert re.search(found, reported[violation.contract], re.MULTILINE), violation
    for _, circle in CIRCULAR:
        assert circle in reported[CIRCLES]


def _add(folder: Path, violation: Violation) -> int:
    """Add the line to its module; return its number."""
    module = (folder / violation.module.replace(".", "/")).with_suffix(".py")
    module.write_text(f"{module.read_text()}\n{violation.line}\n")
    return len(module.read_text().splitlines())


def test_every_contract_has_a_violation_above() -> None:
    """No contract goes without proof that it can fail."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == {violation.contract for violation in VIOLATIONS} | {CIRCLES}

"""The catalogue of mutants follows the code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants.catalogue import MUTANTS
from tools.prose import problems_of_name


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_matches_the_present_code(name: str) -> None:
    """Its module contains its text once; otherwise the nightly hunt would end with an error."""
    mutant = MUTANTS[name]
    source = mutant.path.read_text()
    assert mutant.applied_to(source) != source


def test_the_names_of_mutants_are_plain_language() -> None:
    """A mutant that is not caught is reported by its name alone."""
    names = (name.partition("/")[2].replace("-", "_") for name in MUTANTS)
    assert [problem for name in names for problem in problems_of_name(name)] == []


def test_every_mutant_is_a_program_without_undefined_names(tmp_path: Path) -> None:
    """Otherwise it fails with an error of its own, and proves nothing about the invariants."""
    for name, mutant in MUTANTS.items():
        (tmp_path / f"{name.replace('/', '-')}.py").write_text(mutant.applied_to(mutant.path.read_text()))
    rules = ["--isolated", "--target-version", "py313", "--select", "F821,F823"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, "--output-format", "concise", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

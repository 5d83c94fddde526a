"""Each validation of a variable of Terraform has a run in which it fails.

A run names only the variable that it expects to fail, not the validation. So the runs of a variable are counted: each
validation should have one of its own, in which the variable has no other fault.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

FOLDERS = sorted(path.parent.parent for path in ROOT.glob("terraform/*/*/tests/*.tftest.hcl"))
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"^  expect_failures = \[(.*?)\]", re.MULTILINE | re.DOTALL)


def validations(folder: Path) -> Counter[str]:
    """Count the validations of each variable of a module or stack."""
    sources = "".join(path.read_text() for path in folder.glob("*.tf"))
    return Counter({variable[1]: variable[2].count("\n  validation {") for variable in _VARIABLE.finditer(sources)})


def failing_runs(folder: Path) -> Counter[str]:
    """Count the runs in which each variable is expected to fail."""
    tests = "".join(path.read_text() for path in folder.glob("tests/*.tftest.hcl"))
    return Counter(name for run in _EXPECTED.finditer(tests) for name in re.findall(r"\bvar\.(\w+)", run[1]))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_validation_has_a_run_in_which_it_fails(folder: Path) -> None:
    """A condition that is always true would otherwise go unnoticed."""
    runs = failing_runs(folder)
    missing = {name: f"{runs[name]} of {number}" for name, number in validations(folder).items() if runs[name] < number}
    assert missing == {}


def test_every_module_and_stack_is_looked_at() -> None:
    """A folder without tests would have no runs at all."""
    assert sorted(path.parent for path in ROOT.glob("terraform/*/*/versions.tf")) == FOLDERS

"""Terraform gives a function the variables that the function asks for."""

import importlib
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from tests.support.checkout import folder_of, functions, module_of

ROOT = Path(__file__).parents[2]
FUNCTIONS = set(functions())
BLOCK = re.compile(r'^module "(?P<name>\w+)" \{\n(?P<call>.*?)^\}', re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r'^ +source += "(\.\.|\.\./\.\./modules)/lambda_function"$', re.MULTILINE)
CALLS = {
    path.relative_to(ROOT / "terraform") / block["name"]: block["call"]
    for path in (ROOT / "terraform").glob("*/*/*.tf")
    for block in BLOCK.finditer(path.read_text())
    if SOURCE.search(block["call"])
}
"""The calls of the module `lambda_function`, by their file and name; a file may have several, of one function."""

FORMER: dict[str, list[str]] = json.loads(Path(__file__).with_name("former_variables.json").read_text())
"""The variables that each function of the release before requires; to be written again with each release."""


def variables_in(call: str) -> set[str]:
    """The names of the environment variables that a call of the module `lambda_function` sets."""
    block = re.search(r"^  variables = \{\n(.*?)^  \}$", call, re.MULTILINE | re.DOTALL)
    own = set(re.findall(r"^    ([A-Z_]+) +=", block[1], re.MULTILINE)) if block else set()
    return own | (
        {"TENANT_ROLE_ARN"}
        if re.search(r"^  tenant_statements = (?:merge\()?\{\n    (?!for )", call, re.MULTILINE)
        else set()
    )


def test_every_function_is_deployed() -> None:
    """Each folder of a function has a call of the module `lambda_function` in a file of its name."""
    assert {call.parent.stem for call in CALLS} == FUNCTIONS


@pytest.mark.parametrize("call", sorted(CALLS), ids=str)
def test_a_function_gets_its_required_variables_and_no_unknown_ones(call: Path) -> None:
    """Every required variable is set, and none that the function does not know."""
    name = call.parent.stem
    asked = []
    if (folder_of(name) / "settings.py").is_file():
        asked = [*fields(importlib.import_module(module_of(name, "settings")).Settings)]
    required = {field.name.upper() for field in asked if field.default is MISSING}
    given = variables_in(CALLS[call])
    assert required <= given <= {field.name.upper() for field in asked} | set(FORMER.get(name, []))


@pytest.mark.parametrize("call", sorted(CALLS), ids=str)
def test_a_function_of_the_previous_release_gets_its_required_variables(call: Path) -> None:
    """A rollback runs the earlier image with newer Terraform sources: it cannot start without a required variable."""
    assert set(FORMER.get(call.parent.stem, [])) <= variables_in(CALLS[call])

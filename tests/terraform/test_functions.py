"""What Terraform gives a function is what the function asks for."""

import importlib
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
CALLS = [
    (path.relative_to(ROOT / "terraform"), call)
    for path in (ROOT / "terraform").glob("*/*/*.tf")
    for call in re.findall(r"^module .*?^\}$", path.read_text(), re.MULTILINE | re.DOTALL)
    if re.search(r'^ +source += "(\.\.|\.\./\.\./modules)/lambda_function"$', call, re.MULTILINE)
]
"""Each call of the module `lambda_function`, and the file that it stands in."""


def variables_in(call: str) -> set[str]:
    """The names of the environment variables that a call of the module `lambda_function` sets."""
    block = re.search(r"^  variables = \{\n(.*?)^  \}$", call, re.MULTILINE | re.DOTALL)
    own = set(re.findall(r"^    ([A-Z_]+) +=", block[1], re.MULTILINE)) if block else set()
    return own | ({"TENANT_ROLE_ARN"} if re.search(r"^  tenant_statements = ", call, re.MULTILINE) else set())


def test_every_function_is_deployed() -> None:
    """Each folder of `functions` with a handler has a call of the module `lambda_function` in a file of its name."""
    assert {file.stem for file, _ in CALLS} == FUNCTIONS


@pytest.mark.parametrize(("file", "call"), sorted(CALLS), ids=lambda part: "" if "\n" in str(part) else str(part))
def test_a_function_gets_the_variables_that_it_asks_for(file: Path, call: str) -> None:
    """Every required variable is set, and none that the function does not know, in each call that a file has."""
    name = file.stem
    asked = []
    if (ROOT / "functions" / name / "settings.py").is_file():
        asked = [*fields(importlib.import_module(f"functions.{name}.settings").Settings)]
    required = {field.name.upper() for field in asked if field.default is MISSING}
    given = variables_in(call)
    assert required <= given <= {field.name.upper() for field in asked}

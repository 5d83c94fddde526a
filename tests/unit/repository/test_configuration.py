"""What Terraform gives a function is what the function's settings read, to the variable."""

import dataclasses
import importlib
import re
from typing import Any

import pytest

from tests.unit.repository.checkout import ROOT, functions

# The layout is that of `terraform fmt`, which the checks enforce.
MODULE = re.compile(r'^module "\w+" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
NAME = re.compile(r'^  name *= "(\w+)"', re.MULTILINE)
VARIABLES = re.compile(r"^  variables = .*?^  \}", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"^ +([A-Z][A-Z0-9_]*) *=", re.MULTILINE)


def _variables_in_terraform() -> dict[str, set[str]]:
    """The names of the variables of each function that Terraform makes."""
    made: dict[str, set[str]] = {}
    for path in ROOT.glob("terraform/modules/*/*.tf"):
        for body in MODULE.findall(path.read_text()):
            if 'source = "../lambda_function"' in body:
                (name,) = NAME.findall(body)
                made.setdefault(name, set()).update(*map(VARIABLE.findall, VARIABLES.findall(body)))
    return made


def _fields_of(function: str) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of the function's settings; none where it has no settings."""
    if not (ROOT / "functions" / function / "settings.py").exists():
        return ()
    return dataclasses.fields(importlib.import_module(f"functions.{function}.settings").Settings)


def test_terraform_makes_every_function_and_no_other() -> None:
    """A folder of `functions` is a Lambda function, and the other way round."""
    assert sorted(_variables_in_terraform()) == functions()


@pytest.mark.parametrize("function", functions())
def test_terraform_sets_the_variables_that_the_function_reads(function: str) -> None:
    """Every variable that is set is read, and every one that is read and has no default is set."""
    fields = _fields_of(function)
    required = {field.name.upper() for field in fields if field.default is dataclasses.MISSING}
    optional = {field.name.upper() for field in fields} - required
    assert _variables_in_terraform()[function] - optional == required

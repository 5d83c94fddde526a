"""Every function finds its variables in the environment that it is measured in."""

import importlib
from pathlib import Path

import pytest

from loudhailer.settings import from_env
from tests.support.checkout import ROOT, module_of
from tests.support.lambda_environment import VARIABLES

SETTINGS = sorted((ROOT / "functions").glob("*/*/settings.py"))


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.parent.name)
def test_no_variable_of_a_function_is_missing(path: Path) -> None:
    """A new variable is added there too, or the cold start of that function cannot be measured."""
    settings = importlib.import_module(module_of(path.parent.name, "settings")).Settings
    assert isinstance(from_env(settings, VARIABLES), settings)

"""Defaults of the functions, read from the Terraform sources."""

import re
from collections.abc import Mapping

from tests.support.checkout import ROOT

_STACKS = ROOT / "terraform" / "stacks"


def timeouts() -> Mapping[str, float]:
    """Return the timeout in seconds of each function of the hub and of a further cell, by its name."""
    return {**_timeouts("cell"), **_timeouts("hub")}


def _timeouts(stack: str) -> Mapping[str, float]:
    path = _STACKS / stack / "functions.tf"
    source = path.read_text()
    usual = re.search(r"\{ timeout = (\d+), memory = \d+, reserved", source)
    defaults = re.search(r"  function_defaults = \{\n(.*?)\n  \}\n", source, re.DOTALL)
    if usual is None or defaults is None:
        raise ValueError(f"{path} has no function_defaults, or no timeout for the functions that set none")
    functions = re.findall(r"^    ([\w-]+)\s*= \{(.*)\}$", defaults[1], re.MULTILINE)
    return {
        name: float(found[1]) if (found := re.search(r"timeout = (\d+)", settings)) else float(usual[1])
        for name, settings in functions
    }

"""Each description that a stack gives of itself has everything that its readers take from it.

An output that is missing would end a command with a KeyError, on AWS only.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.support.checkout import ROOT

TOOLS, STACKS = ROOT / "tools", ROOT / "terraform" / "stacks"
MODULES = ROOT / "terraform" / "modules"

_OUTPUT = re.compile(r'outputs(?:\.get\(|\[)"(\w+)"')
_OF_A_CELL = re.compile(r'described(?:\.get\(|\[)"(\w+)"')
_TABLE = re.compile(r'(?:_table\(|\["tables"\](?:\.get\(|\[))"(\w+)"')
_FUNCTION = re.compile(r'functions(?:\.get\(|\[)"(\w+)"')
_READ_ELSEWHERE = {"release", "probe", "emulator", "image", "toolchain", "planner"}
"""Folders of tools that find no deployment by its environment; `release` and `probe` read Terraform's outputs."""

FINDERS = sorted(
    path
    for path in TOOLS.rglob("*.py")
    if path.relative_to(TOOLS).parts[0] not in _READ_ELSEWHERE and ".venv" not in path.parts  # that of tools/checkov
)
RELEASE = sorted((TOOLS / "release").glob("*.py")) + sorted((TOOLS / "probe").rglob("*.py"))


def taken(pattern: re.Pattern[str], sources: Iterable[Path]) -> set[str]:
    """Return the names that these sources take."""
    return {name for source in sources for name in pattern.findall(source.read_text())}


def keys_below(text: str, start: str, indent: int) -> set[str]:
    """Return the keys of the map that begins with a line, by their indentation."""
    block = text[text.index(start) + len(start) :]
    block = block[: block.index(f"\n{' ' * (indent - 2)}}}")]
    return {*re.findall(rf"^ {{{indent}}}(\w+) +=", block, re.MULTILINE)}


def outputs_of(stack: str) -> set[str]:
    """Return the names of a stack's outputs."""
    found = (re.findall(r'^output "(\w+)"', path.read_text(), re.MULTILINE) for path in (STACKS / stack).glob("*.tf"))
    return {name for names in found for name in names}


def test_commands_find_every_output_that_they_use_in_the_description() -> None:
    """All commands but those of a release, and whatever they share."""
    used = taken(_OUTPUT, FINDERS)
    written = keys_below((STACKS / "hub" / "operations.tf").read_text(), "  description = {", 4)
    named = keys_below((MODULES / "operations" / "description.tf").read_text(), "  names_of = {", 4)
    assert {"http_url", "tables", "auth", "cells"} <= used
    assert used <= written | named


def test_the_description_and_the_outputs_of_the_hub_are_the_same() -> None:
    """A command finds the same deployment in a state directory and on AWS."""
    written = keys_below((STACKS / "hub" / "operations.tf").read_text(), "  description = {", 4)
    named = keys_below((MODULES / "operations" / "description.tf").read_text(), "  names_of = {", 4)
    assert written | named <= outputs_of("hub")


def test_a_release_finds_every_output_that_it_uses() -> None:
    """It reads Terraform's outputs, and those of an older release may lack some, which it asks for by `get`."""
    used = taken(_OUTPUT, RELEASE)
    assert {"http_url", "functions", "express_recipients"} <= used
    assert used <= outputs_of("hub")


def test_a_release_finds_every_part_of_a_cells_description_that_it_uses() -> None:
    """The hub's output `cells`, by the cell's name."""
    used = taken(_OF_A_CELL, RELEASE)
    said = keys_below((STACKS / "hub" / "cells.tf").read_text(), "for name, cell in var.cells : name => {\n", 6)
    assert {"weights", "placement"} <= used
    assert used <= said


def test_every_table_and_function_that_is_named_exists() -> None:
    """Stores of a deployment name them; the modules make them."""
    named = taken(_TABLE, [*FINDERS, *RELEASE])
    sources = "".join(path.read_text() for path in MODULES.glob("*/*.tf"))
    assert {"tenants", "cells", "broadcasts"} <= named
    assert {name for name in named if not re.search(rf"\b{name} +=|\"{name}\"", sources)} == set()
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/*/handler.py")}
    called = taken(_FUNCTION, [*FINDERS, *RELEASE])
    assert "beat" in called
    assert called <= functions

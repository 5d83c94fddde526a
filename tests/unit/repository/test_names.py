"""A public name of shipped code or tools has one meaning."""

import ast
from collections import defaultdict
from pathlib import Path

from tests.support.checkout import ROOT

ROLES = {"Settings"}
"""Names of a role that each function fills once."""


def classes_of(path: Path) -> set[str]:
    """The public classes that a module defines."""
    body = ast.parse(path.read_text()).body
    return {each.name for each in body if isinstance(each, ast.ClassDef) and not each.name.startswith("_")}


def test_no_two_public_classes_have_one_name() -> None:
    """A reader who searches for a class finds it, and no other."""
    defined: defaultdict[str, list[str]] = defaultdict(list)
    for folder in ("functions", "shared", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ".venv" not in path.parts:
                for name in classes_of(path) - ROLES:
                    defined[name].append(str(path.relative_to(ROOT)))
    assert len(defined) > 300
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}

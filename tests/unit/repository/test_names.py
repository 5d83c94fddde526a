"""A public class or type has a name of its own, so that a search finds it and nothing else."""

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.support.checkout import ROOT, files

ROLES = {"Settings"}
"""Names of a role that each function fills once."""

MODULES = [
    path
    for path in files()
    if path.suffix == ".py" and not path.name.startswith(("test_", "conftest")) and path.parts[0] != "clients"
]
"""Everything that others import; classes of a test's own module, and of a client's package, are seen there alone."""


_TYPE = re.compile(r"^(?:class (?P<class>\w+)|type (?P<alias>\w+)|(?P<new>\w+) = NewType\()", re.MULTILINE)
"""The first line of a module's class, alias or new type; ruff has formatted it. To parse all modules takes seconds."""


def types_of(source: str) -> Iterator[str]:
    """Yield the public classes, aliases and new types that a module defines."""
    for found in _TYPE.finditer(source):
        name = found["class"] or found["alias"] or found["new"]
        if not name.startswith("_"):
            yield name


def test_no_two_public_types_have_one_name() -> None:
    """Classes, aliases and new types of functions, shared code, tools and the tests' helpers."""
    defined: defaultdict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for name in types_of((ROOT / path).read_text()):
            if name not in ROLES:
                defined[name].append(str(path))
    assert len(defined) > 500
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("class Broadcast: ...", ["Broadcast"]),
        ("type Item = dict[str, str]", ["Item"]),
        ('RoomKey = NewType("RoomKey", str)', ["RoomKey"]),
        ("class _Private: ...", []),
        ("class Store(Protocol):\n    class Row: ...", ["Store"]),
        ("NOW = 1_000\ndef run() -> None: ...", []),
    ],
)
def test_every_kind_of_type_is_recognised(source: str, names: list[str]) -> None:
    """A type with an underscore is its module's own."""
    assert list(types_of(source)) == names

"""The list of meaningless mutants names functions that exist."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutation.conditions import weakened, weakenings
from tests.mutation.meaningless import ListedMutant, entries
from tests.support.checkout import ROOT

ENTRIES = list(entries())
PLACES = {"functions": ROOT, "loudhailer": ROOT / "shared"}


@cache
def functions_in(path: Path) -> set[str]:
    """The functions and methods of a module, each after its class."""
    module = ast.parse(path.read_text())
    classes = [(node.name, node.body) for node in module.body if isinstance(node, ast.ClassDef)]
    return {
        ".".join(filter(None, (owner, node.name)))
        for owner, body in [("", module.body), *classes]
        for node in body
        if isinstance(node, ast.FunctionDef)
    }


def is_in_the_sources(function: str) -> bool:
    """Tell whether there is a function or method of that name."""
    parts = function.split(".")
    place = PLACES.get(parts[0])
    modules = (
        [(place.joinpath(*parts[:end]).with_suffix(".py"), parts[end:]) for end in range(1, len(parts))]
        if place
        else []
    )
    return any(path.is_file() and ".".join(rest) in functions_in(path) for path, rest in modules)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.function)
def test_a_meaningless_mutant_is_of_a_function_that_exists(entry: ListedMutant) -> None:
    """`make mutants` compares the difference too, every night."""
    assert is_in_the_sources(entry.function)


@pytest.mark.parametrize(
    ("function", "exists"),
    [
        ("loudhailer.limits.places.model.take_place", True),
        ("functions.messaging.send_message.rooms.SmallRoom.post", True),
        ("functions.messaging.send_message.rooms.SmallRoom.paste", False),
        ("functions.messaging.presence.wakes._wakes_of", False),
        ("tests.support.fakes.queues.MemoryQueue.__init__", False),
    ],
)
def test_a_function_is_found_by_its_name(function: str, *, exists: bool) -> None:
    """In a module or in a class, of the sources alone."""
    assert is_in_the_sources(function) is exists


def test_the_list_has_reasons_and_entries() -> None:
    """An entry is a function and a digest."""
    assert list(entries("# Why.\nloudhailer.ids.tenant_id 0123456789ab\n\n")) == [
        ListedMutant("loudhailer.ids.tenant_id", "0123456789ab")
    ]
    assert len(set(ENTRIES)) == len(ENTRIES)


ALWAYS, NEVER = "OR attribute_not_exists(isMissing)", "AND attribute_exists(isMissing)"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("n = :seen", [f"((n = :seen) {ALWAYS})"]),
        ("a < :b OR {end} > :c", [f"((a < :b) {NEVER}) OR {{end}} > :c", f"a < :b OR (({{end}} > :c) {NEVER})"]),
        (
            "{_LIVE} AND (a < :b OR size(c) < :d)",
            [
                f"(({{_LIVE}}) {ALWAYS}) AND (a < :b OR size(c) < :d)",
                f"{{_LIVE}} AND (((a < :b OR size(c) < :d)) {ALWAYS})",
                f"{{_LIVE}} AND (((a < :b) {NEVER}) OR size(c) < :d)",
                f"{{_LIVE}} AND (a < :b OR ((size(c) < :d) {NEVER}))",
            ],
        ),
    ],
)
def test_a_condition_is_weakened_in_each_of_its_parts(condition: str, expected: list[str]) -> None:
    """A part beside AND becomes true, one beside OR false; values stay in use."""
    assert list(weakened(condition)) == expected


def test_conditions_of_writes_and_filters_are_found() -> None:
    """Updates, keys, statements of PartiQL and docstrings are left alone."""
    source = '''"""n = :seen"""
UPDATE = "SET n = :n"
STATEMENT = " WHERE a = ? AND attribute_exists(b)"
table.query(KeyConditionExpression="a = :a", FilterExpression=f"{b} > :b")
'''
    (found,) = weakenings(source)
    assert (found.line, found.text, found.source.count(ALWAYS)) == (4, "{b} > :b", 1)

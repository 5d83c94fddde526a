"""Refuses expressions that AWS would refuse, and the local AWS does not: those with a reserved word for a name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESERVED = frozenset(
    word
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines()
    if not line.startswith("#")
    for word in line.split()
)

_NAME = re.compile(r"[#:]?[A-Za-z_][A-Za-z0-9_]*(?!\s*\()\b")
_SYNTAX = {"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE"}


def reserved_in(expression: str) -> list[str]:
    """The reserved words that stand for attributes; placeholders, functions and the syntax's own words are fine."""
    names = [name for name in _NAME.findall(expression) if name[0] not in "#:" and name not in _SYNTAX]
    return [name for name in names if name.upper() in RESERVED]


def expressions(request: object) -> Iterator[str]:
    """Every expression in a request, however deep."""
    match request:
        case dict():
            for name, value in request.items():
                if isinstance(value, str) and str(name).endswith("Expression"):
                    yield value
                else:
                    yield from expressions(value)
        case list() | tuple():
            for value in request:
                yield from expressions(value)


def refuse_reserved_words(params: dict[str, Any], **_: object) -> None:
    """Called by the SDK with each request, before it is sent."""
    found = {word for expression in expressions(params) for word in reserved_in(expression)}
    assert not found, f"reserved words in an expression: {sorted(found)}"

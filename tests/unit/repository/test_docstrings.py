"""A docstring of shipped code names its subject first: a reader must not have to find out what "those" or "what" is."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.checkout import ROOT, files

SHIPPED = [path for path in files() if path.parts[0] in {"functions", "shared"} and path.suffix == ".py"]
RIDDLES = {"As", "By", "How", "Of", "Those", "What", "Where", "Whether", "Which", "Who", "Whom", "Whose"}
"""First words that name no subject, and ask for none to be done."""


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, those of constants among them."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)), lineno=line):
                yield line, text


def riddles(source: str) -> list[tuple[int, str]]:
    """The docstrings that begin with one of `RIDDLES`, each with its line."""
    return [(line, text) for line, text in docstrings(source) if text.split(maxsplit=1)[0].rstrip(",:") in RIDDLES]


def test_every_docstring_of_shipped_code_names_its_subject_first() -> None:
    """An imperative, or a noun phrase."""
    assert SHIPPED
    assert {str(path): found for path in SHIPPED if (found := riddles((ROOT / path).read_text()))} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Whom a broadcast is for."""', [1]),
        ('x = 1\n"""How long it lasts."""', [2]),
        ('def f():\n    """Those that exist.\n\n    More.\n    """', [2]),
        ('class C:\n    """The audience of a broadcast."""', []),
        ('"""Return whether it holds."""', []),
    ],
)
def test_a_docstring_without_a_subject_is_recognised(source: str, lines: list[int]) -> None:
    """Of modules, functions, classes and constants."""
    assert [line for line, _ in riddles(source)] == lines

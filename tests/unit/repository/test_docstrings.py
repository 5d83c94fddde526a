"""A docstring names its subject first: a reader must not have to find out what "those" or "what" is."""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, files

SOURCES = [path for path in files() if path.suffix == ".py"]
RIDDLES = {"As", "By", "How", "Of", "Those", "What", "Where", "Whether", "Which", "Who", "Whom", "Whose"}
"""First words that name no subject, and ask for none to be done."""

EXAMPLES = {"As"}
"""Words that may begin the docstring of a test or a tool: it often names the page or the product that it follows."""


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, those of constants among them."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)), lineno=line):
                yield line, text


def riddles(source: str, words: Collection[str] = RIDDLES) -> list[tuple[int, str]]:
    """The docstrings that begin with one of the words, each with its line.

    A source that has no such word behind quotes is not parsed: to parse all of them takes seconds.
    """
    if re.search(rf'"""\s*(?:{"|".join(words)})\b', source) is None:
        return []
    return [(line, text) for line, text in docstrings(source) if text.split(maxsplit=1)[0].rstrip(",:") in words]


def words_for(path: Path) -> Collection[str]:
    """The words that no docstring of the file may begin with."""
    return RIDDLES if path.parts[0] in {"functions", "shared"} else RIDDLES - EXAMPLES


def test_every_docstring_names_its_subject_first() -> None:
    """An imperative, or a noun phrase."""
    assert SOURCES
    assert {
        str(path): found for path in SOURCES if (found := riddles((ROOT / path).read_text(), words_for(path)))
    } == {}


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
    """Docstrings of modules, functions, classes and constants are checked."""
    assert [line for line, _ in riddles(source)] == lines

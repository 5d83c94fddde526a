"""The runbook names each metric of the code, and no other."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from functions.connections.connect import connect
from tests.support.checkout import ROOT, files

FIRST_CELL = re.compile(r"^\| (.*?) \|", re.MULTILINE)
METRIC = re.compile(r"`([A-Z][A-Za-z]+)`")
CHOSEN_BY_LIMIT = set(connect._METRICS.values())


def counted(source: str) -> Iterator[str | None]:
    """The first argument of each call of `count`; None for one that is computed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count" and node.args:
            yield str(node.args[0].value) if isinstance(node.args[0], ast.Constant) else None


def metrics() -> set[str]:
    """Every metric that a function may emit."""
    found = [
        name
        for path in files()
        if path.parts[0] in {"functions", "shared"} and path.suffix == ".py"
        for name in counted((ROOT / path).read_text())
    ]
    assert found.count(None) == 1, "connect chooses a metric by the limit; another choice must be added here"
    return {name for name in found if name is not None} | CHOSEN_BY_LIMIT


def explained(runbook: str) -> Counter[str]:
    """Return how many rows of the runbook's tables are about each metric."""
    return Counter(name for cell in FIRST_CELL.findall(runbook) for name in METRIC.findall(cell))


def test_the_runbook_explains_each_metric_once_and_no_other() -> None:
    """Each metric has one row that explains it."""
    found = explained((ROOT / "docs" / "runbook.md").read_text())
    assert sorted(found) == sorted(metrics())
    assert [name for name, rows in found.items() if rows > 1] == []


def test_every_metric_that_the_runbook_mentions_has_a_row() -> None:
    """A metric in a sentence of another row can be looked up."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    mentioned = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", runbook))
    assert mentioned <= explained(runbook).keys()


def test_each_metric_is_counted_by_a_fast_test() -> None:
    """A metric that no test asserts may stop being counted; `connect` is asked for its metrics by their limits."""
    fast = (ROOT / "tests" / suite for suite in ("unit", "contract"))
    tests = "".join(
        path.read_text() for suite in fast for path in suite.rglob("test_*.py") if path.name != "test_runbook.py"
    )
    assert [name for name in sorted(metrics() - CHOSEN_BY_LIMIT) if f'"{name}"' not in tests] == []


@pytest.mark.parametrize(
    ("call", "name"),
    [('count("PostGone")', "PostGone"), ('count("PostGone", 2)', "PostGone"), ("count(name)", None)],
)
def test_a_metric_is_found_in_a_call(call: str, name: str | None) -> None:
    """The comparison sees each of the ways in which the code counts."""
    assert list(counted(call)) == [name]

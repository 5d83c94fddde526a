"""`docs/conformance.md` and the tests that it names agree."""

import re

import pytest

from tests.support.checkout import ROOT

ROW = re.compile(r"^\| (?!what it does|hole that)(.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`((?:tests|terraform)/[\w/.]+)(?:::(\w+))?`")
PROCEDURE = re.compile(r"\]\(runbook\.md#([\w-]+)\)")
DEFINED = re.compile(r'^(?:(?:async )?def |run ")(\w+)', re.MULTILINE)
SEEDS = sorted((ROOT / "tests" / "e2e").glob("test_seed_?.py"))

ROWS: list[tuple[str, str]] = ROW.findall((ROOT / "docs" / "conformance.md").read_text())


@pytest.mark.parametrize(("row", "shown_by"), ROWS, ids=[row for row, _ in ROWS])
def test_a_row_is_shown_by_tests_that_exist(row: str, shown_by: str) -> None:
    """Or, for numbers, by the page that the benchmarks write; for what an operator does, by the runbook."""
    tests, procedures = TEST.findall(shown_by), PROCEDURE.findall(shown_by)
    assert tests or procedures or "](benchmarks.md)" in shown_by, row
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert set(procedures) <= {heading.lower().replace(" ", "-") for heading in headings}
    for path, name in tests:
        assert (ROOT / path).exists(), path
        assert not name or name in DEFINED.findall((ROOT / path).read_text()), name


def test_every_test_of_a_seed_has_a_row() -> None:
    """What is tested for a seed's sake is said to be."""
    named = {(path, name) for _, shown_by in ROWS for path, name in TEST.findall(shown_by)}
    tests = {
        (str(path.relative_to(ROOT)), name)
        for path in SEEDS
        for name in DEFINED.findall(path.read_text())
        if name.startswith("test_")
    }
    assert len(SEEDS) == 4
    assert tests - named == set()

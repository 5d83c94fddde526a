"""`docs/conformance.md` and the tests that it names agree."""

import re

import pytest

from tests.support.checkout import ROOT

ROW = re.compile(r"^\| (?!what it does|hole that)(.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`((?:tests|terraform)/[\w/.]+)(?:::(\w+))?`")
PROCEDURE = re.compile(r"\]\(runbook\.md#([\w-]+)\)")
DEFINED = re.compile(r'^(?:(?:async )?def |run ")(\w+)', re.MULTILINE)
DOCUMENT = (ROOT / "docs" / "conformance.md").read_text()
ROWS: list[tuple[str, str]] = ROW.findall(DOCUMENT)


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


def test_the_table_has_rows_for_features_and_gaps_of_each_prototype() -> None:
    """Another form of the table must not leave its rows unchecked."""
    _, *parts = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    tables = [re.split(r"^\| hole that is closed", part, flags=re.MULTILINE) for part in parts]
    assert [len(halves) for halves in tables] == [2] * 4
    assert [half for halves in tables for half in halves if not ROW.search(half)] == []

"""Statements that the local AWS parses, with the gap closed."""

from collections import Counter
from typing import Any

import pytest
from ministack.services import _dynamodb_keywords, dynamodb

from tools.emulator.aws.gaps import expression_parsing

STATEMENT = 'UPDATE "sessions" SET connectionIds = set_delete(connectionIds, ?) WHERE tenantId = ? AND sessionId = ?'


@pytest.fixture
def _gap_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the launcher patches the parsing."""
    for patch in expression_parsing.gap(None).patches:  # type: ignore[arg-type]  # it has no options
        module, _, name = patch.target.partition(":")
        if patch.replacement is not None and "partiql" in name:
            monkeypatch.setattr({"ministack.services.dynamodb": dynamodb}[module], name, patch.replacement)


def parameters(number: int) -> list[dict[str, Any]]:
    """The parameters of a session."""
    return [{"SS": [f"00000#c{number}"]}, {"S": "acme"}, {"S": f"session-{number}"}]


@pytest.mark.usefixtures("_gap_is_closed")
def test_statements_of_the_same_text_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniStack parses each of a batch twice: half the time of a crowd that leaves."""
    parsed: Counter[str] = Counter()
    stock = dynamodb.parse_partiql_statement

    def parse(statement: str, values: Any) -> Any:
        parsed[values[2]["S"]] += 1
        return stock(statement, values)

    monkeypatch.setattr(dynamodb, "parse_partiql_statement", parse)
    statements = [{"Statement": STATEMENT, "Parameters": parameters(number)} for number in range(3)]
    dynamodb._batch_execute_statement({"Statements": statements})  # what the gap is about
    assert parsed == {"session-0": 1}


@pytest.mark.usefixtures("_gap_is_closed")
def test_equal_statements_keep_their_own_parameters() -> None:
    """Only the text is remembered, and parameters are those of the call."""
    texts = []
    for number in (1, 2, 1):
        parsed = dynamodb._parse_partiql(STATEMENT, parameters(number))  # what the gap is about
        texts.append(parsed["conditions"][1][2])
    assert texts == [{"S": "session-1"}, {"S": "session-2"}, {"S": "session-1"}]


def test_a_statements_text_is_read_once() -> None:
    """Hundreds of sessions forget their connections by one text."""
    remembered = expression_parsing._statement_tokens_of  # what the gap is about
    remembered.cache_clear()
    stock = _dynamodb_keywords._tokenize(STATEMENT)
    assert [expression_parsing._tokenize_statement(STATEMENT) for _ in range(3)] == [stock] * 3
    assert remembered.cache_info().misses == 1

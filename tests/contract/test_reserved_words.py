"""Every expression that a contract test sends is held against DynamoDB's list of reserved words."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.reserved_words import RESERVED, reserved_in
from tests.support.tables import TableKind


def test_the_list_is_complete() -> None:
    """As long as the developer guide's, from its first word to its last."""
    assert len(RESERVED) == 573
    assert {"ABORT", "PARTITION", "SOURCE", "TTL", "ZONE"} <= RESERVED


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("SET dispatched = :now, queriedAt = :data REMOVE #name", []),
        ("attribute_not_exists(part) AND begins_with(part, :prefix)", []),
        ("size(delivered) > :size", []),
        ("SET connectionCount = if_not_exists(connectionCount, :zero)", []),
        ("SET data = :data", ["data"]),
        ("attribute_exists(partition)", ["partition"]),
        ("connectionId, connectedAt, Status", ["Status"]),
        ("ADD counts.total :one", ["total"]),
        ("size = :size", ["size"]),
    ],
)
def test_a_reserved_word_used_as_a_name_is_found(expression: str, found: list[str]) -> None:
    """In any case and place; not in placeholders, functions and the syntax itself."""
    assert reserved_in(expression) == found


def test_a_request_with_a_reserved_word_fails_its_test(
    aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """Also deep in a transaction."""
    check = {
        "TableName": table("broadcasts"),
        "Key": {"broadcastId": {"S": "b"}, "part": {"S": "p"}},
        "ConditionExpression": "attribute_not_exists(source)",
    }
    with pytest.raises(AssertionError, match="'source'"):
        aws("dynamodb").transact_write_items(TransactItems=[{"ConditionCheck": check}])

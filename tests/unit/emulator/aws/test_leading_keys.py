"""Partition keys that requests of DynamoDB reach, by the examples of its documentation.

The table GameScores and its key are those of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html; requests have the form of
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html.
"""

from typing import Any

import pytest

from tools.emulator.aws.leading_keys import Access, accesses

BOB = {"UserId": {"S": "bob"}, "GameTitle": {"S": "Galaxy Invaders"}}
EVE = {"UserId": {"S": "eve"}, "GameTitle": {"S": "Galaxy Invaders"}}


def key_name(table: str, index: str | None) -> str | None:
    """The partition keys of the documentation's tables."""
    return {
        ("GameScores", None): "UserId",
        ("GameScores", "GameTitleIndex"): "GameTitle",
        ("Numbers", None): "Number",
    }.get((table, index))


@pytest.mark.parametrize(
    "request_",
    [
        {"Key": BOB},
        {"Key": BOB, "UpdateExpression": "SET Wins = :wins", "ExpressionAttributeValues": {":wins": {"N": "1"}}},
        {"Item": {**BOB, "Wins": {"N": "1"}}},
        {"KeyConditionExpression": "UserId = :id", "ExpressionAttributeValues": {":id": {"S": "bob"}}},
        {"KeyConditionExpression": ":id = UserId", "ExpressionAttributeValues": {":id": {"S": "bob"}}},
        {
            "KeyConditionExpression": "GameTitle >= :title AND (#user = :id)",
            "ExpressionAttributeNames": {"#user": "UserId"},
            "ExpressionAttributeValues": {":id": {"S": "bob"}, ":title": {"S": "A"}},
        },
    ],
    ids=["get or delete", "update", "put", "query", "query, turned round", "query with a name and a sort key"],
)
def test_a_single_access_has_one_key(request_: dict[str, Any]) -> None:
    """Whatever the request is called that has it."""
    assert list(accesses({"TableName": "GameScores", **request_}, key_name)) == [Access("GameScores", ("bob",))]


def test_a_query_of_an_index_reaches_a_key_of_the_index() -> None:
    """Not one of the table's."""
    request = {
        "TableName": "GameScores",
        "IndexName": "GameTitleIndex",
        "KeyConditionExpression": "GameTitle = :title",
        "ExpressionAttributeValues": {":title": {"S": "Meteor Blasters"}},
    }
    assert list(accesses(request, key_name)) == [Access("GameScores", ("Meteor Blasters",), index="GameTitleIndex")]


def test_a_batch_reaches_all_its_keys_at_once() -> None:
    """So that `ForAllValues` asks for each of them."""
    read = {"RequestItems": {"GameScores": {"Keys": [BOB, EVE]}}}
    written = {"RequestItems": {"GameScores": [{"DeleteRequest": {"Key": BOB}}, {"PutRequest": {"Item": EVE}}]}}
    assert list(accesses(read, key_name)) == [Access("GameScores", ("bob", "eve"))]
    assert list(accesses(written, key_name)) == [Access("GameScores", ("bob", "eve"))]


def test_the_items_of_a_transaction_are_accesses_of_their_own() -> None:
    """Each by the action that it is: "Permissions for Put, Update, Delete, and Get actions are governed by ..."."""
    request = {
        "TransactItems": [
            {"Put": {"TableName": "GameScores", "Item": BOB}},
            {"Update": {"TableName": "GameScores", "Key": EVE}},
            {"ConditionCheck": {"TableName": "Numbers", "Key": {"Number": {"N": "7"}}}},
        ]
    }
    assert list(accesses(request, key_name)) == [
        Access("GameScores", ("bob",), action="dynamodb:PutItem"),
        Access("GameScores", ("eve",), action="dynamodb:UpdateItem"),
        Access("Numbers", ("7",), action="dynamodb:ConditionCheckItem"),
    ]


@pytest.mark.parametrize(
    "request_",
    [
        {"TableName": "GameScores"},
        {"TableName": "GameScores", "FilterExpression": "UserId = :id", "ExpressionAttributeValues": BOB},
        {"TableName": "Unknown", "Key": BOB},
        {"TableName": "GameScores", "Key": {"GameTitle": {"S": "Galaxy Invaders"}}},
        {"RequestItems": {"GameScores": {"Keys": [BOB, {"GameTitle": {"S": "Galaxy Invaders"}}]}}},
    ],
    ids=["scan", "scan with a filter", "unknown table", "no partition key", "a batch with one without"],
)
def test_a_request_without_a_partition_key_has_no_leading_keys(request_: dict[str, Any]) -> None:
    """A policy that asks for the key denies it then."""
    assert list(accesses(request_, key_name)) == []


@pytest.mark.parametrize(
    ("statement", "parameters", "action", "keys"),
    [
        ("DELETE FROM GameScores WHERE UserId = ? AND GameTitle = ?", ["bob", "eve"], "Delete", ("bob",)),
        ('delete from GameScores where GameTitle < ? and "UserId" = ?', ["eve", "bob"], "Delete", ("bob",)),
        ('UPDATE "GameScores" SET x = ? WHERE UserId = ? RETURNING ALL OLD *', ["eve", "bob"], "Update", ("bob",)),
        ("UPDATE GameScores SET x = '? WHERE' WHERE UserId = ?", ["bob"], "Update", ("bob",)),
        ("SELECT * FROM GameScores WHERE UserId = 'O''Hara'", [], "Select", ("O'Hara",)),
        ('SELECT * FROM "GameScores"."GameTitleIndex" WHERE GameTitle = ?', ["go"], "Select", ("go",)),
        ("SELECT * FROM GameScores", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE GameTitle = 'go'", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE UserId > 'bob'", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE UserId = 'bob' OR UserId = 'eve'", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE UserId = 'bob' AND UserId = 'eve'", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE NOT UserId = 'bob'", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE UserId = 'bob' AND", [], "Select", ()),
        ("SELECT * FROM GameScores WHERE", [], "Select", ()),
    ],
)
def test_the_key_of_a_statement_is_read_from_its_where_clause(
    statement: str, parameters: list[str], action: str, keys: tuple[str, ...]
) -> None:
    """Any other condition might reach more rows than those of one key."""
    request = {"Statement": statement, "Parameters": [{"S": each} for each in parameters]}
    index = "GameTitleIndex" if "Index" in statement else None
    expected = Access("GameScores", keys, index, f"dynamodb:PartiQL{action}")
    assert list(accesses(request, key_name)) == [expected]
    assert list(accesses({"Statements": [request, request]}, key_name)) == [expected, expected]

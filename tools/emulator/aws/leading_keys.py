"""Partition keys that a request of DynamoDB reaches: what IAM knows as `dynamodb:LeadingKeys`.

For a query of an index it is the partition key of the index. A batch reaches several keys of a table at once; the items
of a transaction, and statements of PartiQL, are authorized one by one, as the actions they are. A scan reaches no key
in particular, and neither does a statement whose WHERE is more than comparisons that are joined by AND.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import batched, count
from typing import Any

from tools.emulator.aws.request_actions import each_statement, statement_action

type Attributes = Mapping[str, Mapping[str, Any]]
type KeyName = Callable[[str, str | None], str | None]
"""The name of the partition key's attribute, of a table or of its index."""

_ITEM_ACTIONS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}


_COMPARISONS = {"=", "<>", "!=", "<", "<=", ">", ">="}
_TOKENS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|[\w.-]+|[<>!=]+|\S""")
_STATEMENTS = 1_024


@dataclass(frozen=True)
class Access:
    """Some partition keys of a table, or of its index.

    An item of a transaction, and a statement, is an access by the action that it is. A statement that names no
    partition key has no `keys`.
    """

    table: str
    keys: tuple[str, ...]
    index: str | None = None
    action: str | None = None


def accesses(request: Mapping[str, Any], key_name: KeyName) -> Iterator[Access]:
    """Return what the request reaches; nothing for one that names no partition key.

    Raises:
        ValueError: a statement is none that this can read.
    """
    for statement in each_statement(request):
        yield _of_statement(statement, key_name)
    for item in request.get("TransactItems", ()):
        for kind, change in item.items():
            yield from _access(change, key_name, _ITEM_ACTIONS.get(kind))
    for table, part in request.get("RequestItems", {}).items():
        yield from _batch(table, part, key_name)
    if "TableName" in request:
        yield from _access(request, key_name)


def _access(request: Mapping[str, Any], key_name: KeyName, action: str | None = None) -> Iterator[Access]:
    table, index = request["TableName"], request.get("IndexName")
    name = key_name(table, index)
    key = _in_item(request, name) or _in_condition(request, name)
    if key is not None:
        yield Access(table, (key,), index, action)


def _batch(table: str, part: Any, key_name: KeyName) -> Iterator[Access]:
    if isinstance(part, Mapping):
        items = [{"Key": key} for key in part.get("Keys", ())]
    else:
        items = [change for request in part for change in request.values()]
    name = key_name(table, None)
    keys = [_in_item(item, name) for item in items]
    if keys and None not in keys:
        yield Access(table, tuple(key for key in keys if key is not None))


def _of_statement(statement: Mapping[str, Any], key_name: KeyName) -> Access:
    action, table, index = statement_action(statement["Statement"])
    wanted = _equations(statement["Statement"]).get(key_name(table, index) or "")
    if isinstance(wanted, int):
        wanted = _text(statement.get("Parameters", [])[wanted])
    return Access(table, () if wanted is None else (wanted,), index, action)


@lru_cache(_STATEMENTS)
def _equations(statement: str) -> Mapping[str, int | str]:
    """The attributes that a statement's WHERE wants to equal a parameter, by its place, or a literal."""
    tokens = _TOKENS.findall(statement)
    words = [token.upper() for token in tokens]
    if "WHERE" not in words:
        return {}
    begin = words.index("WHERE") + 1
    clause = tokens[begin : words.index("RETURNING") if "RETURNING" in words else None]
    if len(clause) % 4 != 3:  # name, comparison, value, AND; the last one without AND
        return {}
    parameters = count(words[:begin].count("?"))
    found: dict[str, int | str] = {}
    for name, comparison, value, joint in batched([*clause, "AND"], 4, strict=True):
        attribute = name.strip('"')
        if comparison not in _COMPARISONS or attribute in found or joint.upper() != "AND":
            return {}
        wanted = next(parameters) if value == "?" else value.strip("'").replace("''", "'")
        if comparison == "=":
            found[attribute] = wanted
    return found


def _in_item(request: Mapping[str, Any], name: str | None) -> str | None:
    attributes: Attributes = request.get("Key") or request.get("Item") or {}
    return _text(attributes.get(name or ""))


def _in_condition(request: Mapping[str, Any], name: str | None) -> str | None:
    """The value that a query wants its partition key to equal."""
    names = request.get("ExpressionAttributeNames", {})
    values: Attributes = request.get("ExpressionAttributeValues", {})
    for left, right in re.findall(r"([\w#:.-]+)\s*=\s*([\w#:.-]+)", request.get("KeyConditionExpression", "")):
        for attribute, value in ((left, right), (right, left)):
            if name is not None and names.get(attribute, attribute) == name:
                return _text(values.get(value))
    return None


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if not value else str(next(iter(value.values())))

"""Which partition keys a request of DynamoDB reaches: what IAM knows as `dynamodb:LeadingKeys`.

For a query of an index it is the partition key of the index. A batch reaches several keys of a table at once; the items
of a transaction are authorized one by one, as the actions they are. A scan reaches no key in particular.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Access:
    """Some partition keys of a table, or of its index; for an item of a transaction, by the action that it is."""

    table: str
    keys: tuple[str, ...]
    index: str | None = None
    action: str | None = None


def accesses(request: Mapping[str, Any], key_name: KeyName) -> Iterator[Access]:
    """What the request reaches; nothing for one that names no partition key."""
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

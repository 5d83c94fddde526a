"""DynamoDB in memory, below boto3: the operations that adapters use, in one process and without a clock.

Every operation is one effect: nobody sees half of it. Faults, time and lagging indexes are put around it where needed,
as in the simulation. Rows are never changed in place: each write puts a new one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from botocore.exceptions import ClientError

from loudhailer.aws.rows import Item
from tests.support.dynamodb import expressions
from tests.support.tables import INDEXES, KEYS

type EngineKey = tuple[str, str]
"""The values of the hash key and of the range key; empty where a table has none."""

type EngineRequest = Mapping[str, Any]

_NONE: dict[str, str] = {}
_OF_TURN = " AND turn = ?"
_DELETE = 'DELETE FROM "'
_UPDATE = 'UPDATE "'
_NOT_LATER = " AND sessionTTL <= ?"


class Write(NamedTuple):
    """One row that an operation has written; `old` or `new` is None where there was or is none."""

    table: str
    key: EngineKey
    old: Item | None
    new: Item | None


@dataclass
class Table:
    """The rows of a table by hash key and range key, and the hash keys of its indexes by their names."""

    name: str
    keys: tuple[str, ...]
    indexes: Mapping[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, Item]] = field(default_factory=dict)

    def key(self, item: Mapping[str, Any]) -> EngineKey:
        """The key of a row, or of a request."""
        return item[self.keys[0]]["S"], item[self.keys[1]]["S"] if len(self.keys) > 1 else ""

    def get(self, key: EngineKey) -> Item | None:
        """The row; None if there is none."""
        return self.rows.get(key[0], {}).get(key[1])

    def key_of(self, item: Item) -> Item:
        """The key's attributes of a row."""
        return {name: item[name] for name in self.keys}


class _AnyTable(dict[str, Table]):
    """Tables that come into being when they are first asked for, by the names that `create_table` gives."""

    def __missing__(self, name: str) -> Table:
        kind: Any = name.rpartition("-")[0]
        self[name] = Table(name, KEYS[kind], INDEXES.get(kind, {}))
        return self[name]


def error(code: str, operation: str, **more: Any) -> ClientError:
    """The error that boto3 raises for a code."""
    response: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(response, operation)


class Engine:
    """The tables of an account.

    `written` is called after each operation with all that it wrote. `index` gives the entries of an index, by default
    those of now; `page_size` is how many rows a page of a query or a scan has.
    """

    def __init__(self, tables: Iterable[Table], *, page_size: int = 3) -> None:
        self.tables = {table.name: table for table in tables}
        self.page_size = page_size
        self.written: Callable[[list[Write]], None] = lambda _: None
        self.index: Callable[[Table, str, str], list[Item]] = self.entries

    def entries(self, table: Table, index: str, value: str) -> list[Item]:
        """The entries of an index with a value of its hash key, in the order of the table's keys."""
        attribute = table.indexes[index]
        return [
            item
            for found in table.rows.values()
            for item in found.values()
            if item.get(attribute, {}).get("S") == value
        ]

    def carry_out(self, operation: str, request: EngineRequest) -> Any:
        """The answer to an operation, by boto3's name of its method; a ClientError where DynamoDB answers one."""
        answer: Any = getattr(self, f"_{operation}")(request)
        return answer

    def remove(self, table: str, key: EngineKey) -> None:
        """Delete a row as its TTL does: without a condition, by nobody's request."""
        self._write([self._put(self.tables[table], key, None)])

    def _get_item(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        item = table.get(table.key(request["Key"]))
        return {} if item is None else {"Item": _projected(item, request)}

    def _put_item(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        key = table.key(request["Item"])
        self._check("PutItem", table.get(key), request)
        self._write([self._put(table, key, dict(request["Item"]))])
        return {}

    def _update_item(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        key = table.key(request["Key"])
        old = table.get(key)
        self._check("UpdateItem", old, request)
        new = _updated(old, request)
        self._write([self._put(table, key, new)])
        names = request.get("ExpressionAttributeNames", _NONE)
        match request.get("ReturnValues"):
            case "ALL_NEW":
                return {"Attributes": new}
            case "ALL_OLD":
                return {} if old is None else {"Attributes": old}
            case "UPDATED_NEW" | "UPDATED_OLD" as wanted:
                changed = [names.get(path, path) for path in expressions.updated(request["UpdateExpression"])]
                image = (new if wanted == "UPDATED_NEW" else old) or {}
                found = {path: image[path] for path in changed if path in image}
                return {"Attributes": found} if found else {}
            case _:
                return {}

    def _delete_item(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        key = table.key(request["Key"])
        old = table.get(key)
        self._check("DeleteItem", old, request)
        if old is not None:
            self._write([self._put(table, key, None)])
        return {}

    def _batch_get_item(self, request: EngineRequest) -> Any:
        responses: dict[str, list[Item]] = {}
        for name, wanted in request["RequestItems"].items():
            table = self.tables[name]
            rows = (table.get(table.key(key)) for key in wanted["Keys"])
            responses[name] = [_projected(row, wanted) for row in rows if row is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _batch_write_item(self, request: EngineRequest) -> Any:
        for name, wanted in request["RequestItems"].items():
            table = self.tables[name]
            for one in wanted:
                key = table.key(one["DeleteRequest"]["Key"])
                if table.get(key) is not None:
                    self._write([self._put(table, key, None)])
        return {"UnprocessedItems": {}}

    def _batch_execute_statement(self, request: EngineRequest) -> Any:
        return {"Responses": [self._execute(one["Statement"], one["Parameters"]) for one in request["Statements"]]}

    def _execute(self, statement: str, parameters: list[Any]) -> Item:
        """The statements that the adapters know."""
        if statement.startswith(_DELETE):
            table = self.tables[statement.removeprefix(_DELETE).partition('"')[0]]
            key = (parameters[0]["S"], parameters[1]["S"])
            old = table.get(key)
            if old is not None:
                is_later = statement.endswith(_NOT_LATER) and int(old["sessionTTL"]["N"]) > int(parameters[2]["N"])
                if is_later or (statement.endswith(_OF_TURN) and old["turn"] != parameters[2]):
                    return {"Error": {"Code": "ConditionalCheckFailed", "Message": "the condition does not hold"}}
                self._write([self._put(table, key, None)])
            return {"TableName": table.name}
        gone, tenant, session = parameters
        table = self.tables[statement.removeprefix(_UPDATE).partition('"')[0]]
        key = (tenant["S"], session["S"])
        old = table.get(key)
        if old is None:
            return {"Error": {"Code": "ConditionalCheckFailed", "Message": "no row matched"}}
        new = dict(old)
        expressions.take_out(new, "connectionIds", gone)
        self._write([self._put(table, key, new)])
        return {"TableName": table.name}

    def _transact_write_items(self, request: EngineRequest) -> Any:
        reasons: list[Item] = []
        puts: list[tuple[Table, EngineKey, Item | None]] = []
        for action in request["TransactItems"]:
            ((kind, one),) = action.items()
            table = self.tables[one["TableName"]]
            key = table.key(one["Item"] if kind == "Put" else one["Key"])
            old = table.get(key)
            if not _holds(old, one):
                reasons.append({"Code": "ConditionalCheckFailed", **_old_image(old, one)})
                continue
            reasons.append({"Code": "None"})
            new = dict(one["Item"]) if kind == "Put" else _updated(old, one) if kind == "Update" else None
            puts.append((table, key, new))
        if any(reason["Code"] != "None" for reason in reasons):
            raise error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        self._write([self._put(*put) for put in puts])
        return {}

    def _query(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        names, values = request.get("ExpressionAttributeNames", _NONE), request["ExpressionAttributeValues"]
        placeholder, rest = expressions.key_condition(request["KeyConditionExpression"])
        value = values[placeholder]["S"]
        if "IndexName" in request:
            found = self.index(table, request["IndexName"], value)
        else:
            of_partition = table.rows.get(value, {})
            found = [of_partition[place] for place in sorted(of_partition)]
            if rest is not None:
                found = [item for item in found if rest(item, names, values)]
        return self._page(table, found, request)

    def _scan(self, request: EngineRequest) -> Any:
        table = self.tables[request["TableName"]]
        segments, segment = request.get("TotalSegments", 1), request.get("Segment", 0)
        found = [
            table.rows[value][place]
            for value in sorted(table.rows)
            if crc32(value.encode()) % segments == segment
            for place in sorted(table.rows[value])
        ]
        return self._page(table, found, request)

    def _page(self, table: Table, found: list[Item], request: EngineRequest) -> Any:
        if "ExclusiveStartKey" in request:
            start = table.key(request["ExclusiveStartKey"])
            found = [item for item in found if table.key(item) > start]
        if "IndexName" in request:
            found.sort(key=table.key)
        page = found[: min(self.page_size, request.get("Limit", self.page_size))]
        answer: Item = {"ScannedCount": len(page)}
        if len(page) < len(found):
            answer["LastEvaluatedKey"] = table.key_of(page[-1])
        if "FilterExpression" in request:
            names, values = request.get("ExpressionAttributeNames", _NONE), request["ExpressionAttributeValues"]
            holds = expressions.condition(request["FilterExpression"])
            page = [item for item in page if holds(item, names, values)]
        answer["Count"] = len(page)
        if request.get("Select") != "COUNT":
            answer["Items"] = [_projected(item, request) for item in page]
        return answer

    def _check(self, operation: str, old: Item | None, request: EngineRequest) -> None:
        if not _holds(old, request):
            raise error("ConditionalCheckFailedException", operation, **_old_image(old, request))

    @staticmethod
    def _put(table: Table, key: EngineKey, new: Item | None) -> Write:
        old = table.get(key)
        if new is not None:
            table.rows.setdefault(key[0], {})[key[1]] = new
        elif old is not None:
            of_partition = table.rows[key[0]]
            del of_partition[key[1]]
            if not of_partition:
                del table.rows[key[0]]
        return Write(table.name, key, old, new)

    def _write(self, writes: list[Write]) -> None:
        self.written([write for write in writes if write.old is not None or write.new is not None])


def _holds(old: Item | None, request: EngineRequest) -> bool:
    text = request.get("ConditionExpression")
    if text is None:
        return True
    names, values = request.get("ExpressionAttributeNames", _NONE), request.get("ExpressionAttributeValues", _NONE)
    return expressions.condition(text)(old or {}, names, values)


def _updated(old: Item | None, request: EngineRequest) -> Item:
    names, values = request.get("ExpressionAttributeNames", _NONE), request.get("ExpressionAttributeValues", _NONE)
    return expressions.update(request["UpdateExpression"])(old or dict(request["Key"]), names, values)


def _old_image(old: Item | None, request: EngineRequest) -> Item:
    return {"Item": old} if old is not None and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else {}


def _projected(item: Item, request: EngineRequest) -> Item:
    names = request.get("ExpressionAttributeNames", _NONE)
    return expressions.project(item, request.get("ProjectionExpression"), names)


class EngineClient:
    """A client of boto3 as the adapters use it; `carry_out` does each operation, by the name of its method."""

    def __init__(self, carry_out: Callable[[str, EngineRequest], Any]) -> None:
        self._carry_out = carry_out

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """The method of an operation; kept, since adapters call it again and again."""
        method: Callable[..., Any] = lambda **request: self._carry_out(operation, request)  # noqa: E731  # kept below
        setattr(self, operation, method)
        return method

    def get_paginator(self, operation: str) -> "Paginator":
        """The pages of a query or a scan."""
        return Paginator(self._carry_out, operation)


class Paginator:
    """The pages of an operation, each asked for when it is reached."""

    def __init__(self, carry_out: Callable[[str, EngineRequest], Any], operation: str) -> None:
        self._carry_out = carry_out
        self._operation = operation

    def paginate(self, **request: Any) -> Iterator[Any]:
        """The pages; `PageSize` of the configuration is the limit of each."""
        size = request.pop("PaginationConfig", {}).get("PageSize")
        if size is not None:
            request["Limit"] = size
        while True:
            page = self._carry_out(self._operation, request)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}


def client_of_any_table() -> EngineClient:
    """A client of tables of its own; each is there as soon as its name is used."""
    tables = Engine([], page_size=1_000)
    tables.tables = _AnyTable()
    return EngineClient(tables.carry_out)

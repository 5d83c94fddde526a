"""DynamoDB throttles a partition key that is asked too much, and a transaction keeps others off its items.

AWS: see `tools.emulator.aws.throughput` for the units. Requests that go beyond them get ThrottlingException, since the
tables are on demand; what is left of a batch comes back unprocessed; a statement of a batch gets ThrottlingError, and a
transaction is cancelled for that reason:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
While a transaction is carried out, no other write reaches its items:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling

MiniStack serves any number of requests, one after the other, so that two never meet.

Patched: `handle_request`, through which all requests of DynamoDB go. It counts what each costs, and answers a
successful transaction after the configured time: other writes to its items conflict with it until then. And
`_paginate_evaluated_items`, which sums up what a query or a scan reads. A scan is counted and never throttled: a page
of 1 MB is less than a key has for a second.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.gaps.leading_keys import key_name
from tools.emulator.aws.leading_keys import accesses
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.throttled_requests import CONFLICT, RequestRefusal, divided, refused, throttled
from tools.emulator.aws.throughput import KeyRange, Throughput, read_units, write_units

type DynamoRequest = dict[str, Any]
type DynamoAnswer = tuple[int, dict[str, str], bytes]

_PAGE_BYTES = 1_048_576
_STOCK_HANDLE_REQUEST = dynamodb.handle_request
_OK, _REFUSED = 200, 400


def gap(options: Options) -> Gap:
    """Throttle, unless throttling is switched off."""
    if not options.throttling:
        return Gap(patches=())
    service = _Service(Throughput(), options.transaction_seconds)
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:handle_request",
                "1201f2ac993ce1a07339816d280e7b86da8395988b41f91ce72caade86e12406",
                service.handle_request,
            ),
            Patch(
                "ministack.services.dynamodb:_paginate_evaluated_items",
                "d70cfb58e3a279c99c8c67aac2c9d6a47683919ae024555b1c03510f4fae7fe4",
                service.page,
            ),
            Patch(
                "ministack.services.dynamodb:_index_write_units",
                "29362ec98898abb783a53f9cedc9fbf3a06d17d2df2d163a355f194b1026e9a1",
            ),
            Patch(
                "ministack.services.dynamodb:_item_size_bytes",
                "9be41cc11f947cdef198554a55cf6cd13ae579cc3d775a9dff26d2c0cea731b8",
            ),
            Patch(
                "ministack.services.dynamodb:_resolve_table_key_values",
                "6294dbce740f21acb7fe6886d1575dc58bb6d0aeddc66c80812a4c1445b76b0e",
            ),
        )
    )


class _Touch(NamedTuple):
    """An item that a request reads or writes, or the items of a key that it queries.

    Attributes:
        keys: the range of keys that it is in.
        table: MiniStack's table; None for a query, whose items are not known before.
        item: the item's key, as MiniStack keeps it.
        values: what a write may set the attributes to.
    """

    keys: KeyRange
    table: dict[str, Any] | None = None
    item: tuple[str, str] = ("", "")
    writes: bool = False
    consistent: bool = False
    transaction: bool = False
    values: Sequence[Mapping[str, Any]] = ()

    def standing(self) -> dict[str, Any] | None:
        """The item as it is now."""
        partition_key, sort_key = self.item
        items = self.table["items"] if self.table else {}
        found: dict[str, Any] | None = items.get(partition_key, {}).get(sort_key)
        return found

    def index_keys(self) -> Iterator[KeyRange]:
        """The ranges of global indexes that a write may reach: by the item as it is, or by a value that it sets."""
        if not self.writes or self.table is None:
            return
        for index in self.table.get("GlobalSecondaryIndexes") or ():
            name = dynamodb._resolve_index_keys(self.table, index["IndexName"])[0]
            texts = {dynamodb._extract_key_val(value) for value in (*self.values, (self.standing() or {}).get(name))}
            yield from (_in_index(self.table, index, text) for text in texts if text)


class _Service:
    """DynamoDB, with the throughput that it has. Lives on the server's event loop."""

    def __init__(self, throughput: Throughput, transaction_seconds: float) -> None:
        self._throughput = throughput
        self._transaction_seconds = transaction_seconds
        self._in_transaction: set[tuple[str, tuple[str, str]]] = set()
        self._read: dict[KeyRange, int] = {}

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> DynamoAnswer:
        """Answer one request."""
        action = headers.get("x-amz-target", "").rpartition(".")[2]

        async def carry_out(request: bytes) -> DynamoAnswer:
            answer: DynamoAnswer = await _STOCK_HANDLE_REQUEST(method, path, headers, request, query_params)
            return answer

        if action not in _TOUCHED:
            return await carry_out(body)
        try:
            request = json.loads(body)
            touched = list(_TOUCHED[action](request))
        except (AttributeError, LookupError, TypeError, ValueError):
            return await carry_out(body)  # what is no request of DynamoDB's is refused for what it is
        refusals = [self._refusal(touch) for touch in touched]
        if not any(refusals):
            return await self._carried_out(touched, partial(carry_out, body))
        batch = divided(action, request, refusals)
        if batch is None:
            return _answer(_REFUSED, refused(action, refusals))
        if batch.rest is None:
            return _answer(_OK, batch.complete({"Responses": []}))
        rest = json.dumps(batch.rest).encode()
        status, _, content = await self.handle_request(method, path, headers, rest, query_params)
        document = json.loads(content)
        return _answer(status, batch.complete(document) if status == _OK else document)

    async def _carried_out(
        self, touched: Sequence[_Touch | None], carry_out: Callable[[], Awaitable[DynamoAnswer]]
    ) -> DynamoAnswer:
        before = [touch.standing() if touch else None for touch in touched]
        self._read = {touch.keys: 0 for touch in touched if touch and touch.table is None}
        answer = await carry_out()  # MiniStack does not let others in meanwhile
        for touch, item in zip(touched, before, strict=True):
            if touch is not None and touch.table is not None:
                self._count(touch, touch.table, item)
        consistent = any(touch.consistent for touch in touched if touch)
        for keys, size in self._read.items():
            self._throughput.use(keys, read_units(size, consistent=consistent), writes=False)
        held = {(touch.keys.resource, touch.item) for touch in touched if touch and touch.writes and touch.transaction}
        if held and answer[0] == _OK and self._transaction_seconds:
            self._in_transaction |= held
            try:
                await asyncio.sleep(self._transaction_seconds)
            finally:
                self._in_transaction -= held
        return answer

    def _refusal(self, touch: _Touch | None) -> RequestRefusal | None:
        if touch is None:
            return None
        is_isolated = touch.writes or touch.transaction
        if is_isolated and (touch.keys.resource, touch.item) in self._in_transaction:
            return CONFLICT
        for keys in (touch.keys, *touch.index_keys()):
            if self._throughput.is_exceeded(keys, writes=touch.writes):
                return throttled(keys.reason(writes=touch.writes))
        return None

    def _count(self, touch: _Touch, table: dict[str, Any], before: dict[str, Any] | None) -> None:
        """Count what a read or a write of one item has cost; a write whose condition failed costs as much."""
        size = dynamodb._item_size_bytes(before) if before else 0
        if not touch.writes:
            units = read_units(size, consistent=touch.consistent, transaction=touch.transaction)
            self._throughput.use(touch.keys, units, writes=False)
            return
        after = touch.standing()
        if after is not None and after is not before:
            size = max(size, dynamodb._item_size_bytes(after))
        self._throughput.use(touch.keys, write_units(size, transaction=touch.transaction), writes=True)
        for index in table.get("GlobalSecondaryIndexes") or ():
            if units := dynamodb._index_write_units(table, index, before, after):
                name = dynamodb._resolve_index_keys(table, index["IndexName"])[0]
                for text in {dynamodb._extract_key_val((item or {}).get(name)) for item in (before, after)} - {""}:
                    self._throughput.use(_in_index(table, index, text), units, writes=True)
        for index in table.get("LocalSecondaryIndexes") or ():
            self._throughput.use(touch.keys, dynamodb._index_write_units(table, index, before, after), writes=True)

    def page(
        self, items: Iterable[dict[str, Any]], limit: Any, table: dict[str, Any], index_name: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """As MiniStack's own, but for noting what was read of each key."""
        name, _, is_global = dynamodb._resolve_index_keys(table, index_name)
        resource = table["TableArn"] + (f"/index/{index_name}" if is_global else "")
        page: list[dict[str, Any]] = []
        page_bytes = 0
        for item in items:
            size = dynamodb._item_size_bytes(
                dynamodb._apply_index_projection(item, table, index_name) if index_name else item
            )
            if page and page_bytes + size > _PAGE_BYTES:
                return page, True
            page.append(item)
            page_bytes += size
            keys = KeyRange(resource, dynamodb._extract_key_val(item.get(name)))
            self._read[keys] = self._read.get(keys, 0) + size
            if (limit is not None and len(page) >= int(limit)) or page_bytes >= _PAGE_BYTES:
                return page, True
        return page, False


def _answer(status: int, document: dict[str, Any]) -> DynamoAnswer:
    """An answer with the checksum that MiniStack adds to its own."""
    content = json.dumps(document, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amz-crc32": str(zlib.crc32(content))}
    return status, headers, content


def _in_index(table: dict[str, Any], index: dict[str, Any], key: str) -> KeyRange:
    return KeyRange(f"{table['TableArn']}/index/{index['IndexName']}", key)


def _touch(table_name: str, attributes: Any, *, values: Any = (), **kind: bool) -> _Touch | None:
    """The item with the key among the attributes; None if there is no such table or key."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(table_name))
    if table is None:
        return None
    partition_key, sort_key, error = dynamodb._resolve_table_key_values(table, attributes, allow_extra=True)
    if error:
        return None
    keys = KeyRange(table["TableArn"], partition_key)
    return _Touch(keys, table, (partition_key, sort_key), values=tuple(values), **kind)


def _write(change: DynamoRequest, *, transaction: bool = False) -> _Touch | None:
    """The item of a Put, an Update, a Delete or a ConditionCheck."""
    item = change.get("Item")
    values = (item or change.get("ExpressionAttributeValues") or {}).values()
    return _touch(change["TableName"], item or change["Key"], values=values, writes=True, transaction=transaction)


def _statement(statement: DynamoRequest, *, transaction: bool = False) -> _Touch | None:
    parsed = dynamodb._parse_partiql(statement["Statement"], statement.get("Parameters", []))
    conditions = {attribute: value for attribute, operator, value in parsed.get("conditions") or () if operator == "="}
    return _touch(
        parsed["table"],
        parsed.get("item") or conditions,
        values=statement.get("Parameters", ()),
        writes=parsed["op"] != "SELECT",
        consistent=bool(statement.get("ConsistentRead")),
        transaction=transaction,
    )


def _of_query(request: DynamoRequest) -> Iterator[_Touch | None]:
    for access in accesses(request, key_name):
        table = dynamodb._tables[dynamodb._normalize_table_name(access.table)]
        is_global = dynamodb._resolve_index_keys(table, access.index)[2]
        resource = table["TableArn"] + (f"/index/{access.index}" if is_global else "")
        yield _Touch(KeyRange(resource, access.keys[0]), consistent=bool(request.get("ConsistentRead")))


def _of_batch_get(request: DynamoRequest) -> Iterator[_Touch | None]:
    for table, part in request["RequestItems"].items():
        for key in part["Keys"]:
            yield _touch(table, key, consistent=bool(part.get("ConsistentRead")))


def _of_batch_write(request: DynamoRequest) -> Iterator[_Touch | None]:
    for table, changes in request["RequestItems"].items():
        for change in changes:
            (part,) = change.values()
            yield _write({"TableName": table, **part})


_TOUCHED: dict[str, Callable[[DynamoRequest], Iterable[_Touch | None]]] = {
    "BatchExecuteStatement": lambda request: map(_statement, request["Statements"]),
    "BatchGetItem": _of_batch_get,
    "BatchWriteItem": _of_batch_write,
    "DeleteItem": lambda request: [_write(request)],
    "ExecuteStatement": lambda request: [_statement(request)],
    "ExecuteTransaction": lambda request: [
        _statement(each, transaction=True) for each in request["TransactStatements"]
    ],
    "GetItem": lambda request: [
        _touch(request["TableName"], request["Key"], consistent=bool(request.get("ConsistentRead")))
    ],
    "PutItem": lambda request: [_write(request)],
    "Query": _of_query,
    "Scan": lambda request: [_Touch(KeyRange("", ""), consistent=bool(request.get("ConsistentRead")))],
    "TransactGetItems": lambda request: [
        _touch(each["Get"]["TableName"], each["Get"]["Key"], transaction=True) for each in request["TransactItems"]
    ],
    "TransactWriteItems": lambda request: [
        _write(change, transaction=True) for each in request["TransactItems"] for change in each.values()
    ],
    "UpdateItem": lambda request: [_write(request)],
}
"""The items that each request touches, in the order of its parts."""

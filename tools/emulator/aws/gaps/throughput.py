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
from contextlib import suppress
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
type StoredItem = dict[str, Any]
type DynamoAnswer = tuple[int, dict[str, str], bytes]

_PAGE_BYTES = 1_048_576
_STOCK_HANDLE_REQUEST = dynamodb.handle_request
_OK, _REFUSED = 200, 400


def gap(options: Options, throughput: Throughput | None = None) -> Gap:
    """Throttle, unless throttling is switched off."""
    if not options.throttling:
        return Gap(patches=())
    service = _Service(throughput or Throughput(), options.transaction_seconds)
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
                "ministack.services.dynamodb:_index_write_view",
                "d3427f36e653bbf2225c1ffc517df995f91b64acab0880c98907ac3b4107b046",
            ),
            Patch(
                "ministack.services.dynamodb:_apply_update_expression",
                "ffd488974842767c6a0a40034487594549bc2f2864a0ac43393891c49531f11d",
            ),
            Patch(
                "ministack.services.dynamodb:_evaluate_condition",
                "94561811e28c4326ef9d662d7221d91f2aac6b809ce67cc38d1fbbb9973f01b3",
            ),
            Patch(
                "ministack.services.dynamodb:_pq_eval",
                "230a66f88819a84cb9ad71687734ba2114d2bf5b6dc11911dc292d4afc709a93",
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
        after: makes of the item as it is what a write leaves; None where there is no item.
    """

    keys: KeyRange
    table: dict[str, Any] | None = None
    item: tuple[str, str] = ("", "")
    writes: bool = False
    consistent: bool = False
    transaction: bool = False
    after: Callable[[StoredItem | None], StoredItem | None] = lambda item: item

    def current_item(self) -> StoredItem | None:
        """The item as it is now."""
        partition_key, sort_key = self.item
        items = self.table["items"] if self.table else {}
        found: StoredItem | None = items.get(partition_key, {}).get(sort_key)
        return found

    def index_keys(self) -> list[KeyRange]:
        """The ranges of global indexes that a write changes."""
        if not self.writes or not self.table or not self.table.get("GlobalSecondaryIndexes"):
            return []
        before = self.current_item()
        return [keys for keys, _ in _index_writes(self.table, before, self.after(before))]


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
            return await carry_out(body)  # DynamoDB's own check refuses a malformed request
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
        before = [touch.current_item() if touch else None for touch in touched]
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
        after = touch.current_item()
        if after is not None and after is not before:
            size = max(size, dynamodb._item_size_bytes(after))
        self._throughput.use(touch.keys, write_units(size, transaction=touch.transaction), writes=True)
        for keys, index_units in _index_writes(table, before, after):
            self._throughput.use(keys, index_units, writes=True)
        for index in table.get("LocalSecondaryIndexes") or ():
            self._throughput.use(touch.keys, dynamodb._index_write_units(table, index, before, after), writes=True)

    def page(
        self, items: Iterable[dict[str, Any]], limit: Any, table: dict[str, Any], index_name: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Like MiniStack's own function; it also notes the units that were read of each key."""
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


def _index_writes(
    table: dict[str, Any], before: StoredItem | None, after: StoredItem | None
) -> Iterator[tuple[KeyRange, float]]:
    """The ranges of global indexes that a write of an item changes, and the units that it costs there.

    An entry is written where it changes. An entry that gets another key is deleted and put again:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
    """
    for index in table.get("GlobalSecondaryIndexes") or ():
        views = [dynamodb._index_write_view(table, index, item) for item in (before, after)]
        if views[0] == views[1]:
            continue
        entries = [view for view in views if view]
        if len(entries) > 1 and entries[0][0] == entries[1][0]:
            entries = [max(entries, key=lambda entry: dynamodb._item_size_bytes(entry[1]))]
        name = dynamodb._resolve_index_keys(table, index["IndexName"])[0]
        resource = f"{table['TableArn']}/index/{index['IndexName']}"
        for _, view in entries:
            units = write_units(dynamodb._item_size_bytes(view), transaction=False)
            yield KeyRange(resource, dynamodb._extract_key_val(view[name])), units


def _touch(table_name: str, attributes: Any, **kind: Any) -> _Touch | None:
    """The item with the key among the attributes; None if there is no such table or key."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(table_name))
    if table is None:
        return None
    partition_key, sort_key, error = dynamodb._resolve_table_key_values(table, attributes, allow_extra=True)
    if error:
        return None
    keys = KeyRange(table["TableArn"], partition_key)
    return _Touch(keys, table, (partition_key, sort_key), **kind)


def _write(change: DynamoRequest, kind: str, *, transaction: bool = False) -> _Touch | None:
    """The item of a Put, an Update, a Delete or a ConditionCheck."""
    after = partial(_written, change, kind)
    return _touch(
        change["TableName"], change.get("Item") or change["Key"], after=after, writes=True, transaction=transaction
    )


def _written(change: DynamoRequest, kind: str, item: StoredItem | None) -> StoredItem | None:
    """The item that a write leaves; the same as before if its condition does not hold, or it is none of DynamoDB's."""
    names, values = change.get("ExpressionAttributeNames", {}), change.get("ExpressionAttributeValues", {})
    with suppress(ValueError):
        condition = change.get("ConditionExpression")
        if kind == "ConditionCheck" or (
            condition and not dynamodb._evaluate_condition(condition, item or {}, values, names)
        ):
            return item
        if kind == "Update":
            made: StoredItem = item or change["Key"]
            if expression := change.get("UpdateExpression"):
                made, _ = dynamodb._apply_update_expression(made, expression, values, names)
            return made
        return change.get("Item")
    return item


def _statement(statement: DynamoRequest, *, transaction: bool = False) -> _Touch | None:
    parsed = dynamodb._parse_partiql(statement["Statement"], statement.get("Parameters", []))
    conditions = {attribute: value for attribute, operator, value in parsed.get("conditions") or () if operator == "="}
    return _touch(
        parsed["table"],
        parsed.get("item") or conditions,
        after=partial(_written_by_statement, parsed),
        writes=parsed["op"] != "SELECT",
        consistent=bool(statement.get("ConsistentRead")),
        transaction=transaction,
    )


def _written_by_statement(parsed: Mapping[str, Any], item: StoredItem | None) -> StoredItem | None:
    """Likewise, of a statement."""
    if parsed["op"] == "INSERT":
        return item or parsed["item"]
    with suppress(ValueError):
        if item is None or not parsed["where_fn"](item):
            return item
        if parsed["op"] == "DELETE":
            return None
        # The possible key of an index is a whole attribute: no path into one, and no function of sets.
        changed = {
            parts[0]: dynamodb._pq_eval(value, item)
            for parts, value in parsed.get("assignments") or ()
            if len(parts) == 1 and value[0] != "setfn"
        }
        removed = {parts[0] for parts in parsed.get("removes") or () if len(parts) == 1}
        return {name: value for name, value in {**item, **changed}.items() if name not in removed}
    return item


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
            ((kind, part),) = change.items()
            yield _write({"TableName": table, **part}, kind.removesuffix("Request"))


_TOUCHED: dict[str, Callable[[DynamoRequest], Iterable[_Touch | None]]] = {
    "BatchExecuteStatement": lambda request: map(_statement, request["Statements"]),
    "BatchGetItem": _of_batch_get,
    "BatchWriteItem": _of_batch_write,
    "DeleteItem": lambda request: [_write(request, "Delete")],
    "ExecuteStatement": lambda request: [_statement(request)],
    "ExecuteTransaction": lambda request: [
        _statement(each, transaction=True) for each in request["TransactStatements"]
    ],
    "GetItem": lambda request: [
        _touch(request["TableName"], request["Key"], consistent=bool(request.get("ConsistentRead")))
    ],
    "PutItem": lambda request: [_write(request, "Put")],
    "Query": _of_query,
    "Scan": lambda request: [_Touch(KeyRange("", ""), consistent=bool(request.get("ConsistentRead")))],
    "TransactGetItems": lambda request: [
        _touch(each["Get"]["TableName"], each["Get"]["Key"], transaction=True) for each in request["TransactItems"]
    ],
    "TransactWriteItems": lambda request: [
        _write(change, kind, transaction=True) for each in request["TransactItems"] for kind, change in each.items()
    ],
    "UpdateItem": lambda request: [_write(request, "Update")],
}
"""The items that each request touches, in the order of its parts."""

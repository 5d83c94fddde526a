"""DynamoDB as functions meet it: calls that fail in all the ways they can, and indexes that lag behind the rows.

A read that does not ask for consistency may see the rows as they were a moment ago.
"""

import re
from collections import defaultdict, deque
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from loudhailer.aws.rows import Item
from tests.simulation import faults
from tests.support.dynamodb.engine import Engine, EngineClient, EngineKey, EngineRequest, Table, Write, error

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

_READS = {"get_item", "query", "scan", "batch_get_item"}
_BATCHES = {"batch_get_item": "UnprocessedKeys", "batch_write_item": "UnprocessedItems"}
_REPLICAS = 3
_LAGS = (0.1, 0.5, 2.0)
"""Seconds by which a read that need not be consistent may lag behind; mostly it is less than one."""

_PLACEHOLDER = re.compile("[:#][A-Za-z_]+")


def client(
    system: "SimulatedSystem",
    *,
    attempts: int = 5,
    seconds: float | None = None,
    target: "SimulatedSystem | None" = None,
) -> Any:
    """A client of DynamoDB for the functions of a cell; its tables are those of `target`, or the cell's own.

    `attempts` is how often the SDK tries a call, `seconds` how long it waits for an answer.
    """
    of = target or system

    def carry_out(operation: str, request: EngineRequest) -> Any:
        system.must_reach(of, operation)

        def effect(part: slice) -> Any:
            wanted = _part(operation, request, part)
            if operation in _BATCHES and system.dice.strikes(faults.PART_LEFT):
                return _partly(of, operation, wanted)
            lagging = _lagging(operation, wanted)
            if lagging and system.dice.strikes(faults.STALE_READ):
                return of.past.tables(lagging).carry_out(operation, wanted)
            return of.tables.carry_out(operation, wanted)

        def conflict() -> Any:
            return _conflict(operation, request, effect)

        return system.call(
            _name(operation, request) if system.trace is not None else operation,
            effect,
            _size(operation, request),
            attempts=attempts,
            patience=inf if seconds is None else seconds,
            reads=operation in _READS,
            is_transaction=operation == "transact_write_items",
            conflict=None if operation in {*_READS, "batch_write_item"} else conflict,
        )

    return EngineClient(carry_out)


def _lagging(operation: str, request: EngineRequest) -> list[str]:
    """The tables that a request reads, and does not ask to read consistently; an index has replicas of its own."""
    if operation not in _READS:
        return []
    if operation == "batch_get_item":
        return [name for name, wanted in request["RequestItems"].items() if not wanted.get("ConsistentRead")]
    is_consistent = request.get("ConsistentRead") or "IndexName" in request
    return [] if is_consistent else [request["TableName"]]


def _partly(system: "SimulatedSystem", operation: str, request: EngineRequest) -> Any:
    """The answer to a batch of which the last ones are left, all of them at the worst."""
    ((table, wanted),) = request["RequestItems"].items()
    entries = wanted["Keys"] if operation == "batch_get_item" else wanted
    done = system.scheduler.random.randrange(len(entries))

    def of(some: Any) -> Any:
        return {table: {**wanted, "Keys": some} if operation == "batch_get_item" else some}

    answer = system.tables.carry_out(operation, {"RequestItems": of(entries[:done])})
    return {**answer, _BATCHES[operation]: of(entries[done:])}


def _size(operation: str, request: EngineRequest) -> int:
    match operation:
        case "batch_write_item":
            return sum(len(wanted) for wanted in request["RequestItems"].values())
        case "batch_execute_statement":
            return len(request["Statements"])
        case _:
            return 1


def _part(operation: str, request: EngineRequest, part: slice) -> EngineRequest:
    match operation:
        case "batch_write_item":
            return {"RequestItems": {table: wanted[part] for table, wanted in request["RequestItems"].items()}}
        case "batch_execute_statement":
            return {"Statements": request["Statements"][part]}
        case _:
            return request


def _conflict(operation: str, request: EngineRequest, effect: Any) -> Any:
    match operation:
        case "transact_write_items":
            reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in request["TransactItems"][1:])]
            raise error("TransactionCanceledException", operation, CancellationReasons=reasons)
        case "batch_execute_statement":
            answer = effect(slice(1, len(request["Statements"])))
            failed = {"Error": {"Code": "TransactionConflict", "Message": "another writer is at work"}}
            return {"Responses": [failed, *answer["Responses"]]}
        case _:
            raise error("TransactionConflictException", operation)


_WORDS = {
    "UpdateExpression": "",
    "ConditionExpression": "if ",
    "KeyConditionExpression": "where ",
    "FilterExpression": "and ",
}


def _name(operation: str, request: EngineRequest) -> str:
    """The call in one line, with its values in their places."""
    match operation:
        case "transact_write_items":
            parts = [f"{kind} {_single(one)}" for action in request["TransactItems"] for kind, one in action.items()]
            return f"transact: {'; '.join(parts)}"
        case "batch_execute_statement":
            return "; ".join(f"{one['Statement']} {_short(one['Parameters'])}" for one in request["Statements"])
        case "batch_get_item" | "batch_write_item":
            return f"{operation} {_short(dict(request['RequestItems']))}"
        case _:
            return f"{operation} {_single(request)}"


def _single(request: EngineRequest) -> str:
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    shown = {name: _short(value) for name, value in {**names, **values}.items()}
    parts = [request["TableName"], *(f"index {request[name]}" for name in ("IndexName",) if name in request)]
    parts += [_short(request[name]) for name in ("Key", "Item", "ExclusiveStartKey") if name in request]
    for name, word in _WORDS.items():
        if name in request:
            parts.append(word + _PLACEHOLDER.sub(lambda found: shown[found[0]], request[name]))
    return " ".join(parts)


def _short(value: Any) -> str:
    match value:
        case {"S": text} | {"N": text}:
            return str(text)
        case {"SS": found}:
            return _short(found)
        case dict():
            return f"({', '.join(f'{name} {_short(one)}' for name, one in value.items())})"
        case list():
            return f"[{', '.join(map(_short, value))}]"
        case _:
            return str(value)


class Replicas:
    """The replicas of the indexes: each takes changes up in order, some time later; a read asks any of them."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._replicas = [_Replica() for _ in range(_REPLICAS)]
        system.tables.index = self.entries

    def written(self, table: Table, write: Write) -> None:
        """Take a row's change on its way to the replicas."""
        system = self._system
        for index, attribute in table.indexes.items():
            old = None if write.old is None or attribute not in write.old else write.old[attribute]["S"]
            new = None if write.new is None or attribute not in write.new else write.new[attribute]["S"]
            if old == new:
                continue
            entry = None if write.new is None or new is None else {**table.key_of(write.new), attribute: {"S": new}}
            for replica in self._replicas:
                lag = system.scheduler.random.random() * 0.2
                if system.dice.strikes(faults.INDEX_LAGS):
                    lag = system.scheduler.random.choice((1.0, 5.0, 20.0))
                replica.put(system.scheduler.now + lag, (index, old, new, write.key, entry))

    def entries(self, _: Table, index: str, value: str) -> list[Item]:
        """The entries as one of the replicas has them."""
        replica = self._system.scheduler.random.choice(self._replicas)
        replica.catch_up(self._system.scheduler.now)
        return list(replica.entries[index, value].values())


class Past:
    """The rows as they were a moment ago."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._writes: deque[tuple[float, Write]] = deque()

    def written(self, write: Write) -> None:
        """Take a row's change."""
        now = self._system.scheduler.now
        self._writes.append((now, write))
        while self._writes[0][0] < now - max(_LAGS):
            self._writes.popleft()

    def tables(self, names: list[str]) -> Engine:
        """All tables; those of these names as they were."""
        system = self._system
        since = system.scheduler.now - system.scheduler.random.choice(_LAGS)
        former = {name: dict(system.tables.tables[name].rows) for name in names}
        for at, write in reversed(self._writes):
            if at <= since:
                break
            if (rows := former.get(write.table)) is None:
                continue
            first, second = write.key
            of_first = rows[first] = dict(rows.get(first, {}))
            if write.old is None:
                of_first.pop(second, None)
            else:
                of_first[second] = write.old
        found = [
            replace(table, rows=former[name]) if name in former else table
            for name, table in system.tables.tables.items()
        ]
        return Engine(found, page_size=system.tables.page_size)


type _Change = tuple[str, str | None, str | None, EngineKey, Item | None]


class _Replica:
    def __init__(self) -> None:
        self.entries: defaultdict[tuple[str, str], dict[EngineKey, Item]] = defaultdict(dict)
        self._coming: deque[tuple[float, _Change]] = deque()

    def put(self, due: float, change: _Change) -> None:
        if self._coming:
            due = max(due, self._coming[-1][0])
        self._coming.append((due, change))

    def catch_up(self, now: float) -> None:
        while self._coming and self._coming[0][0] <= now:
            _, (index, old, new, key, entry) = self._coming.popleft()
            if old is not None:
                self.entries[index, old].pop(key, None)
            if new is not None and entry is not None:
                self.entries[index, new][key] = entry

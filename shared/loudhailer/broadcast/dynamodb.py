"""The broadcasts' table on DynamoDB: PK `broadcastId`, SK `part`.

| part | attributes |
|---|---|
| `summary` | `audience contentHash publishedAt announced keys? cancelled? expired? cutShort?` |
| | `sources? expected? missed? swarmedAt? express? cells? endsAt? deadline? redriven? epoch? offsetInEpoch?` |
| `source#<n>` | `scope expected? dispatched? missed? queriedAt? redriven?` |
| `chunk#<source>.<i>` | `chunkSize packed` (the recipients; none in the last one) `young youngUntil` |
| `tally#<source>.<i>` | `chunkSize delivered gone failed byAccount settledAt` |
| `report` | `version`, in a further cell: the last one that was taken for a snapshot |

The summary's `broadcastId` is the broadcast's id. The rows of source n have `<id>#<n modulo keys>`: DynamoDB takes
1,000 units a second for one key, and a million recipients are written with more than 10,000.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html

Without `keys`, all rows have the id itself as their key, and a chunk's `connections` are the JSON of its message. Such
a broadcast was recorded by an earlier release, or by this one while both were running. It keeps this form.

Every row expires a week after it was written, the summary after two weeks. Structured values that are never searched
are JSON in one attribute.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from loudhailer import codec
from loudhailer.aws.batches import get_rows
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.aws.transactions import write_together
from loudhailer.broadcast import audience as audiences
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast import recipients as chunk_recipients
from loudhailer.broadcast import scope as scopes
from loudhailer.broadcast.model import (
    KEPT_SECONDS,
    SUMMARY_KEPT_SECONDS,
    Chunk,
    Source,
    Summary,
    Tally,
    TallyKey,
    end_of_source,
)
from loudhailer.broadcast.packing import pack, unpack
from loudhailer.broadcast.port import MAX_SOURCES_AT_ONCE, BroadcastStore
from loudhailer.broadcast.recipients import Recipients
from loudhailer.errors import TransientError
from loudhailer.history.model import Position
from loudhailer.ids import BroadcastId, CellName, ChunkId, Epoch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


_IS_NEW = "attribute_not_exists(part)"
_EXISTS = "attribute_exists(part)"
_IS_NEW_LETTER = "NOT contains(redriven, :letter)"
_NOTE_LETTER = "ADD redriven :letters"
_NOTE_POSITION = "epoch = :epoch, offsetInEpoch = :offset"

_ATTEMPTS = 5
"""Attempts to reopen a source while the letters of other operators do."""

_FIRST_SOURCES = 16
"""Number of sources whose rows are read first, by their keys: most broadcasts have fewer."""

_MOST_REMEMBERED = 1_000
"""Number of broadcasts whose number of keys is cached."""


class DynamoBroadcastStore(DynamoTable, BroadcastStore):
    """Keeps the rows in one DynamoDB table; `keys` is the number of keys for the broadcasts that it records itself."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        clock: Callable[[], float],
        keys: int = 1,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(client, table)
        self._clock = clock
        self._pause = pause
        self._keys = keys
        self._key_counts: dict[BroadcastId, int] = {}

    @override
    def record(self, summary: Summary) -> Summary:
        return summary if self._put_new(self._summary_row(summary)) else self._recorded(summary.broadcast_id)

    @override
    def record_small(self, summary: Summary, source: Source, chunk: Chunk) -> Summary:
        broadcast_id, row = summary.broadcast_id, self._summary_row(summary)
        self._remember(broadcast_id, row)
        end = end_of_source(source.number, 1 if chunk.size else 0)
        rows = [
            row,
            {
                **self._source_key(broadcast_id, source.number),
                **_source_to_item(source),
                "expiresAt": self._expiry(),
            },
            *(self._chunk_row(broadcast_id, one) for one in (chunk, end) if one.size or one is end),
        ]
        try:
            is_new = self._write_together(
                [{"Put": {"TableName": self._table, "Item": row, "ConditionExpression": _IS_NEW}} for row in rows]
            )
        except TransientError:
            # The recorded rows, and the number of their keys, are unknown.
            self._key_counts.pop(broadcast_id, None)
            raise
        return summary if is_new else self._recorded(broadcast_id)

    def _recorded(self, broadcast_id: BroadcastId) -> Summary:
        recorded = self.summary(broadcast_id)
        if recorded is None:
            raise TransientError("a broadcast's summary was deleted while it was recorded")
        return recorded

    def _summary_row(self, summary: Summary) -> Item:
        numbers = {"sources": summary.sources, "expected": summary.expected, "swarmedAt": summary.swarmed_at}
        item: Item = {
            "audience": {"S": codec.encode_text(audiences.to_wire(summary.audience))},
            "contentHash": {"S": summary.content_hash},
            "publishedAt": {"N": str(summary.published_at)},
            "announced": {"BOOL": summary.announced},
            **{name: {"N": str(number)} for name, number in numbers.items() if number is not None},
        }
        flags = {"express": summary.express, "deadline": summary.has_deadline}
        item |= {name: {"BOOL": True} for name, is_set in flags.items() if is_set}
        if self._keys > 1:
            item["keys"] = {"N": str(self._keys)}
        if summary.cells is not None:
            item["cells"] = {"S": codec.encode_text(dict(summary.cells))}
        if summary.ends_at is not None:
            item["endsAt"] = {"N": str(summary.ends_at)}
        row = self._row(summary.broadcast_id, "summary", item)
        return row | {"expiresAt": self._expiry(SUMMARY_KEPT_SECONDS)}

    @override
    def mark_announced(
        self, broadcast_id: BroadcastId, *, ends_at: int | None = None, position: Position | None = None
    ) -> None:
        changes = "SET announced = :yes"
        values: Item = {":yes": {"BOOL": True}}
        if position is not None:
            changes += f", {_NOTE_POSITION}"
            values |= _position_to_values(position)
        if ends_at is not None:
            changes += ", endsAt = :endsAt"
            values[":endsAt"] = {"N": str(ends_at)}
        self._update(broadcast_id, "summary", changes, _EXISTS, values)

    @override
    def positions_of(self, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Position | None]:
        keys = [_key(message, "summary") for message in messages]
        rows = get_rows(
            self._client, self._table, keys, pause=self._pause, ProjectionExpression="broadcastId, epoch, offsetInEpoch"
        )
        return {BroadcastId(row["broadcastId"]["S"]): _position(row) for row in rows}

    @override
    def note_position(self, message: BroadcastId, position: Position) -> None:
        self._update(message, "summary", f"SET {_NOTE_POSITION}", _EXISTS, _position_to_values(position))

    @override
    def cancel(self, broadcast_id: BroadcastId) -> bool:
        return self._update(broadcast_id, "summary", "SET cancelled = :yes", _EXISTS, {":yes": {"BOOL": True}})

    @override
    def mark_expired(self, broadcast_id: BroadcastId) -> None:
        self._update(broadcast_id, "summary", "SET expired = :yes", _EXISTS, {":yes": {"BOOL": True}})

    @override
    def live_again(self, broadcast_id: BroadcastId) -> None:
        values = {":expiresAt": self._expiry(SUMMARY_KEPT_SECONDS)}
        self._update(broadcast_id, "summary", "SET expiresAt = :expiresAt REMOVE expired", _EXISTS, values)

    @override
    def summary(self, broadcast_id: BroadcastId) -> Summary | None:
        item = self._get_row(_key(broadcast_id, "summary"))
        if item is None:
            return None
        self._remember(broadcast_id, item)
        return Summary(
            broadcast_id=broadcast_id,
            audience=audiences.from_wire(codec.decode(item["audience"]["S"])),
            content_hash=item["contentHash"]["S"],
            published_at=int(item["publishedAt"]["N"]),
            announced=item["announced"]["BOOL"],
            cancelled="cancelled" in item,
            expired="expired" in item or "cutShort" in item,
            cut_short="cutShort" in item,
            sources=_number(item, "sources"),
            expected=_number(item, "expected"),
            missed=_number(item, "missed") or 0,
            swarmed_at=_number(item, "swarmedAt"),
            express="express" in item,
            cells=_cells(item),
            ends_at=_number(item, "endsAt"),
            has_deadline="deadline" in item,
            position=_position(item),
        )

    @override
    def fix_sources(self, broadcast_id: BroadcastId, sources: Sequence[Source]) -> bool:
        return self._write_together(
            [
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._source_key(broadcast_id, source.number)
                        | _source_to_item(source)
                        | {"expiresAt": self._expiry()},
                        "ConditionExpression": _IS_NEW,
                    }
                }
                for source in sources
            ]
        )

    @override
    def sources(self, broadcast_id: BroadcastId) -> list[Source]:
        if self._keys_of(broadcast_id) == 1:
            found = [_source_from_item(item) for item in self._query(broadcast_id, "source#")]
            return sorted(found, key=lambda source: source.number)
        by_number = {source.number: source for source in self._spread_sources(broadcast_id)}
        # A group of sources that is being written may be read in part.
        return [by_number[number] for number in takewhile(by_number.__contains__, count())]

    @override
    def source(self, broadcast_id: BroadcastId, number: int) -> Source | None:
        item = self._get_row(self._source_key(broadcast_id, number))
        return None if item is None else _source_from_item(item)

    @override
    def complete_sources(
        self,
        broadcast_id: BroadcastId,
        count: int,
        expected: int | None,
        now: int,
        *,
        missed: int = 0,
        cut_short: bool = False,
    ) -> None:
        changes = "SET sources = :sources, swarmedAt = :now, missed = :missed"
        values: Item = {":sources": {"N": str(count)}, ":now": {"N": str(now)}, ":missed": {"N": str(missed)}}
        if expected is not None:
            changes += ", expected = :expected"
            values[":expected"] = {"N": str(expected)}
        if cut_short:
            changes += ", cutShort = :yes"
            values[":yes"] = {"BOOL": True}
        self._update(broadcast_id, "summary", changes, f"{_EXISTS} AND attribute_not_exists(sources)", values)

    @override
    def fix_chunk(self, broadcast_id: BroadcastId, chunk: Chunk) -> Chunk:
        if self._put_new(self._chunk_row(broadcast_id, chunk)):
            return chunk
        fixed = self.chunk(broadcast_id, chunk.chunk_id)
        if fixed is None:
            raise TransientError("a chunk's row was deleted while it was fixed")
        return fixed

    @override
    def chunk(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Chunk | None:
        item = self._get_row(self._chunk_key(broadcast_id, chunk_id))
        return None if item is None else _chunk_from_item(item)

    @override
    def chunk_sizes(self, broadcast_id: BroadcastId, source: int) -> list[int]:
        prefix = f"chunk#{source}."
        sizes: dict[int, int] = {}
        for item in self._query(self._partition_key(broadcast_id, source), prefix, "part, chunkSize"):
            number, size = int(item["part"]["S"].removeprefix(prefix)), _number(item, "chunkSize")
            sizes[number] = self._size(broadcast_id, ChunkId(f"{source}.{number}")) if size is None else size
        return [sizes[number] for number in sorted(sizes) if sizes[number]]

    @override
    def complete_source(
        self,
        broadcast_id: BroadcastId,
        number: int,
        *,
        chunks: int,
        dispatched: int,
        now: int,
        missed: int = 0,
        cut_short: bool = False,
    ) -> bool:
        mark: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": _key(broadcast_id, "summary"),
                "UpdateExpression": "SET cutShort = :yes",
                "ConditionExpression": _EXISTS,
                "ExpressionAttributeValues": {":yes": {"BOOL": True}},
            }
        }
        return self._write_together(
            [
                *([mark] if cut_short else []),
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": self._source_key(broadcast_id, number),
                        "UpdateExpression": "SET dispatched = :dispatched, missed = :missed, queriedAt = :now",
                        "ConditionExpression": f"{_EXISTS} AND attribute_not_exists(dispatched)",
                        "ExpressionAttributeValues": {
                            ":dispatched": {"N": str(dispatched)},
                            ":missed": {"N": str(missed)},
                            ":now": {"N": str(now)},
                        },
                    }
                },
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._chunk_row(broadcast_id, end_of_source(number, chunks)),
                        "ConditionExpression": _IS_NEW,
                    }
                },
            ]
        )

    @override
    def reopen_source(self, broadcast_id: BroadcastId, number: int, letter: str) -> None:
        for _ in range(_ATTEMPTS):
            row = self._get_row(self._source_key(broadcast_id, number))
            if row is None or letter in row.get("redriven", {}).get("SS", ()):
                return
            if self._reopen(broadcast_id, _source_from_item(row), letter):
                return
        raise TransientError(f"a source was completed and reopened by others in {_ATTEMPTS} attempts")

    def _reopen(self, broadcast_id: BroadcastId, source: Source, letter: str) -> bool:
        """Reopen a source, or note the letter if it is open; return False if it is not as it was read.

        The place of the empty chunk follows from the chunks before it. After another letter a real one may be there.
        """
        key, values = self._source_key(broadcast_id, source.number), _letter(letter)
        if source.dispatched is None:
            is_open, letters = f"{_EXISTS} AND attribute_not_exists(dispatched)", {":letters": values[":letters"]}
            return self._update_row_if(key, _NOTE_LETTER, is_open, letters)
        end = end_of_source(source.number, len(self.chunk_sizes(broadcast_id, source.number)))
        return self._write_together(
            [
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": key,
                        "UpdateExpression": f"REMOVE dispatched, missed, queriedAt {_NOTE_LETTER}",
                        "ConditionExpression": f"queriedAt = :queriedAt AND {_IS_NEW_LETTER}",
                        "ExpressionAttributeValues": values | {":queriedAt": {"N": str(source.queried_at)}},
                    }
                },
                {
                    "Delete": {
                        "TableName": self._table,
                        "Key": self._chunk_key(broadcast_id, end.chunk_id),
                    }
                },
            ]
        )

    @override
    def reopen_sources(self, broadcast_id: BroadcastId, letter: str) -> None:
        changes = f"REMOVE sources, expected, missed, swarmedAt {_NOTE_LETTER}"
        self._update(broadcast_id, "summary", changes, f"{_EXISTS} AND {_IS_NEW_LETTER}", _letter(letter))

    @override
    def tallies_of(self, keys: Iterable[TallyKey]) -> Mapping[TallyKey, Tally]:
        rows = get_rows(self._client, self._table, map(self._tally_key, keys))
        return {
            TallyKey(
                BroadcastId(row["broadcastId"]["S"].partition("#")[0]), ChunkId(row["part"]["S"].removeprefix("tally#"))
            ): _tally_from_item(row)
            for row in rows
        }

    @override
    def replace_tally(self, key: TallyKey, old: Tally | None, new: Tally) -> bool:
        values: Item = {
            ":chunkSize": {"N": str(new.size)},
            ":delivered": {"B": bitmaps.to_bytes(new.delivered, new.size)},
            ":gone": {"B": bitmaps.to_bytes(new.gone, new.size)},
            ":failed": {"B": bitmaps.to_bytes(new.failed, new.size)},
            ":byAccount": {"S": codec.encode_text(new.by_account)},
            ":settledAt": {"N": str(new.settled_at)},
            ":expiresAt": self._expiry(),
        }
        condition = _IS_NEW
        if old is not None:
            condition = "delivered = :d AND gone = :g AND failed = :f"
            values |= {
                ":d": {"B": bitmaps.to_bytes(old.delivered, old.size)},
                ":g": {"B": bitmaps.to_bytes(old.gone, old.size)},
                ":f": {"B": bitmaps.to_bytes(old.failed, old.size)},
            }
        return self._update_row_if(
            self._tally_key(key),
            has_made=lambda row: _tally_from_item(row) == new,
            changes="SET chunkSize = :chunkSize, delivered = :delivered, gone = :gone, failed = :failed,"
            " byAccount = :byAccount, settledAt = :settledAt, expiresAt = :expiresAt",
            condition=condition,
            values=values,
        )

    @override
    def tallies(self, broadcast_id: BroadcastId) -> list[Tally]:
        partition_keys: set[str] = {broadcast_id}
        if self._keys_of(broadcast_id) > 1:
            partition_keys = {self._partition_key(broadcast_id, source.number) for source in self.sources(broadcast_id)}
        return [_tally_from_item(item) for key in sorted(partition_keys) for item in self._query(key, "tally#")]

    @override
    def take_version(self, broadcast_id: BroadcastId, now_ms: int) -> int:
        key = _key(broadcast_id, "report")
        first = key | {"version": {"N": str(now_ms)}, "expiresAt": self._expiry(SUMMARY_KEPT_SECONDS)}
        while (version := self._next_version(key)) is None:
            if self._put_new(first):
                return now_ms
        return version

    def _next_version(self, key: Item) -> int | None:
        try:
            with calling("UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression="ADD version :one",
                    ConditionExpression=_EXISTS,
                    ExpressionAttributeValues={":one": {"N": "1"}},
                    ReturnValues="ALL_NEW",
                )
        except ClientError:
            # `calling` passes on only the error of a condition that does not hold.
            return None
        return int(answer["Attributes"]["version"]["N"])

    def _keys_of(self, broadcast_id: BroadcastId) -> int:
        """Return the number of keys over which the rows of the broadcast's sources are spread."""
        known = self._key_counts.get(broadcast_id)  # another thread may forget all of them at any moment
        if known is not None:
            return known
        item = self._get_row(_key(broadcast_id, "summary"))
        return 1 if item is None else self._remember(broadcast_id, item)

    def _remember(self, broadcast_id: BroadcastId, summary: Item) -> int:
        if len(self._key_counts) >= _MOST_REMEMBERED:
            self._key_counts.clear()
        keys = self._key_counts[broadcast_id] = _number(summary, "keys") or 1
        return keys

    def _partition_key(self, broadcast_id: BroadcastId, source: int) -> str:
        """Return the partition key of the rows of a source."""
        keys = self._keys_of(broadcast_id)
        return broadcast_id if keys == 1 else f"{broadcast_id}#{source % keys}"

    def _source_key(self, broadcast_id: BroadcastId, number: int) -> Item:
        return _key(self._partition_key(broadcast_id, number), f"source#{number}")

    def _chunk_key(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Item:
        return _key(self._partition_key(broadcast_id, _source_of(chunk_id)), f"chunk#{chunk_id}")

    def _tally_key(self, key: TallyKey) -> Item:
        return _key(self._partition_key(key.broadcast_id, _source_of(key.chunk_id)), f"tally#{key.chunk_id}")

    def _spread_sources(self, broadcast_id: BroadcastId) -> Iterator[Source]:
        """Read sources by their keys; a query cannot read rows with different partition keys."""
        first, more = 0, _FIRST_SOURCES
        while more:
            keys = [self._source_key(broadcast_id, number) for number in range(first, first + more)]
            found = list(get_rows(self._client, self._table, keys))
            yield from map(_source_from_item, found)
            first, more = first + more, MAX_SOURCES_AT_ONCE if len(found) == more else 0

    def _row(self, broadcast_id: BroadcastId, part: str, item: Item) -> Item:
        return {**_key(broadcast_id, part), **item, "expiresAt": self._expiry()}

    def _chunk_row(self, broadcast_id: BroadcastId, chunk: Chunk) -> Item:
        is_spread = self._keys_of(broadcast_id) > 1
        recipients = (
            {"packed": pack(chunk.recipients)} if is_spread else {"connections": codec.encode(chunk.recipients)}
        )
        return {
            **self._chunk_key(broadcast_id, chunk.chunk_id),
            **{name: {"B": value} for name, value in recipients.items()},
            "chunkSize": {"N": str(chunk.size)},
            "young": {"B": bitmaps.to_bytes(chunk.young, chunk.size)},
            "youngUntil": {"N": str(chunk.young_until)},
            "expiresAt": self._expiry(),
        }

    def _expiry(self, kept_seconds: int = KEPT_SECONDS) -> dict[str, str]:
        return {"N": str(int(self._clock()) + kept_seconds)}

    def _put_new(self, row: Item) -> bool:
        return self._put_row_if(row, _IS_NEW)

    def _update(self, broadcast_id: BroadcastId, part: str, changes: str, condition: str, values: Item) -> bool:
        return self._update_row_if(_key(broadcast_id, part), changes, condition, values)

    def _write_together(self, items: Sequence["TransactWriteItemTypeDef"]) -> bool:
        return write_together(self._client, items, pause=self._pause)

    def _size(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> int:
        """Return the size of a chunk whose row lacks it, because an earlier release has written the row."""
        chunk = self.chunk(broadcast_id, chunk_id)
        return 0 if chunk is None else chunk.size

    def _query(self, key: str, prefix: str, attributes: str | None = None) -> Iterator[Item]:
        """Return the rows of a key whose `part` has the prefix, with all of their attributes or the given ones."""
        projection: Any = {} if attributes is None else {"ProjectionExpression": attributes}
        values: Item = {":id": {"S": key}, ":prefix": {"S": prefix}}
        return self._query_rows("broadcastId = :id AND begins_with(part, :prefix)", values, **projection)


def _key(key: str, part: str) -> Item:
    return {"broadcastId": {"S": key}, "part": {"S": part}}


def _letter(letter: str) -> Item:
    return {":letter": {"S": letter}, ":letters": {"SS": [letter]}}


def _source_of(chunk_id: ChunkId) -> int:
    return int(chunk_id.partition(".")[0])


def _number(item: Item, name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None


def _position(item: Item) -> Position | None:
    return Position(Epoch(item["epoch"]["S"]), int(item["offsetInEpoch"]["N"])) if "epoch" in item else None


def _position_to_values(position: Position) -> Item:
    return {":epoch": {"S": position.epoch}, ":offset": {"N": str(position.offset)}}


def _cells(item: Item) -> Mapping[CellName, int | None] | None:
    if "cells" not in item:
        return None
    return {CellName(name): count for name, count in codec.decode_object(item["cells"]["S"]).items()}


def _source_to_item(source: Source) -> Item:
    item: Item = {"scope": {"S": codec.encode_text(scopes.to_wire(source.scope))}}
    numbers = {"expected": source.expected, "dispatched": source.dispatched, "queriedAt": source.queried_at}
    return item | {name: {"N": str(number)} for name, number in numbers.items() if number is not None}


def _source_from_item(item: Item) -> Source:
    return Source(
        number=int(item["part"]["S"].removeprefix("source#")),
        scope=scopes.from_wire(codec.decode(item["scope"]["S"])),
        expected=_number(item, "expected"),
        dispatched=_number(item, "dispatched"),
        missed=_number(item, "missed") or 0,
        queried_at=_number(item, "queriedAt"),
    )


def _chunk_from_item(item: Item) -> Chunk:
    recipients = _recipients(item)
    size = sum(map(len, recipients.values()))
    return Chunk(
        chunk_id=ChunkId(item["part"]["S"].removeprefix("chunk#")),
        recipients=recipients,
        young=bitmaps.from_bytes(item["young"]["B"], size),
        young_until=int(item["youngUntil"]["N"]),
    )


def _recipients(item: Item) -> Recipients:
    if "packed" in item:
        return unpack(item["packed"]["B"])
    return chunk_recipients.from_wire(codec.decode(item["connections"]["B"]))


def _tally_from_item(item: Item) -> Tally:
    size = int(item["chunkSize"]["N"])
    return Tally(
        size=size,
        delivered=bitmaps.from_bytes(item["delivered"]["B"], size),
        gone=bitmaps.from_bytes(item["gone"]["B"], size),
        failed=bitmaps.from_bytes(item["failed"]["B"], size),
        by_account=codec.decode(item["byAccount"]["S"]),
        settled_at=int(item["settledAt"]["N"]),
    )

"""The connections' and the partitions' tables on DynamoDB.

connections: PK `partition`, SK `connectionId`; `tenantId sessionId playerId? roomKey? nickName? connectedAt expiresAt`,
and `roomIndexKey` for the sparse index `room`.

partitions: PK `tenantId`, SK `partition`; `connectionCount checkpoint probe?`, and `recount retiredAt lastSample`
while `reconcile` is at work on it. `writtenBy` names the last conditional update.

A probe's row is among the connections, for a moment: `probe`, and `expiresAt`, the time at which it was put.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from itertools import batched
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.aws import STATEMENTS_A_BATCH, calling, get_rows, holds, new_nonce, update_if
from loudhailer.connections.model import PROBE, Connection, ConnectionKey, PartitionCount, Sample
from loudhailer.connections.port import ConnectionStore, PartitionStore
from loudhailer.ids import ConnectionId, Partition, PlayerId, ProbeId, RoomKey, SessionId, TenantId, tenant_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type Item = dict[str, Any]

_PARALLEL_PUTS = 16

_OF_KEY = ' WHERE "partition" = ? AND connectionId = ?'
"""A row that is not there is no error: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.delete.html"""

_EXISTS = "attribute_exists(connectionCount)"
_IS_NEW = "attribute_not_exists(connectionCount)"
_AT_CHECKPOINT = "checkpoint = :checkpoint"
"""It does not hold for a row that is missing."""

_IS_MARKED = "attribute_exists(recount)"
_NOT_MARKED = "attribute_not_exists(recount)"
_EMPTY = f"connectionCount = :zero AND {_AT_CHECKPOINT} AND {_NOT_MARKED}"


def key_to_item(key: ConnectionKey) -> Item:
    """The key of a connection's row."""
    return {"partition": {"S": key.partition}, "connectionId": {"S": key.connection_id}}


def key_from_item(item: Item) -> ConnectionKey:
    """The key of a row, or of an index's entry."""
    return ConnectionKey(Partition(item["partition"]["S"]), ConnectionId(item["connectionId"]["S"]))


def connection_to_item(connection: Connection) -> Item:
    """The row of a connection that has joined no room yet."""
    item: Item = {
        **key_to_item(connection.key),
        "tenantId": {"S": connection.tenant_id},
        "sessionId": {"S": connection.session_id},
        "connectedAt": {"N": str(connection.connected_at)},
        "expiresAt": {"N": str(connection.expires_at)},
    }
    if connection.player_id is not None:
        item["playerId"] = {"S": connection.player_id}
    return item


def connection_from_item(item: Item) -> Connection:
    """The connection of a row."""
    return Connection(
        key=key_from_item(item),
        session_id=SessionId(item["sessionId"]["S"]),
        connected_at=int(item["connectedAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
        player_id=PlayerId(item["playerId"]["S"]) if "playerId" in item else None,
    )


def parse_pages_fast(client: "DynamoDBClient") -> "DynamoDBClient":
    """The client, with the pages of its queries parsed by the codec.

    botocore's parser walks the model of every attribute of every item: half of the CPU that `query` takes for a
    connection. Items come out the same as long as their attributes are strings and numbers: a client that reads binary
    ones must not be given here.
    """
    client.meta.events.register("before-parse.dynamodb.Query", _take_items)
    return client


def _take_items(response_dict: Item, customized_response_dict: Item, **_: object) -> None:
    if response_dict["status_code"] == HTTPStatus.OK:
        page = codec.decode_object(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items", [])
        response_dict["body"] = codec.encode(page)


class DynamoConnectionStore(ConnectionStore):
    """Keeps the connections in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, key: ConnectionKey) -> Connection | None:
        """See `ConnectionStore.get`."""
        with calling("GetItem"):
            item = self._client.get_item(TableName=self._table, Key=key_to_item(key), ConsistentRead=True).get("Item")
        return None if item is None else connection_from_item(item)

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """See `ConnectionStore.in_partition`."""
        condition = "#partition = :partition"
        values: Item = {":partition": {"S": partition}, ":now": {"N": str(not_expired_at)}}
        if after is not None:
            condition += " AND connectionId > :after"
            values[":after"] = {"S": after}
        pages = self._pages(
            KeyConditionExpression=condition,
            FilterExpression="expiresAt > :now",
            ProjectionExpression="connectionId, connectedAt",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
        for page in pages:
            yield [(item["connectionId"]["S"], int(item["connectedAt"]["N"])) for item in page]

    def in_room(self, tenant: TenantId, room: RoomKey) -> list[ConnectionKey]:
        """See `ConnectionStore.in_room`."""
        pages = self._pages(
            IndexName="room",
            KeyConditionExpression="roomIndexKey = :room",
            ExpressionAttributeValues={":room": {"S": f"{tenant}#{room}"}},
        )
        return [key_from_item(item) for page in pages for item in page]

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """See `ConnectionStore.connected_at`."""
        rows = get_rows(
            self._client,
            self._table,
            map(key_to_item, dict.fromkeys(keys)),
            ProjectionExpression="#partition, connectionId, connectedAt",
            ExpressionAttributeNames={"#partition": "partition"},
        )
        return {key_from_item(row): int(row["connectedAt"]["N"]) for row in rows}

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """See `ConnectionStore.size_and_expired`: a Query tells how many rows its filter has seen."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#partition = :partition",
            FilterExpression="expiresAt <= :now",
            ProjectionExpression="#partition, connectionId",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":partition": {"S": partition}, ":now": {"N": str(now)}},
            ConsistentRead=True,
        )
        size = 0
        expired: list[ConnectionKey] = []
        with calling("Query"):
            for page in pages:
                size += page["ScannedCount"]
                expired += map(key_from_item, page["Items"])
        return size, expired

    def size(self, partition: Partition) -> int:
        """See `ConnectionStore.size`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#partition = :partition",
            ExpressionAttributeNames={"#partition": "partition"},
            ExpressionAttributeValues={":partition": {"S": partition}},
            Select="COUNT",
            ConsistentRead=True,
        )
        with calling("Query"):
            return sum(page["Count"] for page in pages)

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:
        """See `ConnectionStore.probe`."""
        key = ConnectionKey(partition, PROBE)
        item: Item = {**key_to_item(key), "probe": {"S": probe}, "expiresAt": {"N": str(now)}}
        with calling("PutItem"):
            self._client.put_item(TableName=self._table, Item=item)
        self.delete(key)

    def delete(self, key: ConnectionKey) -> None:
        """See `ConnectionStore.delete`."""
        with calling("DeleteItem"):
            self._client.delete_item(TableName=self._table, Key=key_to_item(key))

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """See `ConnectionStore.delete_all`: 25 rows a call; what a batch refuses is done by a call of its own.

        Statements of PartiQL, since whoever may call BatchWriteItem may put rows, too.
        """
        statement = f'DELETE FROM "{self._table}"' + _OF_KEY
        for batch in batched(dict.fromkeys(keys), STATEMENTS_A_BATCH, strict=False):
            with calling("BatchExecuteStatement"):
                answers = self._client.batch_execute_statement(
                    Statements=[
                        {"Statement": statement, "Parameters": [{"S": key.partition}, {"S": key.connection_id}]}
                        for key in batch
                    ]
                )["Responses"]
            for key, answer in zip(batch, answers, strict=True):
                if "Error" in answer:
                    self.delete(key)

    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        """See `ConnectionStore.delete_if_older`."""
        return self._delete_if("connectedAt < :time", key, connected_before)

    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        """See `ConnectionStore.delete_if_expired`."""
        return self._delete_if("expiresAt <= :time", key, now)

    def _delete_if(self, condition: str, key: ConnectionKey, time: int) -> bool:
        return holds(
            "DeleteItem",
            partial(
                self._client.delete_item,
                TableName=self._table,
                Key=key_to_item(key),
                ConditionExpression=condition,
                ExpressionAttributeValues={":time": {"N": str(time)}},
            ),
        )

    def _pages(self, **query: Any) -> Iterator[list[Item]]:
        pages = iter(self._client.get_paginator("query").paginate(TableName=self._table, **query))
        while True:
            with calling("Query"):
                page = next(pages, None)
            if page is None:
                return
            if page["Items"]:
                yield page["Items"]


class DynamoPartitionStore(PartitionStore):
    """Keeps the partitions' counts in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def of_tenant(self, tenant: TenantId) -> list[PartitionCount]:
        """See `PartitionStore.of_tenant`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            ExpressionAttributeValues={":tenant": {"S": tenant}},
            ConsistentRead=True,
        )
        with calling("Query"):
            return [_count_from_item(item) for page in pages for item in page["Items"]]

    def everywhere(self) -> list[PartitionCount]:
        """See `PartitionStore.everywhere`."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        with calling("Scan"):
            return [_count_from_item(item) for page in pages for item in page["Items"]]

    def open(self, partitions: Iterable[Partition]) -> None:
        """See `PartitionStore.open`."""
        with ThreadPoolExecutor(_PARALLEL_PUTS) as pool:
            for _ in pool.map(self._open, partitions):
                pass

    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        """See `PartitionStore.checkpoints`."""
        rows = get_rows(
            self._client,
            self._table,
            map(_partition_key, partitions),
            ProjectionExpression="#partition, checkpoint",
            ExpressionAttributeNames={"#partition": "partition"},
        )
        return {Partition(row["partition"]["S"]): row["checkpoint"]["S"] for row in rows}

    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        """See `PartitionStore.advance`."""
        return self._update_once(
            partition,
            "SET checkpoint = :new ADD connectionCount :delta",
            _AT_CHECKPOINT,
            {":checkpoint": {"S": seen}, ":new": {"S": checkpoint}, ":delta": {"N": str(delta)}},
        )

    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        """See `PartitionStore.note_probe`."""
        self._update(partition, "SET probe = :probe", _EXISTS, {":probe": {"S": probe}})

    def mark_for_recount(self, partition: Partition) -> None:
        """See `PartitionStore.mark_for_recount`."""
        self._update(partition, "SET recount = :yes REMOVE lastSample", _EXISTS, {":yes": {"BOOL": True}})

    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        """See `PartitionStore.keep_sample`."""
        mark = _IS_MARKED if recount else _NOT_MARKED
        return self._update_once(
            partition,
            "SET lastSample = :sample",
            f"{_AT_CHECKPOINT} AND {mark}",
            {":checkpoint": {"S": sample.checkpoint}, ":sample": _sample_to_value(sample)},
        )

    def correct(self, partition: Partition, sample: Sample) -> bool:
        """See `PartitionStore.correct`."""
        return self._update_once(
            partition,
            "SET connectionCount = :count REMOVE recount, lastSample",
            f"lastSample = :sample AND {_AT_CHECKPOINT}",
            {
                ":checkpoint": {"S": sample.checkpoint},
                ":count": {"N": str(sample.count)},
                ":sample": _sample_to_value(sample),
            },
        )

    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        """See `PartitionStore.retire`."""
        values = {":checkpoint": {"S": checkpoint}, ":zero": {"N": "0"}, ":at": {"N": str(at)}}
        return self._update_once(partition, "SET retiredAt = :at", _EMPTY, values)

    def reinstate(self, partition: Partition) -> None:
        """See `PartitionStore.reinstate`."""
        self._update(partition, "REMOVE retiredAt, lastSample", _EXISTS)

    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        """See `PartitionStore.remove`."""
        return holds(
            "DeleteItem",
            partial(
                self._client.delete_item,
                TableName=self._table,
                Key=_partition_key(partition),
                ConditionExpression=f"attribute_exists(retiredAt) AND {_EMPTY}",
                ExpressionAttributeValues={":checkpoint": {"S": checkpoint}, ":zero": {"N": "0"}},
            ),
        )

    def _open(self, partition: Partition) -> None:
        item: Item = {
            **_partition_key(partition),
            "connectionCount": {"N": "0"},
            "checkpoint": {"S": ""},
        }
        put = partial(self._client.put_item, TableName=self._table, Item=item, ConditionExpression=_IS_NEW)
        holds("PutItem", put)

    def _update(self, partition: Partition, changes: str, condition: str, values: Item | None = None) -> bool:
        return update_if(self._client, self._table, _partition_key(partition), changes, condition, values=values)

    def _update_once(self, partition: Partition, changes: str, condition: str, values: Item) -> bool:
        """Carries out an update that begins with SET, and knows it again by a nonce if the SDK repeats it."""
        writer = {"S": new_nonce()}
        return update_if(
            self._client,
            self._table,
            _partition_key(partition),
            changes.replace("SET ", "SET writtenBy = :writer, ", 1),
            condition,
            values={**values, ":writer": writer},
            has_made=lambda row: row.get("writtenBy") == writer,
        )


def _partition_key(partition: Partition) -> Item:
    return {"tenantId": {"S": tenant_of(partition)}, "partition": {"S": partition}}


def _sample_to_value(sample: Sample) -> Item:
    return {
        "M": {
            "count": {"N": str(sample.count)},
            "checkpoint": {"S": sample.checkpoint},
            "at": {"N": str(sample.at)},
        }
    }


def _count_from_item(item: Item) -> PartitionCount:
    sample = item["lastSample"]["M"] if "lastSample" in item else None
    return PartitionCount(
        partition=Partition(item["partition"]["S"]),
        count=int(item["connectionCount"]["N"]),
        checkpoint=item["checkpoint"]["S"],
        recount="recount" in item,
        retired_at=int(item["retiredAt"]["N"]) if "retiredAt" in item else None,
        probe=ProbeId(item["probe"]["S"]) if "probe" in item else None,
        sample=sample
        and Sample(count=int(sample["count"]["N"]), checkpoint=sample["checkpoint"]["S"], at=int(sample["at"]["N"])),
    )

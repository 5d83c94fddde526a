"""The tables of partitions in DynamoDB.

partitions, audiences: PK `tenantId`, an audience's key; SK `partition`; `connectionCount checkpoint probe?`,
and `recount retiredAt lastSample` while `reconcile` repairs or retires it. `writtenBy` names the last conditional
update.
"""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import override

from loudhailer.aws.batches import get_rows
from loudhailer.aws.conditions import new_nonce
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.ids import AudienceKey, Partition, ProbeId, audience_of
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.partitions.port import PartitionStore

_EXISTS = "attribute_exists(connectionCount)"
_IS_NEW = "attribute_not_exists(connectionCount)"
_AT_CHECKPOINT = "checkpoint = :checkpoint"
"""False for a missing row."""

_IS_MARKED = "attribute_exists(recount)"
_NOT_MARKED = "attribute_not_exists(recount)"
_EMPTY = f"connectionCount = :zero AND {_AT_CHECKPOINT} AND {_NOT_MARKED}"


class DynamoPartitionStore(DynamoTable, PartitionStore):
    """Keeps the partitions' counts in one DynamoDB table."""

    @override
    def of(self, audience: AudienceKey, *, consistent: bool = True) -> list[PartitionCount]:
        rows = self._query_rows("tenantId = :audience", {":audience": {"S": audience}}, consistent=consistent)
        return list(map(_count_from_item, rows))

    @override
    def everywhere(self) -> list[PartitionCount]:
        return list(map(_count_from_item, self._scan_rows()))

    @override
    def first_everywhere(self, most: int) -> list[PartitionCount]:
        # A page may have fewer rows than its limit although there are more.
        return list(map(_count_from_item, islice(self._scan_rows(Limit=most), most)))

    @override
    def segment(self, number: int, *, of: int, most: int) -> list[PartitionCount]:
        return list(map(_count_from_item, islice(self._scan_rows(Segment=number, TotalSegments=of), most)))

    @override
    def open(self, partition: Partition) -> None:
        item: Item = {
            **_partition_key(partition),
            "connectionCount": {"N": "0"},
            "checkpoint": {"S": ""},
        }
        self._put_row_if(item, _IS_NEW)

    @override
    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        rows = get_rows(
            self._client,
            self._table,
            map(_partition_key, partitions),
            ProjectionExpression="#partition, checkpoint",
            ExpressionAttributeNames={"#partition": "partition"},
        )
        return {Partition(row["partition"]["S"]): row["checkpoint"]["S"] for row in rows}

    @override
    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        return self._update_once(
            partition,
            "SET checkpoint = :new ADD connectionCount :delta",
            _AT_CHECKPOINT,
            {":checkpoint": {"S": seen}, ":new": {"S": checkpoint}, ":delta": {"N": str(delta)}},
        )

    @override
    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        self._update(partition, "SET probe = :probe", _EXISTS, {":probe": {"S": probe}})

    @override
    def mark_for_recount(self, partition: Partition) -> None:
        self._update(partition, "SET recount = :yes REMOVE lastSample", _EXISTS, {":yes": {"BOOL": True}})

    @override
    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        mark = _IS_MARKED if recount else _NOT_MARKED
        return self._update_once(
            partition,
            "SET lastSample = :sample",
            f"{_AT_CHECKPOINT} AND {mark}",
            {":checkpoint": {"S": sample.checkpoint}, ":sample": _sample_to_value(sample)},
        )

    @override
    def correct(self, partition: Partition, sample: Sample) -> bool:
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

    @override
    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        values = {":checkpoint": {"S": checkpoint}, ":zero": {"N": "0"}, ":at": {"N": str(at)}}
        return self._update_once(partition, "SET retiredAt = :at", _EMPTY, values)

    @override
    def reinstate(self, partition: Partition) -> None:
        self._update(partition, "REMOVE retiredAt, lastSample", _EXISTS)

    @override
    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        values = {":checkpoint": {"S": checkpoint}, ":zero": {"N": "0"}}
        return self._delete_row_if(_partition_key(partition), f"attribute_exists(retiredAt) AND {_EMPTY}", values)

    def _update(self, partition: Partition, changes: str, condition: str, values: Item | None = None) -> bool:
        return self._update_row_if(_partition_key(partition), changes, condition, values)

    def _update_once(self, partition: Partition, changes: str, condition: str, values: Item) -> bool:
        """Carry out an update that begins with SET; a nonce identifies it if the SDK repeats it."""
        writer = {"S": new_nonce()}
        return self._update_row_if(
            _partition_key(partition),
            changes.replace("SET ", "SET writtenBy = :writer, ", 1),
            condition,
            {**values, ":writer": writer},
            has_made=lambda row: row.get("writtenBy") == writer,
        )


def _partition_key(partition: Partition) -> Item:
    return {"tenantId": {"S": audience_of(partition)}, "partition": {"S": partition}}


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

"""In-memory twin of the store of the partitions' counts."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from operator import attrgetter
from threading import Lock
from typing import override
from zlib import crc32

from loudhailer.ids import AudienceKey, Partition, ProbeId, audience_of
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.partitions.port import PartitionStore


class MemoryPartitionStore(PartitionStore):
    """Keeps partitions in a dictionary; one lock makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[Partition, PartitionCount] = {}
        self._lock = Lock()

    @override
    def of(self, audience: AudienceKey, *, consistent: bool = True) -> list[PartitionCount]:  # it always is
        with self._lock:
            rows = [row for row in self.rows.values() if audience_of(row.partition) == audience]
        return sorted(rows, key=attrgetter("partition"))

    @override
    def everywhere(self) -> list[PartitionCount]:
        with self._lock:
            return list(self.rows.values())

    @override
    def first_everywhere(self, most: int) -> list[PartitionCount]:
        return self.everywhere()[:most]

    @override
    def segment(self, number: int, *, of: int, most: int) -> list[PartitionCount]:
        rows = self.everywhere()
        return [row for row in rows if crc32(audience_of(row.partition).encode()) % of == number][:most]

    @override
    def open(self, partition: Partition) -> None:
        with self._lock:
            self.rows.setdefault(partition, PartitionCount(partition))

    @override
    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        with self._lock:
            return {partition: self.rows[partition].checkpoint for partition in partitions if partition in self.rows}

    @override
    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.checkpoint != seen:
                return False
            self.rows[partition] = replace(row, count=row.count + delta, checkpoint=checkpoint)
            return True

    @override
    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, probe=probe)

    @override
    def mark_for_recount(self, partition: Partition) -> None:
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, recount=True, sample=None)

    @override
    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        with self._lock:
            row = self.rows.get(partition)
            if row is None or (row.checkpoint, row.recount) != (sample.checkpoint, recount):
                return False
            self.rows[partition] = replace(row, sample=sample)
            return True

    @override
    def correct(self, partition: Partition, sample: Sample) -> bool:
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.checkpoint != sample.checkpoint or row.sample != sample:
                return False
            self.rows[partition] = replace(row, count=sample.count, recount=False, sample=None)
            return True

    @override
    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        with self._lock:
            row = self.rows.get(partition)
            if row is None or (row.count, row.checkpoint, row.recount) != (0, checkpoint, False):
                return False
            self.rows[partition] = replace(row, retired_at=at)
            return True

    @override
    def reinstate(self, partition: Partition) -> None:
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, retired_at=None, sample=None)

    @override
    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.retired_at is None:
                return False
            if (row.count, row.checkpoint, row.recount) != (0, checkpoint, False):
                return False
            del self.rows[partition]
            return True

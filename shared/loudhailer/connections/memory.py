"""The in-memory twins of the connections' and the partitions' tables."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from threading import Lock

from loudhailer.connections.model import Connection, ConnectionKey, PartitionCount, Sample
from loudhailer.connections.port import ConnectionStore, PartitionStore
from loudhailer.ids import ConnectionId, Partition, ProbeId, RoomKey, TenantId, tenant_of

PAGE_SIZE = 2
"""Connections on a page: few, so that tests meet several pages."""


class MemoryConnectionStore(ConnectionStore):
    """Keeps connections in a dictionary; `rooms` says which of them joined a room."""

    def __init__(self) -> None:
        self.rows: dict[ConnectionKey, Connection] = {}
        self.rooms: dict[ConnectionKey, RoomKey] = {}
        self.probes: dict[Partition, ProbeId] = {}

    def get(self, key: ConnectionKey) -> Connection | None:
        """See `ConnectionStore.get`."""
        return self.rows.get(key)

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """See `ConnectionStore.in_partition`."""
        while True:
            page = [
                (key.connection_id, self.rows[key].connected_at)
                for key in sorted(self.rows)
                if key.partition == partition
                and self.rows[key].expires_at > not_expired_at
                and (after is None or key.connection_id > after)
            ][:PAGE_SIZE]
            if not page:
                return
            yield page
            after = page[-1][0]

    def in_room(self, tenant: TenantId, room: RoomKey) -> list[ConnectionKey]:
        """See `ConnectionStore.in_room`."""
        return [key for key in self.rows if (tenant_of(key.partition), self.rooms.get(key)) == (tenant, room)]

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """See `ConnectionStore.connected_at`."""
        return {key: self.rows[key].connected_at for key in keys if key in self.rows}

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """See `ConnectionStore.size_and_expired`."""
        expired = [key for key, row in self.rows.items() if key.partition == partition and row.expires_at <= now]
        return self.size(partition), expired

    def size(self, partition: Partition) -> int:
        """See `ConnectionStore.size`."""
        return sum(key.partition == partition for key in self.rows)

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:  # noqa: ARG002  # the row is gone at once
        """See `ConnectionStore.probe`: it is noted in `probes`."""
        self.probes[partition] = probe

    def delete(self, key: ConnectionKey) -> None:
        """See `ConnectionStore.delete`."""
        self.rows.pop(key, None)

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """See `ConnectionStore.delete_all`."""
        for key in keys:
            self.delete(key)

    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        """See `ConnectionStore.delete_if_older`."""
        row = self.rows.get(key)
        if row is None or row.connected_at >= connected_before:
            return False
        self.delete(key)
        return True

    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        """See `ConnectionStore.delete_if_expired`."""
        row = self.rows.get(key)
        if row is None or row.expires_at > now:
            return False
        self.delete(key)
        return True


class MemoryPartitionStore(PartitionStore):
    """Keeps partitions in a dictionary; one lock makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[Partition, PartitionCount] = {}
        self._lock = Lock()

    def of_tenant(self, tenant: TenantId) -> list[PartitionCount]:
        """See `PartitionStore.of_tenant`."""
        with self._lock:
            rows = [row for row in self.rows.values() if tenant_of(row.partition) == tenant]
        return sorted(rows, key=attrgetter("partition"))

    def everywhere(self) -> list[PartitionCount]:
        """See `PartitionStore.everywhere`."""
        with self._lock:
            return list(self.rows.values())

    def open(self, partitions: Iterable[Partition]) -> None:
        """See `PartitionStore.open`."""
        with self._lock:
            for partition in partitions:
                self.rows.setdefault(partition, PartitionCount(partition))

    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        """See `PartitionStore.checkpoints`."""
        with self._lock:
            return {partition: self.rows[partition].checkpoint for partition in partitions if partition in self.rows}

    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        """See `PartitionStore.advance`."""
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.checkpoint != seen:
                return False
            self.rows[partition] = replace(row, count=row.count + delta, checkpoint=checkpoint)
            return True

    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        """See `PartitionStore.note_probe`."""
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, probe=probe)

    def mark_for_recount(self, partition: Partition) -> None:
        """See `PartitionStore.mark_for_recount`."""
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, recount=True, sample=None)

    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        """See `PartitionStore.keep_sample`."""
        with self._lock:
            row = self.rows.get(partition)
            if row is None or (row.checkpoint, row.recount) != (sample.checkpoint, recount):
                return False
            self.rows[partition] = replace(row, sample=sample)
            return True

    def correct(self, partition: Partition, sample: Sample) -> bool:
        """See `PartitionStore.correct`."""
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.checkpoint != sample.checkpoint or row.sample != sample:
                return False
            self.rows[partition] = replace(row, count=sample.count, recount=False, sample=None)
            return True

    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        """See `PartitionStore.retire`."""
        with self._lock:
            row = self.rows.get(partition)
            if row is None or (row.count, row.checkpoint, row.recount) != (0, checkpoint, False):
                return False
            self.rows[partition] = replace(row, retired_at=at)
            return True

    def reinstate(self, partition: Partition) -> None:
        """See `PartitionStore.reinstate`."""
        with self._lock:
            if row := self.rows.get(partition):
                self.rows[partition] = replace(row, retired_at=None, sample=None)

    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        """See `PartitionStore.remove`."""
        with self._lock:
            row = self.rows.get(partition)
            if row is None or row.retired_at is None:
                return False
            if (row.count, row.checkpoint, row.recount) != (0, checkpoint, False):
                return False
            del self.rows[partition]
            return True

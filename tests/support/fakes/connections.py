"""In-memory twin of the store of connections."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import override

from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, ProbeId, RoomKey, TenantId, tenant_of

PAGE_SIZE = 2
"""Connections on a page: few, so that tests meet several pages."""


class MemoryConnectionStore(ConnectionStore):
    """Keeps connections in a dictionary; `rooms` says which of them joined a room."""

    def __init__(self) -> None:
        self.rows: dict[ConnectionKey, Connection] = {}
        self.rooms: dict[ConnectionKey, RoomKey] = {}
        self.probes: dict[Partition, ProbeId] = {}

    @override
    def get(self, key: ConnectionKey) -> Connection | None:
        return self.rows.get(key)

    @override
    def mark_subscriber(self, key: ConnectionKey) -> bool:
        if key not in self.rows:
            return False
        self.rows[key] = replace(self.rows[key], subscribes=True)
        return True

    @override
    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        while True:
            page = [
                (key.connection_id, self.rows[key].connected_at)
                for key in sorted(self.rows)
                if key.partition == partition
                and key.connection_id != PROBE
                and self.rows[key].expires_at > not_expired_at
                and (after is None or key.connection_id > after)
            ][:PAGE_SIZE]
            if not page:
                return
            yield page
            after = page[-1][0]

    @override
    def in_room(self, tenant: TenantId, room: RoomKey, *, most: int | None = None) -> list[ConnectionKey]:
        return [key for key in self.rows if (tenant_of(key.partition), self.rooms.get(key)) == (tenant, room)][:most]

    @override
    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        return {key: self.rows[key].connected_at for key in keys if key in self.rows}

    @override
    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        expired = [key for key, row in self.rows.items() if key.partition == partition and row.expires_at <= now]
        return self.size(partition), expired

    @override
    def size(self, partition: Partition) -> int:
        return sum(key.partition == partition for key in self.rows)

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:  # noqa: ARG002  # the row is gone at once
        """See `ConnectionStore.probe`: it is noted in `probes`."""
        self.probes[partition] = probe

    @override
    def delete(self, key: ConnectionKey) -> None:
        self.rows.pop(key, None)

    @override
    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        for key in keys:
            self.delete(key)

    @override
    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        row = self.rows.get(key)
        if row is None or row.connected_at >= connected_before:
            return False
        self.delete(key)
        return True

    @override
    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        row = self.rows.get(key)
        if row is None or row.expires_at > now:
            return False
        self.delete(key)
        return True

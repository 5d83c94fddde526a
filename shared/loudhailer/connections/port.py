"""What the use cases need of the connections' rows and of the partitions' counts.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from loudhailer.connections.model import Connection, ConnectionKey, PartitionCount, Sample
from loudhailer.ids import ConnectionId, Partition, ProbeId, RoomKey, TenantId


class ConnectionStore(Protocol):
    """The rows of the connections. `connect` alone adds to them, together with the session."""

    def get(self, key: ConnectionKey) -> Connection | None:
        """The connection as it is now, read consistently; None if there is no such row."""

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """The connections of a partition that expire later than `not_expired_at`, with their `connectedAt`, in pages.

        Ascending by id, from the first one beyond `after`; pages are read consistently, and only when they are reached.
        """

    def in_room(self, tenant: TenantId, room: RoomKey) -> list[ConnectionKey]:
        """The connections that joined the room, by an index: it may lag behind the rows."""

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """When those of the connections that exist were made, read consistently; keys may repeat."""

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """As `size`, and those of the rows whose time is over at `now`."""

    def size(self, partition: Partition) -> int:
        """How many rows the partition has, expired ones too, read consistently."""

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:
        """Puts a row that is no connection's, and deletes it: the stream tells of it behind all that was done before.

        The row is over at `now`, so nobody takes it for a recipient, and one that is left behind goes as others do.
        """

    def delete(self, key: ConnectionKey) -> None:
        """Deletes the row; one that is not there is fine."""

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """Deletes the rows in few calls; those that are not there are fine, and keys may repeat.

        After an error, all of it again does no harm.
        """

    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        """Deletes the row if the connection was made before the time; whether it did."""

    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        """Deletes the row if its time is over at `now`; whether it did."""


class PartitionStore(Protocol):
    """The rows of the partitions. A row is opened once; no other method makes one."""

    def of_tenant(self, tenant: TenantId) -> list[PartitionCount]:
        """The tenant's partitions in the order of their keys, read consistently."""

    def everywhere(self) -> list[PartitionCount]:
        """All partitions of all tenants, in any order, read consistently."""

    def open(self, partitions: Iterable[Partition]) -> None:
        """Puts a row with no connections for each partition that has none yet; others stay as they are."""

    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        """The checkpoints of those of the partitions that exist, read consistently."""

    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        """Adds to the count and moves the checkpoint, at once, if the checkpoint still is the one that was seen.

        False, and nothing done, if it is another or if the partition is not there.
        """

    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        """Notes that a probe is counted, and all before it counted and released; no partition is fine."""

    def mark_for_recount(self, partition: Partition) -> None:
        """Marks the count as doubtful and forgets the last sample; a partition that is not there is fine."""

    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        """Keeps the sample on the row, in place of an earlier one.

        False, and nothing done, if the checkpoint is not the sample's, or if the partition is marked for a recount and
        `recount` is not set, or the other way round.
        """

    def correct(self, partition: Partition, sample: Sample) -> bool:
        """Takes the sample's count for the partition's, and takes the mark off if there is one.

        False, and nothing done, if the checkpoint is not the sample's or the sample is not the one that is kept.
        """

    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        """Marks the partition as retired.

        False, and nothing done, if it is not empty, marked for a recount, or the checkpoint moved.
        """

    def reinstate(self, partition: Partition) -> None:
        """Takes the mark of retirement off; a partition that is not there is fine."""

    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        """Deletes a retired partition.

        False, and nothing done, if it is not retired, not empty, marked for a recount, or the checkpoint moved.
        """

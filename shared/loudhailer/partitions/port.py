"""The store of the partitions' counts, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from loudhailer.ids import AudienceKey, Partition, ProbeId
from loudhailer.partitions.model import PartitionCount, Sample


class PartitionStore(Protocol):
    """The rows of the partitions. A row is opened once; no other method makes one."""

    def of(self, audience: AudienceKey, *, consistent: bool = True) -> list[PartitionCount]:
        """Return an audience's partitions in the order of their keys, read consistently unless `consistent` is False.

        Partitions of a tenant's channels are none of the tenant's.
        """

    def everywhere(self) -> list[PartitionCount]:
        """All partitions of all audiences, in any order, read consistently."""

    def first_everywhere(self, most: int) -> list[PartitionCount]:
        """Up to `most` partitions of all audiences, in any order, read consistently."""

    def segment(self, number: int, *, of: int, most: int) -> list[PartitionCount]:
        """Up to `most` partitions of one of `of` segments, which together are everywhere; read consistently.

        An audience is always in the same segment. Segments are numbered from 0.
        """

    def open(self, partition: Partition) -> None:
        """Put a row without connections for the partition; an existing row is not changed."""

    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        """Return the checkpoints of the existing partitions, read consistently."""

    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        """Add to the count and move the checkpoint in one write, if the checkpoint has not changed since it was `seen`.

        Return False, and change nothing, if it has, or if the partition does not exist.
        """

    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        """Note that a probe, and all changes before it, are counted and released; a missing partition is ignored."""

    def mark_for_recount(self, partition: Partition) -> None:
        """Mark the count as doubtful and forget the last sample; a missing partition is ignored."""

    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        """Replace the sample on the row.

        Return False, and change nothing, if the checkpoint is not the sample's, or if `recount` differs from the
        partition's mark for a recount.
        """

    def correct(self, partition: Partition, sample: Sample) -> bool:
        """Replace the partition's count by the sample's, and remove the mark for a recount, if there is one.

        Return False, and change nothing, if the checkpoint is not the sample's, or the row has another sample.
        """

    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        """Mark the partition as retired.

        Return False, and change nothing, if it is not empty, is marked for a recount, or its checkpoint has moved.
        """

    def reinstate(self, partition: Partition) -> None:
        """Remove the mark of retirement; a missing partition is ignored."""

    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        """Delete a retired partition.

        Return False, and change nothing, if it is not retired, not empty, is marked for a recount, or its checkpoint
        has moved.
        """

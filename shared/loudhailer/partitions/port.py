"""The store of the partitions' counts, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from loudhailer.ids import Partition, ProbeId, TenantId
from loudhailer.partitions.model import PartitionCount, Sample


class PartitionStore(Protocol):
    """The rows of the partitions. A row is opened once; no other method makes one."""

    def of_tenant(self, tenant: TenantId, *, consistent: bool = True) -> list[PartitionCount]:
        """The tenant's partitions in the order of their keys, read consistently unless that is not needed."""

    def everywhere(self) -> list[PartitionCount]:
        """All partitions of all tenants, in any order, read consistently."""

    def open(self, partitions: Iterable[Partition]) -> None:
        """Put a row with no connections for each partition that has none yet; others stay as they are."""

    def checkpoints(self, partitions: Collection[Partition]) -> Mapping[Partition, str]:
        """The checkpoints of those of the partitions that exist, read consistently."""

    def advance(self, partition: Partition, *, seen: str, checkpoint: str, delta: int) -> bool:
        """Add to the count and move the checkpoint, at once, if the checkpoint still is the one that was seen.

        False, and nothing done, if it is another or if the partition is not there.
        """

    def note_probe(self, partition: Partition, probe: ProbeId) -> None:
        """Note that a probe is counted, and all before it counted and released; no partition is fine."""

    def mark_for_recount(self, partition: Partition) -> None:
        """Mark the count as doubtful and forget the last sample; a partition that is not there is fine."""

    def keep_sample(self, partition: Partition, sample: Sample, *, recount: bool) -> bool:
        """Keep the sample on the row, in place of an earlier one.

        False, and nothing done, if the checkpoint is not the sample's, or if the partition is marked for a recount and
        `recount` is not set, or the other way round.
        """

    def correct(self, partition: Partition, sample: Sample) -> bool:
        """Take the sample's count for the partition's, and take the mark off if there is one.

        False, and nothing done, if the checkpoint is not the sample's or the sample is not the one that is kept.
        """

    def retire(self, partition: Partition, *, checkpoint: str, at: int) -> bool:
        """Mark the partition as retired.

        False, and nothing done, if it is not empty, marked for a recount, or the checkpoint moved.
        """

    def reinstate(self, partition: Partition) -> None:
        """Take the mark of retirement off; a partition that is not there is fine."""

    def remove(self, partition: Partition, *, checkpoint: str) -> bool:
        """Delete a retired partition.

        False, and nothing done, if it is not retired, not empty, marked for a recount, or the checkpoint moved.
        """

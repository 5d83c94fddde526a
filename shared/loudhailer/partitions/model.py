"""A partition's count of its connections."""

from dataclasses import dataclass

from loudhailer.ids import (
    Partition,
    ProbeId,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Number of a partition's rows at one time, with the checkpoint at that time; `at` in epoch seconds."""

    count: int
    checkpoint: str
    at: int


@dataclass(frozen=True, slots=True)
class PartitionCount:
    """A partition and its counted connections, or members of a channel.

    Attributes:
        partition: its key.
        count: connections according to the stream so far.
        checkpoint: the last sequence number that is counted, 40 digits; empty before the first.
        recount: the count is doubtful: `reconcile` repairs it.
        retired_at: epoch seconds; time since which nothing is assigned to it, because it stayed empty.
        sample: the last sample of `reconcile`.
        probe: the last probe that is counted, with all changes before it.
    """

    partition: Partition
    count: int = 0
    checkpoint: str = ""
    recount: bool = False
    retired_at: int | None = None
    sample: Sample | None = None
    probe: ProbeId | None = None

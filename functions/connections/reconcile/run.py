"""One run of `reconcile`: its time limits, and the partitions that it has read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from loudhailer.deadline import Deadline
from loudhailer.ids import Partition
from loudhailer.observability import count, logger
from loudhailer.partitions.model import PartitionCount
from loudhailer.partitions.port import PartitionStore

_GOLDEN_RATIO = 0.618_033_988_75
"""The fractional parts of its multiples are spread evenly over 0 to 1."""


@dataclass
class Run:
    """One run: its time, the deadline of the current step, and the partitions that it has read."""

    now: int
    deadline: Deadline
    store: PartitionStore

    @cached_property
    def partitions(self) -> dict[Partition, PartitionCount]:
        """All partitions in the order of their keys, as first read, with the changes of this run."""
        return {row.partition: row for row in sorted(self.store.everywhere(), key=lambda row: row.partition)}

    def is_over(self) -> bool:
        """Tell whether the step's time is over."""
        return self.deadline.is_over()

    def while_time[T](self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items until the step's deadline."""
        for item in items:
            if self.is_over():
                count("ReconcileCutShort")
                logger.warning("the time is over; later runs do the rest")
                return
            yield item

    def in_turn[T](self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items until the step's deadline, starting at a different place each minute."""
        found = list(items)
        first = int(self.now // 60 * _GOLDEN_RATIO % 1 * len(found))
        return self.while_time(found[first:] + found[:first])

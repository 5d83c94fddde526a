"""One run of `reconcile`: its time, and what it knows of the partitions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from loudhailer.deadline import Deadline
from loudhailer.ids import Partition
from loudhailer.observability import count, logger
from loudhailer.partitions.model import PartitionCount
from loudhailer.partitions.port import PartitionStore

_GOLDEN_RATIO = 0.618_033_988_75
"""Multiples of it, less their whole part, spread evenly from the first few on."""


@dataclass
class Run:
    """One run: its time, when its present step must be over, and the partitions as far as it knows."""

    now: int
    deadline: Deadline
    store: PartitionStore

    @cached_property
    def partitions(self) -> dict[Partition, PartitionCount]:
        """All partitions in the order of their keys, as they were when first read, and as this run changed them."""
        return {row.partition: row for row in sorted(self.store.everywhere(), key=lambda row: row.partition)}

    def is_over(self) -> bool:
        """Tell whether the step's time is over."""
        return self.deadline.is_over()

    def while_time[T](self, items: Iterable[T]) -> Iterator[T]:
        """The items, until the time is over."""
        for item in items:
            if self.is_over():
                count("ReconcileCutShort")
                logger.warning("the time is over; the rest is left to other runs")
                return
            yield item

    def in_turn[T](self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, each minute from another place on, until the time is over."""
        found = list(items)
        first = int(self.now // 60 * _GOLDEN_RATIO % 1 * len(found))
        return self.while_time(found[first:] + found[:first])

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


ROUND_MINUTES = 60
"""Number of runs in which each partition is swept once, if there are more partitions than this."""

_MOST_OF_A_SEGMENT = 10_000
"""Most partitions that a run reads of a segment, whatever clients have made: about 10 MB, and seconds to read."""


@dataclass
class Run:
    """One run: its time, the deadline of the current step, and the partitions that it has read.

    With more than `most` partitions, it reads one segment of them, and 60 runs read all. None: it always reads all.
    """

    now: int
    deadline: Deadline
    store: PartitionStore
    most: int | None = None

    @property
    def partitions(self) -> dict[Partition, PartitionCount]:
        """The partitions in the order of their keys, as first read, with the changes of this run."""
        return self._read[0]

    @property
    def is_whole(self) -> bool:
        """Tell whether these are all partitions."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[dict[Partition, PartitionCount], bool]:
        rows = self.store.everywhere() if self.most is None else self.store.first_everywhere(self.most + 1)
        is_whole = self.most is None or len(rows) <= self.most
        if not is_whole:
            rows = self.store.segment(self.now // 60 % ROUND_MINUTES, of=ROUND_MINUTES, most=_MOST_OF_A_SEGMENT)
        return {row.partition: row for row in sorted(rows, key=lambda row: row.partition)}, is_whole

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

"""The throughput of DynamoDB's partitions: how many units a request costs, and whether its partition has them.

A partition serves 1,000 write units and 3,000 read units a second, in on-demand mode, too. It may hold a single
partition key, so no key has more:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
A write unit is 1 KB of an item, a read unit 4 KB; an eventually consistent read costs half, a transaction double:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html

Adaptive capacity is left out: it isolates a hot key, and gives none more than a partition has. Keys never share a
partition here, as they do on AWS as long as a table is small or new.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from tools.emulator.aws.token_buckets import TokenBuckets

WRITE_UNITS_A_SECOND = 1_000
READ_UNITS_A_SECOND = 3_000

_WRITE_BYTES = 1_024
_READ_BYTES = 4_096


class KeyRange(NamedTuple):
    """The items that have one partition key.

    Attributes:
        resource: the ARN of the table, or of its index.
        key: the partition key.
    """

    resource: str
    key: str

    def reason(self, *, writes: bool) -> dict[str, str]:
        """The reason that DynamoDB gives for throttling.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html
        """
        kind, operation = "Index" if "/index/" in self.resource else "Table", "Write" if writes else "Read"
        return {"reason": f"{kind}{operation}KeyRangeThroughputExceeded", "resource": self.resource}


class Throughput:
    """The units that each range of keys has left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._writes = TokenBuckets[KeyRange](WRITE_UNITS_A_SECOND, clock)
        self._reads = TokenBuckets[KeyRange](READ_UNITS_A_SECOND, clock)

    def is_exceeded(self, keys: KeyRange, *, writes: bool) -> bool:
        """Tell whether a request must wait: earlier ones have used all that the range has."""
        return (self._writes if writes else self._reads).is_empty(keys)

    def use(self, keys: KeyRange, units: float, *, writes: bool) -> None:
        """Subtract the units of a request."""
        (self._writes if writes else self._reads).take(keys, units)


def write_units(size: int, *, transaction: bool) -> float:
    """The cost of a write: `size` is that of the item before or after it, whichever is larger."""
    return max(1, math.ceil(size / _WRITE_BYTES)) * (2.0 if transaction else 1.0)


def read_units(size: int, *, consistent: bool, transaction: bool = False) -> float:
    """The cost of a read: `size` is that of an item, or of all that a query reads for a page."""
    return max(1, math.ceil(size / _READ_BYTES)) * (2.0 if transaction else 1.0 if consistent else 0.5)

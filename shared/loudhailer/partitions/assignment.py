"""Assign new connections, or members of a channel, to partitions.

An audience's connections are spread over partitions, so that a broadcast reads them in parallel and no partition is
written to faster than DynamoDB allows. The emptier of two random partitions is nearly as good as the emptiest of all,
and does not send every environment to the same one.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from math import ceil
from random import Random
from threading import Lock

from loudhailer.errors import TransientError
from loudhailer.ids import AudienceKey, Partition, audience_of, nth_partition
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore

_CACHE_SECONDS = 2
_JITTER = 0.25
"""Random share of the cache's lifetime, so that environments that start together do not read together: a large
audience's key would be read by hundreds, and DynamoDB reads 3,000 units a second of a key. For the same reason reads
need not be consistent: the counts are late by a second anyway, and opening an existing partition does nothing."""

_GROWTH = 0.25

_MOST_REMEMBERED = 1_000
"""Audiences that an environment remembers; the one that was read first is forgotten, and read again when needed."""


@dataclass(slots=True)
class _Partitions:
    """An audience's partitions as this environment knows them.

    Attributes:
        stale_at: time at which they are read again.
        known: all partitions, with the counts that were read.
        counts: partitions in use, with the counts plus this environment's assignments since.
        retired: partitions to which nothing is assigned, because they stayed empty.
    """

    stale_at: float
    known: dict[Partition, int]
    counts: dict[Partition, int]
    retired: set[Partition]


class PartitionAssigner:
    """Assigns partitions of at most `capacity` connections, while there are at most `maximum` partitions.

    The executor opens partitions in parallel. The caller of `assign` runs in another one: a pool whose threads all wait
    for their own pool never ends.
    """

    def __init__(
        self,
        store: PartitionStore,
        *,
        executor: Executor,
        capacity: int,
        maximum: int,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._executor = executor
        self._capacity = capacity
        self._maximum = maximum
        self._clock = clock
        self._random = random
        self._audiences: dict[AudienceKey, _Partitions] = {}
        self._lock = Lock()

    def is_new(self, audience: AudienceKey) -> bool:
        """Tell whether the audience has no partition yet."""
        partitions = self._partitions_of(audience)
        return not partitions.known and not partitions.counts

    def assign(self, audience: AudienceKey) -> Partition:
        """Return the partition for a new connection of the audience; its row exists.

        Raises:
            TransientError: the partitions cannot be read, or the first one cannot be opened.
        """
        partitions = self._partitions_of(audience)
        counts = partitions.counts
        if sum(counts.values()) * 2 >= len(counts) * self._capacity:
            self._open_more(audience, partitions)
        if not counts:
            counts.update(partitions.known)
        candidates = list(counts)
        chosen = min(self._random.sample(candidates, min(2, len(candidates))), key=counts.__getitem__)
        counts[chosen] += 1
        return chosen

    def reopen(self, partition: Partition) -> None:
        """Have the row of a partition exist and not be retired, for a connection that was assigned to it before."""
        partitions = self._partitions_of(audience_of(partition))
        if partition in partitions.retired or partition not in partitions.known.keys() | partitions.counts.keys():
            # In this order: `reconcile` may remove a retired row at any time, and none that is reinstated.
            self._store.reinstate(partition)
            self._store.open(partition)

    def _partitions_of(self, audience: AudienceKey) -> _Partitions:
        now = self._clock()
        cached = self._audiences.get(audience)
        if cached is None or now >= cached.stale_at:
            rows = self._store.of(audience, consistent=False)
            cached = _Partitions(
                stale_at=now + _CACHE_SECONDS * self._random.uniform(1 - _JITTER, 1 + _JITTER),
                known={row.partition: row.count for row in rows},
                counts={row.partition: row.count for row in rows if row.retired_at is None and not row.recount},
                retired={row.partition for row in rows if row.retired_at is not None},
            )
            with self._lock:
                self._audiences.pop(audience, None)
                if len(self._audiences) >= _MOST_REMEMBERED:
                    del self._audiences[next(iter(self._audiences))]
                self._audiences[audience] = cached
        return cached

    def _open_more(self, audience: AudienceKey, partitions: _Partitions) -> None:
        """Open a quarter more partitions, early and together, so that a storm does not fill one new partition."""
        taken = partitions.known.keys() | partitions.counts.keys()
        wanted = min(max(1, ceil(len(taken) * _GROWTH)), self._maximum - len(taken))
        if wanted <= 0:
            return
        free = (nth_partition(audience, number) for number in range(self._maximum))
        opened = [partition for partition in free if partition not in taken][:wanted]
        try:
            list(self._executor.map(self._store.open, opened))
        except TransientError:
            if not taken:
                raise
            logger.exception("no more partitions could be opened; the existing ones are used", audience=audience)
            return
        partitions.counts.update(dict.fromkeys(opened, 0))
        count("PartitionOpened", len(opened))

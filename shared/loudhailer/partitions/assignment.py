"""Assign new connections to partitions.

A tenant's connections are spread over partitions, so that a broadcast reads them in parallel and no partition is
written to faster than DynamoDB allows. The emptier of two random partitions is nearly as good as the emptiest of all,
and does not send every environment to the same one.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from math import ceil
from random import Random

from loudhailer.errors import TransientError
from loudhailer.ids import Partition, TenantId, nth_partition
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore

_CACHE_SECONDS = 2
_JITTER = 0.25
"""Random share of the cache's lifetime, so that environments that start together do not read together: a large tenant's
key would be read by hundreds, and DynamoDB reads 3,000 units a second of a key. For the same reason reads need not be
consistent: the counts are late by a second anyway, and opening an existing partition does nothing."""

_GROWTH = 0.25


@dataclass(slots=True)
class _Partitions:
    """A tenant's partitions as this environment knows them.

    Attributes:
        stale_at: time at which they are read again.
        known: all partitions, with the counts that were read.
        counts: partitions in use, with the counts plus this environment's assignments since.
    """

    stale_at: float
    known: dict[Partition, int]
    counts: dict[Partition, int]


class PartitionAssigner:
    """Assigns partitions of at most `capacity` connections, while there are at most `maximum` partitions.

    The executor opens partitions in parallel.
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
        self._tenants: dict[TenantId, _Partitions] = {}

    def assign(self, tenant: TenantId) -> Partition:
        """Return the partition for a new connection of the tenant; its row exists.

        Raises:
            TransientError: the partitions cannot be read, or the first one cannot be opened.
        """
        partitions = self._partitions_of(tenant)
        counts = partitions.counts
        if sum(counts.values()) * 2 >= len(counts) * self._capacity:
            self._open_more(tenant, partitions)
        if not counts:
            counts.update(partitions.known)
        candidates = list(counts)
        chosen = min(self._random.sample(candidates, min(2, len(candidates))), key=counts.__getitem__)
        counts[chosen] += 1
        return chosen

    def _partitions_of(self, tenant: TenantId) -> _Partitions:
        now = self._clock()
        cached = self._tenants.get(tenant)
        if cached is None or now >= cached.stale_at:
            rows = self._store.of_tenant(tenant, consistent=False)
            cached = _Partitions(
                stale_at=now + _CACHE_SECONDS * self._random.uniform(1 - _JITTER, 1 + _JITTER),
                known={row.partition: row.count for row in rows},
                counts={row.partition: row.count for row in rows if row.retired_at is None and not row.recount},
            )
            self._tenants[tenant] = cached
        return cached

    def _open_more(self, tenant: TenantId, partitions: _Partitions) -> None:
        """Open a quarter more partitions, early and together, so that a storm does not fill one new partition."""
        taken = partitions.known.keys() | partitions.counts.keys()
        wanted = min(max(1, ceil(len(taken) * _GROWTH)), self._maximum - len(taken))
        if wanted <= 0:
            return
        free = (nth_partition(tenant, number) for number in range(self._maximum))
        opened = [partition for partition in free if partition not in taken][:wanted]
        try:
            list(self._executor.map(self._store.open, opened))
        except TransientError:
            if not taken:
                raise
            logger.exception("no more partitions could be opened; the existing ones are used", tenant_id=tenant)
            return
        partitions.counts.update(dict.fromkeys(opened, 0))
        count("PartitionOpened", len(opened))

"""What has expired is deleted, and what crashes and lost records left wrong is repaired, a little every minute.

Each step stands alone: one that fails is logged and counted, the others go on, and the run fails at its end. All writes
are conditional on what was read, so that two runs at once, or one that is cut short, do no harm.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from zlib import crc32

from functions.reconcile.port import FailureQueue
from loudhailer.connections.model import PartitionCount, Sample
from loudhailer.connections.port import ConnectionStore, PartitionStore
from loudhailer.errors import TransientError
from loudhailer.ids import TenantId, number_of, tenant_of
from loudhailer.observability import count, logger
from loudhailer.tenancy.model import TotalSample
from loudhailer.tenancy.port import LimitStore, SessionStore, TenantStore

_SWEEP_MINUTES = 60
"""Within how many runs each partition is swept once, where there are more partitions than that."""

_APART_SECONDS = 50
"""How far two samples must be apart, so that what was on its way at the first is counted at the second."""

_IDLE_SECONDS = 600
_RETIRED_SECONDS = 300
"""How long a retired partition stays: longer than an authorizer's cache and a handshake together."""

_SAMPLES = 4
"""Samples of a tenant's total: the excess must be certain in the three minutes between them."""


@dataclass(frozen=True)
class _Run:
    """One run: its time, when it must be over, and the partitions as they were when it first asked for them."""

    now: int
    ends: float
    clock: Callable[[], float]
    store: PartitionStore

    @cached_property
    def partitions(self) -> list[PartitionCount]:
        """All partitions, in the order of their keys."""
        return sorted(self.store.everywhere(), key=lambda row: row.partition)

    def while_time[T](self, items: Iterable[T]) -> Iterator[T]:
        """The items, until the time is over."""
        for item in items:
            if self.clock() >= self.ends:
                count("ReconcileCutShort")
                logger.warning("the time is over; the rest is left to the next run")
                return
            yield item


class Reconcile:
    """Does one minute's work."""

    def __init__(
        self,
        *,
        tenants: TenantStore,
        sessions: SessionStore,
        connections: ConnectionStore,
        partitions: PartitionStore,
        limits: LimitStore,
        failures: FailureQueue,
        clock: Callable[[], float],
    ) -> None:
        self._tenants = tenants
        self._sessions = sessions
        self._connections = connections
        self._partitions = partitions
        self._limits = limits
        self._failures = failures
        self._clock = clock
        self._steps: tuple[Callable[[_Run], None], ...] = (
            self.take_up_failures,
            self.recount,
            self.repair_totals,
            self.retire_partitions,
            self.delete_expired_sessions,
            self.delete_expired_connections,
            self.measure,
        )

    def __call__(self, ends: float) -> None:
        """Does every step, until the time `ends`, in epoch seconds.

        Raises:
            TransientError: some steps failed; the text names them.
        """
        run = _Run(int(self._clock()), ends, self._clock, self._partitions)
        failed: list[str] = []
        for step in self._steps:
            try:
                step(run)
            except Exception:  # noqa: BLE001  # whatever it is, the other steps go on
                count("ReconcileStepFailed")
                logger.exception("step failed", step=step.__name__)
                failed.append(step.__name__)
        if failed:
            raise TransientError(f"steps failed: {', '.join(failed)}")

    def take_up_failures(self, run: _Run) -> None:
        """Marks every partition for a recount if `accounting` gave changes up: which ones, the queue does not say."""
        marked = False
        while self._clock() < run.ends and (receipts := self._failures.receive()):
            if not marked:
                for row in run.partitions:
                    self._partitions.mark_for_recount(row.partition)
                count("AccountingGaveUp")
                logger.error("changes were given up; every partition is counted again", partitions=len(run.partitions))
                marked = True
            self._failures.delete(receipts)

    def recount(self, run: _Run) -> None:
        """Repairs the counts that are marked, and marks those that cannot be right.

        A count of the rows may include some whose records are still to come. It is exact if no record came between two
        runs; until then it is taken anew.
        """
        for row in run.while_time(run.partitions):
            if row.count < 0 and not row.recount:
                self._partitions.mark_for_recount(row.partition)
            elif row.recount:
                self._recount(row, run.now)

    def _recount(self, row: PartitionCount, now: int) -> None:
        sample = row.sample
        if sample is None or sample.checkpoint != row.checkpoint:
            rows = self._connections.size(row.partition)
            self._partitions.keep_sample(row.partition, Sample(rows, row.checkpoint, now))
        elif now - sample.at >= _APART_SECONDS and self._partitions.correct(row.partition, sample):
            count("PartitionRecounted")
            logger.info("count repaired", partition=row.partition, counted=row.count, repaired=sample.count)

    def repair_totals(self, run: _Run) -> None:
        """Takes off the tenants' totals what was certainly too much in three minutes running."""
        counts: Counter[TenantId] = Counter()
        changes: Counter[TenantId] = Counter()
        partitions: Counter[TenantId] = Counter()
        for row in run.partitions:
            tenant_id = tenant_of(row.partition)
            counts[tenant_id] += row.count
            changes[tenant_id] += row.changes
            partitions[tenant_id] += 1
        for tenant in run.while_time(self._tenants.everyone()):
            key = tenant.tenant_id
            total = self._limits.total(key)
            if total.samples and run.now - total.samples[-1].at < _APART_SECONDS:
                continue
            seen = TotalSample(total.count - counts[key], partitions[key], changes[key], run.now)
            samples = (*total.samples, seen)[-_SAMPLES:] if seen.excess > 0 else ()
            excess = _certain_excess(samples)
            if excess > 0 and self._limits.take_off(key, excess):
                count("TotalRepaired", excess)
                logger.warning("total was too high", tenant_id=key, total=total.count, excess=excess)
            elif samples != total.samples:
                self._limits.keep_samples(key, samples)

    def retire_partitions(self, run: _Run) -> None:
        """Deletes partitions that stay empty, a tenant's first excepted.

        First it is marked, so that authorizers assign nothing to it any more; it goes when they all must know that, and
        those that were assigned before are seen.
        """
        for row in run.while_time(run.partitions):
            if row.retired_at is not None:
                self._part_with(row, run.now)
            elif row.count == 0 and not row.recount and number_of(row.partition) > 0:
                self._watch(row, run.now)

    def _watch(self, row: PartitionCount, now: int) -> None:
        sample = row.sample
        if sample is None or sample.checkpoint != row.checkpoint:
            self._partitions.keep_sample(row.partition, Sample(0, row.checkpoint, now))
        elif now - sample.at >= _IDLE_SECONDS and self._partitions.retire(
            row.partition, checkpoint=row.checkpoint, at=now
        ):
            count("PartitionRetired")

    def _part_with(self, row: PartitionCount, now: int) -> None:
        if row.count != 0:
            self._partitions.reinstate(row.partition)
        elif self._connections.size(row.partition) > 0:
            self._partitions.reinstate(row.partition)
            self._partitions.mark_for_recount(row.partition)
        elif now - (row.retired_at or now) >= _RETIRED_SECONDS and self._partitions.remove(
            row.partition, checkpoint=row.checkpoint
        ):
            count("PartitionRemoved")

    def delete_expired_sessions(self, run: _Run) -> None:
        """Deletes the sessions whose time is over; TTL would, but hours later."""
        expired = run.while_time(self._sessions.expired(run.now))
        deleted = sum(self._sessions.delete_if_expired(tenant, session, run.now) for tenant, session in expired)
        count("ExpiredSessionDeleted", deleted)

    def delete_expired_connections(self, run: _Run) -> None:
        """Deletes the connections whose `$disconnect` was lost; each partition is swept at least once an hour."""
        minute = run.now // 60 % _SWEEP_MINUTES
        due = [
            row.partition
            for row in run.partitions
            if len(run.partitions) <= _SWEEP_MINUTES or crc32(row.partition.encode()) % _SWEEP_MINUTES == minute
        ]
        deleted = 0
        for partition in run.while_time(due):
            for key in run.while_time(self._connections.expired(partition, run.now)):
                deleted += self._connections.delete_if_expired(key, run.now)
        count("ExpiredConnectionDeleted", deleted)

    def measure(self, run: _Run) -> None:
        """Tells how many connections and partitions there are."""
        count("Connections", sum(row.count for row in run.partitions))
        count("Partitions", len(run.partitions))
        count("PartitionsInDoubt", sum(row.recount for row in run.partitions))


def _certain_excess(samples: tuple[TotalSample, ...]) -> int:
    """By how much a total was too high all the time that the samples cover; 0 if they say nothing yet.

    A connection is reserved before it is counted, so a total is rightly ahead of the counts by those on their way. They
    are counted before the next sample: no more were on their way than changes were counted in between.
    """
    certain = [
        earlier.excess - (later.changes - earlier.changes) if earlier.partitions == later.partitions else 0
        for earlier, later in pairwise(samples)
    ]
    return min(certain) if len(certain) == _SAMPLES - 1 else 0

"""What has expired is deleted, and what crashes and lost records left wrong is repaired, a little every minute.

Each step stands alone, and each tenant, partition and session within it: one that fails is logged and counted, the
others go on, and the run fails at its end. All writes are conditional on what was read, so that two runs at once, or
one that is cut short, do no harm. Each step has its time and begins at another place each minute, so that what one run
leaves over comes first in another.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from zlib import crc32

from functions.reconcile.port import FailureQueue
from loudhailer.connections.model import PartitionCount, Sample
from loudhailer.connections.port import ConnectionStore, PartitionStore
from loudhailer.errors import TransientError
from loudhailer.ids import Partition, TenantId, number_of, tenant_of
from loudhailer.observability import count, logger
from loudhailer.tenancy.model import Tenant, TenantTotal, TotalSample
from loudhailer.tenancy.port import LimitStore, SessionStore, TenantStore

SETTLED_SECONDS = 3_900
"""How long a checkpoint must stand still until nothing can be on its way that was when it came to rest: the mapping of
`accounting` gives a record up when it is an hour old, and that marks the partition. The rest is for the telling."""

_SWEEP_MINUTES = 60
"""Within how many runs each partition is swept once, where there are more partitions than that."""

_APART_SECONDS = 50
"""How far two samples of a total must be apart."""

_COUNTED_SECONDS = 3.0
"""Within how long a change is counted where `accounting` keeps up."""

_IDLE_SECONDS = 600
_RETIRED_SECONDS = 300
"""How long a retired partition stays: longer than an authorizer's cache and a handshake together."""

_SAMPLES = 4
"""Samples of a tenant's total: the excess must be certain in the three minutes between them."""

_SAMPLES_BELOW = 2
"""Samples of a total that is lower than the counts, before its rows are read."""

_SHARE = 0.1
"""Of a run's time, what is kept for each of the steps that follow."""

_GOLDEN_RATIO = 0.618_033_988_75
"""Multiples of it, less their whole part, spread evenly from the first few on."""


@dataclass
class _Run:
    """One run: its time, when its present step must be over, and the partitions as far as it knows."""

    now: int
    ends: float
    clock: Callable[[], float]
    store: PartitionStore

    @cached_property
    def partitions(self) -> dict[Partition, PartitionCount]:
        """All partitions in the order of their keys, as they were when first read, and as this run changed them."""
        return {row.partition: row for row in sorted(self.store.everywhere(), key=lambda row: row.partition)}

    def is_over(self) -> bool:
        """Whether the step's time is over."""
        return self.clock() >= self.ends

    def while_time[T](self, items: Iterable[T]) -> Iterator[T]:
        """The items, until the time is over."""
        for item in items:
            if self.is_over():
                count("ReconcileCutShort")
                logger.warning("the time is over; the rest is left to other runs")
                return
            yield item

    def in_turn[T](self, items: Iterable[T]) -> Iterator[T]:
        """All of the items, each minute from another place on, until the time is over."""
        found = list(items)
        first = int(self.now // 60 * _GOLDEN_RATIO % 1 * len(found))
        return self.while_time(found[first:] + found[:first])


@dataclass(frozen=True)
class _Suspect:
    """A total that seems too high, and what there is in truth.

    Read in this order: the partitions' counts, the total, the rows. Who is reserved in the total has a row by then, and
    who has left since is still in the counts, so that neither makes the total seem too high.
    """

    tenant_id: TenantId
    counts: Sequence[PartitionCount]
    total: TenantTotal
    samples: tuple[TotalSample, ...]
    sizes: Mapping[Partition, int]

    def excess(self, later: Mapping[Partition, PartitionCount]) -> int:
        """How much can be taken off, if a while later the partitions are these; 0 or less for nothing.

        A row that is not counted yet is reserved, and one that is gone and still counted will be released: a partition
        takes the higher one of both. Where they differ and nothing has moved a while later, `accounting` stands still,
        and nothing is taken off. It is not seen to if as many came as went in every partition, and nobody for three
        minutes since.
        """
        if self.sizes.keys() != later.keys():
            return 0
        for row in self.counts:
            then = later[row.partition]
            if then.recount or (then.checkpoint == row.checkpoint and self.sizes[row.partition] != row.count):
                return 0
        taken = sum(max(row.count, self.sizes[row.partition]) for row in self.counts)
        return min(_certain_excess(self.samples), self.total.count - taken)


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
        pause: Callable[[float], None],
    ) -> None:
        self._tenants = tenants
        self._sessions = sessions
        self._connections = connections
        self._partitions = partitions
        self._limits = limits
        self._failures = failures
        self._clock = clock
        self._pause = pause
        self._steps: tuple[Callable[[_Run], None], ...] = (
            self.delete_expired_sessions,
            self.sweep_partitions,
            self.take_up_failures,
            self.recount,
            self.repair_totals,
            self.retire_partitions,
            self.measure,
        )

    def __call__(self, ends: float) -> None:
        """Does every step, until the time `ends`, in epoch seconds.

        Raises:
            TransientError: some steps failed; the text names them.
        """
        started = self._clock()
        run = _Run(int(started), ends, self._clock, self._partitions)
        failed: list[str] = []
        for following, step in zip(reversed(range(len(self._steps))), self._steps, strict=True):
            run.ends = ends - following * _SHARE * (ends - started)
            try:
                step(run)
            except Exception:  # noqa: BLE001  # whatever it is, the other steps go on
                count("ReconcileStepFailed")
                logger.exception("step failed", step=step.__name__)
                failed.append(step.__name__)
        if failed:
            raise TransientError(f"steps failed: {', '.join(failed)}")

    def delete_expired_sessions(self, run: _Run) -> None:
        """Deletes the sessions whose time is over; TTL would, but hours later."""
        pages = run.while_time(self._sessions.expired(run.now))
        _each(
            (expired for page in pages for expired in run.while_time(page)),
            lambda expired: self._sessions.delete_if_expired(*expired, run.now),
            tell=lambda deleted: count("ExpiredSessionDeleted", deleted),
        )

    def sweep_partitions(self, run: _Run) -> None:
        """Deletes the connections whose `$disconnect` was lost, and compares the counts with the rows.

        Each partition is swept once an hour, or every minute if there are few.
        """
        minute = run.now // 60 % _SWEEP_MINUTES
        due = [
            row
            for row in run.partitions.values()
            if len(run.partitions) <= _SWEEP_MINUTES or crc32(row.partition.encode()) % _SWEEP_MINUTES == minute
        ]
        _each(
            run.in_turn(due),
            partial(self._sweep, run),
            tell=lambda deleted: count("ExpiredConnectionDeleted", deleted),
        )

    def _sweep(self, run: _Run, row: PartitionCount) -> int:
        size, expired = self._connections.size_and_expired(row.partition, run.now)
        if not row.recount:
            self._compare(run, row, size)
        return sum(self._connections.delete_if_expired(key, run.now) for key in run.while_time(expired))

    def _compare(self, run: _Run, row: PartitionCount, size: int) -> None:
        """Notes that a count and its rows differ, and corrects it if its checkpoint has stood still since."""
        sample = row.sample
        differed = sample is not None and sample.checkpoint == row.checkpoint and sample.count != row.count
        if differed != (size != row.count):
            self._keep_sample(run, row, size)
        elif differed:
            self._correct_if_settled(run, row)

    def take_up_failures(self, run: _Run) -> None:
        """Marks every partition for a recount if `accounting` gave changes up: which ones, the queue does not say.

        The messages go when all are marked. If the time is over before, they come again, and what was marked since they
        were sent is not marked once more: that would have its recount begin anew.
        """
        marked: list[Partition] = []

        def mark(row: PartitionCount) -> None:
            self._partitions.mark_for_recount(row.partition)
            run.partitions[row.partition] = replace(row, recount=True, sample=None)
            marked.append(row.partition)

        while not run.is_over() and (failures := self._failures.receive()):
            last = max(failure.sent_at for failure in failures)
            old = [row for row in run.partitions.values() if not row.recount or (row.sample and row.sample.at <= last)]
            _each(run.while_time(old), mark)
            if run.is_over():
                break
            self._failures.delete(failures)
        if marked:
            count("AccountingGaveUp")
            logger.error("changes were given up; every partition is counted again", partitions=len(marked))

    def recount(self, run: _Run) -> None:
        """Repairs the counts that are marked, and marks those that cannot be right.

        Rows may be counted whose records are still to come, or no longer be there: the number of rows is the count only
        when whatever was on its way at that time is counted or given up.
        """
        _each(run.in_turn(run.partitions.values()), partial(self._recount, run))

    def _recount(self, run: _Run, row: PartitionCount) -> None:
        if row.count < 0 and not row.recount:
            self._partitions.mark_for_recount(row.partition)
        elif row.recount and (row.sample is None or row.sample.checkpoint != row.checkpoint):
            self._keep_sample(run, row, self._connections.size(row.partition))
        elif row.recount:
            self._correct_if_settled(run, row)

    def _keep_sample(self, run: _Run, row: PartitionCount, size: int) -> None:
        sample = Sample(size, row.checkpoint, run.now)
        if self._partitions.keep_sample(row.partition, sample, recount=row.recount):
            run.partitions[row.partition] = replace(row, sample=sample)

    def _correct_if_settled(self, run: _Run, row: PartitionCount) -> None:
        sample = row.sample
        if sample and run.now - sample.at >= SETTLED_SECONDS and self._partitions.correct(row.partition, sample):
            run.partitions[row.partition] = replace(row, count=sample.count, recount=False, sample=None)
            count("PartitionRecounted")
            logger.info("count repaired", partition=row.partition, counted=row.count, repaired=sample.count)

    def repair_totals(self, run: _Run) -> None:
        """Takes off the tenants' totals what was certainly too much in three minutes running, and has no row.

        A total that is lower than its tenant's rows is raised. The rows of a tenant are read only if its total seems to
        be wrong: that is a query for each of its partitions. A tenant with a count in doubt waits for its recount.
        """
        of_tenants = _by_tenant(run.partitions.values())
        suspects: list[_Suspect] = []

        def look_at(tenant: Tenant) -> None:
            key, counts = tenant.tenant_id, of_tenants[tenant.tenant_id]
            total = self._limits.total(key)
            if total.samples and run.now - total.samples[-1].at < _APART_SECONDS:
                return
            samples = _with_another(total, counts, run.now)
            if _certain_excess(samples) > 0:
                sizes = {row.partition: self._connections.size(row.partition) for row in run.while_time(counts)}
                suspects.append(_Suspect(key, counts, total, samples, sizes))
            elif _seems_too_low(samples):
                self._raise(key, counts, total.samples, samples)
            elif samples != total.samples:
                self._limits.keep_samples(key, samples)

        try:
            _each(run.in_turn(self._tenants.everyone()), look_at)
        finally:
            if suspects:
                self._pause(_COUNTED_SECONDS)
                later = _by_tenant(self._partitions.everywhere())
                _each(suspects, lambda suspect: self._lower(suspect, later[suspect.tenant_id]))

    def _lower(self, suspect: _Suspect, counts: Sequence[PartitionCount]) -> None:
        key, total = suspect.tenant_id, suspect.total
        excess = suspect.excess({row.partition: row for row in counts})
        if excess <= 0:
            self._limits.keep_samples(key, suspect.samples)
        elif self._limits.repair(key, -excess, seen=total.samples):
            count("TotalRepaired", excess)
            logger.warning("total was too high", tenant_id=key, total=total.count, excess=excess)

    def _raise(
        self,
        key: TenantId,
        counts: Sequence[PartitionCount],
        seen: Sequence[TotalSample],
        samples: Sequence[TotalSample],
    ) -> None:
        """Adds what is missing in a total to it, if anything is.

        A row is reserved before it is put, and released after it is gone: each row that is found was reserved when the
        total was first read, or has been since. Whatever comes and goes meanwhile, more rows than that are missing.
        """
        before = self._limits.total(key)
        rows = sum(self._connections.size(row.partition) for row in counts)
        missing = rows - before.count - (self._limits.total(key).reserved - before.reserved)
        if missing <= 0:
            self._limits.keep_samples(key, samples)
        elif self._limits.repair(key, missing, seen=seen):
            count("TotalRaised", missing)
            logger.warning("total was too low", tenant_id=key, total=before.count, missing=missing)

    def retire_partitions(self, run: _Run) -> None:
        """Deletes partitions that stay empty, a tenant's first excepted.

        First it is marked, so that authorizers assign nothing to it any more. It goes when they all must know that,
        when those that were assigned before are seen, and when no change of it can come again: its checkpoint goes with
        it, and the same partition, opened anew, would count its past.
        """
        _each(run.in_turn(run.partitions.values()), partial(self._retire, run))

    def _retire(self, run: _Run, row: PartitionCount) -> None:
        if row.retired_at is not None:
            self._part_with(run, row, row.retired_at)
        elif row.count == 0 and not row.recount and number_of(row.partition) > 0:
            self._watch(run, row)

    def _watch(self, run: _Run, row: PartitionCount) -> None:
        sample = row.sample
        if sample is None or sample.checkpoint != row.checkpoint:
            self._keep_sample(run, row, 0)
        elif (
            sample.count == 0
            and run.now - sample.at >= _IDLE_SECONDS
            and self._partitions.retire(row.partition, checkpoint=row.checkpoint, at=run.now)
        ):
            count("PartitionRetired")

    def _part_with(self, run: _Run, row: PartitionCount, retired_at: int) -> None:
        sample = row.sample
        if row.count != 0:
            self._partitions.reinstate(row.partition)
        elif self._connections.size(row.partition) > 0:
            self._partitions.reinstate(row.partition)
            self._partitions.mark_for_recount(row.partition)
        elif sample is None or sample.checkpoint != row.checkpoint:
            self._keep_sample(run, row, 0)
        elif (
            run.now - retired_at >= _RETIRED_SECONDS
            and run.now - sample.at >= SETTLED_SECONDS
            and self._partitions.remove(row.partition, checkpoint=row.checkpoint)
        ):
            count("PartitionRemoved")

    def measure(self, run: _Run) -> None:
        """Tells how many connections and partitions there are."""
        rows = run.partitions.values()
        count("Connections", sum(row.count for row in rows))
        count("Partitions", len(rows))
        count("PartitionsInDoubt", sum(row.recount for row in rows))


def _each[T](
    items: Iterable[T], work: Callable[[T], int | None], *, tell: Callable[[int], None] = lambda _: None
) -> None:
    """Does the work for each of the items; one that fails does not stop the others.

    Args:
        items: what there is to do.
        work: does one of them, and returns how many things it has changed.
        tell: is told how many things were changed in all.

    Raises:
        TransientError: some failed; the log has the first one's error.
    """
    failed = changed = 0
    for item in items:
        try:
            changed += work(item) or 0
        except Exception:  # noqa: BLE001  # whatever it is, the other items go on
            count("ReconcileItemFailed")
            if not failed:
                logger.exception("item failed, and perhaps others after it", item=str(item))
            failed += 1
    tell(changed)
    if failed:
        raise TransientError(f"{failed} failed")


def _by_tenant(rows: Iterable[PartitionCount]) -> defaultdict[TenantId, list[PartitionCount]]:
    found: defaultdict[TenantId, list[PartitionCount]] = defaultdict(list)
    for row in rows:
        found[tenant_of(row.partition)].append(row)
    return found


def _with_another(total: TenantTotal, counts: Sequence[PartitionCount], now: int) -> tuple[TotalSample, ...]:
    """The total's samples with one of now; none if it agrees with the counts, or one of these may be wrong."""
    excess = total.count - sum(row.count for row in counts)
    if excess == 0 or any(row.recount or row.count < 0 for row in counts):
        return ()
    seen = TotalSample(excess, len(counts), sum(row.changes for row in counts), total.reserved, now)
    alike = [sample for sample in total.samples if (sample.excess > 0) == (excess > 0)]
    return (*alike, seen)[-_SAMPLES:]


def _seems_too_low(samples: tuple[TotalSample, ...]) -> bool:
    """Tell whether the total was lower than the counts at each of the samples, and there are enough of them."""
    return len(samples) >= _SAMPLES_BELOW and samples[-1].excess < 0


def _certain_excess(samples: tuple[TotalSample, ...]) -> int:
    """By how much a total was too high all the time that the samples cover; 0 if they say nothing yet.

    A connection is reserved before it is counted, so a total is rightly ahead of the counts by those on their way. If
    `accounting` keeps up, those of one sample are counted or given up before the next: no more are on their way than
    were reserved in between, or counted. A minute in which some were reserved and nothing was counted says nothing.
    """
    if len(samples) < _SAMPLES:
        return 0
    certain = []
    for earlier, later in pairwise(samples):
        counted, reserved = later.changes - earlier.changes, later.reserved - earlier.reserved
        if earlier.partitions != later.partitions or (counted == 0 and (reserved or earlier.excess != later.excess)):
            return 0
        certain.append(min(earlier.excess - counted, later.excess - reserved))
    return min(certain)

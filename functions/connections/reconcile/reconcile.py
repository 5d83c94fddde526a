"""Delete expired rows, and repair counts after crashes and lost stream records, a little every minute.

The steps are independent of each other, and so are the tenants, partitions and sessions within a step. A failure is
logged and counted, the rest continues, and the run fails at its end. All writes are conditional on the values that were
read, so concurrent or interrupted runs do no harm. Each step has a time limit and starts at a different place each
minute, so that every item is reached by some run.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import override
from zlib import crc32

from functions.connections.reconcile.port import Failure, FailureQueue
from functions.connections.reconcile.run import ROUND_MINUTES, Run
from functions.connections.reconcile.totals import Totals
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.errors import TransientError
from loudhailer.ids import Partition, TenantId, is_of_channel, number_of, tenant_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.partitions.port import PartitionStore
from loudhailer.sessions.port import SessionStore
from loudhailer.tenants.model import Tenant
from loudhailer.tenants.port import TenantStore

QUIET_SECONDS = 3_900
"""Seconds without a new checkpoint after which no earlier stream record can still arrive. The mapping of `accounting`
gives a record up after an hour, and then the partition is marked; the other five minutes are for the delivery of that
notice. A probe would not shorten the wait: it moves the checkpoint itself, and a batch may be repeated after its probe
was noted."""

_MOST_AT_ONCE = 1_000
"""Partitions of channels above which a run reads a segment: clients make their names."""

_KEPT_SECONDS = 2 * ROUND_MINUTES * 60
"""Age at which a notice is deleted if runs read segments: each segment was read twice since, and marked."""

_IDLE_SECONDS = 600
_RETIRED_SECONDS = 300
"""Seconds before a retired partition is removed: longer than an authorizer's cache and a handshake together."""

_SHARE = 0.1
"""Share of a run's time that is reserved for each of the following steps."""


class ReconcileCounts:
    """Does one minute's work for the members of channels: sweeps, recounts and retires their partitions."""

    _most: int | None = _MOST_AT_ONCE

    def __init__(
        self,
        *,
        connections: ConnectionStore,
        partitions: PartitionStore,
        failures: FailureQueue,
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._partitions = partitions
        self._failures = failures
        self._clock = clock
        self._steps: tuple[Callable[[Run], None], ...] = (
            self.sweep_partitions,
            self.take_up_failures,
            self.recount,
            self.retire_partitions,
            self.measure,
        )

    def __call__(self, deadline: Deadline) -> None:
        """Do every step, until the deadline.

        Raises:
            TransientError: some steps failed; the text names them.
        """
        share = _SHARE * deadline.seconds_left
        run = Run(int(self._clock()), deadline, self._partitions, self._most)
        failed: list[str] = []
        for following, step in zip(reversed(range(len(self._steps))), self._steps, strict=True):
            run.deadline = deadline.earlier(following * share)
            try:
                step(run)
            except Exception:  # noqa: BLE001  # whatever it is, the other steps go on
                count("ReconcileStepFailed")
                logger.exception("step failed", step=step.__name__)
                failed.append(step.__name__)
        if failed:
            raise TransientError(f"steps failed: {', '.join(failed)}")

    def sweep_partitions(self, run: Run) -> None:
        """Delete the connections whose `$disconnect` was lost, and compare the counts with the rows.

        Each partition is swept once an hour, or every minute if there are few.
        """
        minute = run.now // 60 % ROUND_MINUTES
        is_due = len(run.partitions) <= ROUND_MINUTES or not run.is_whole
        due = [
            row for row in run.partitions.values() if is_due or crc32(row.partition.encode()) % ROUND_MINUTES == minute
        ]
        _each(
            run.in_turn(due),
            partial(self._sweep, run),
            report=lambda deleted: count("ExpiredConnectionDeleted", deleted),
        )

    def _sweep(self, run: Run, row: PartitionCount) -> int:
        size, expired = self._connections.size_and_expired(row.partition, run.now)
        if not row.recount:
            self._compare(run, row, size)
        return sum(self._connections.delete_if_expired(key, run.now) for key in run.while_time(expired))

    def _compare(self, run: Run, row: PartitionCount, size: int) -> None:
        """Note that a count differs from its rows; correct it if its checkpoint has not moved since."""
        sample = row.sample
        differed = sample is not None and sample.checkpoint == row.checkpoint and sample.count != row.count
        if differed != (size != row.count):
            self._keep_sample(run, row, size)
        elif differed:
            self._correct_if_quiet(run, row)

    def take_up_failures(self, run: Run) -> None:
        """Mark every partition for a recount if `accounting` gave up changes: the queue does not say which partitions.

        The messages are deleted when all partitions are marked. If time runs out before, they are delivered again. So
        they are if the run has read a segment only, until every segment was marked.
        Partitions that were marked after the messages were sent are not marked again, since that would restart their
        recount.
        """
        marked: list[Partition] = []
        waiting: set[Failure] = set()

        def mark(row: PartitionCount) -> None:
            self._partitions.mark_for_recount(row.partition)
            run.partitions[row.partition] = replace(row, recount=True, sample=None)
            marked.append(row.partition)

        while not run.is_over() and (failures := set(self._failures.receive()) - waiting):
            last = max(failure.sent_at for failure in failures)
            old = [row for row in run.partitions.values() if not row.recount or (row.sample and row.sample.at <= last)]
            _each(run.while_time(old), mark)
            if run.is_over():
                break
            done = [one for one in failures if run.is_whole or one.sent_at <= run.now - _KEPT_SECONDS]
            waiting |= failures.difference(done)
            if done:
                self._failures.delete(done)
        if marked:
            count("AccountingGaveUp")
            logger.error("changes were given up; every partition is counted again", partitions=len(marked))

    def recount(self, run: Run) -> None:
        """Repair the marked counts, and mark counts that cannot be right.

        A counted row's stream record may still be on its way, and so may the record of a deleted row. So the number of
        rows is the count only when every record of that time has been counted or given up.
        """
        _each(run.in_turn(run.partitions.values()), partial(self._recount, run))

    def _recount(self, run: Run, row: PartitionCount) -> None:
        if row.count < 0 and not row.recount:
            self._partitions.mark_for_recount(row.partition)
        elif row.recount and (row.sample is None or row.sample.checkpoint != row.checkpoint):
            self._keep_sample(run, row, self._connections.size(row.partition))
        elif row.recount:
            self._correct_if_quiet(run, row)

    def _keep_sample(self, run: Run, row: PartitionCount, size: int) -> None:
        sample = Sample(size, row.checkpoint, run.now)
        if self._partitions.keep_sample(row.partition, sample, recount=row.recount):
            run.partitions[row.partition] = replace(row, sample=sample)

    def _correct_if_quiet(self, run: Run, row: PartitionCount) -> None:
        sample = row.sample
        if sample and run.now - sample.at >= QUIET_SECONDS and self._partitions.correct(row.partition, sample):
            run.partitions[row.partition] = replace(row, count=sample.count, recount=False, sample=None)
            count("PartitionRecounted")
            logger.info("count repaired", partition=row.partition, counted=row.count, repaired=sample.count)

    def retire_partitions(self, run: Run) -> None:
        """Delete partitions that stay empty, except the first one of a tenant's connections.

        The partition is marked first, so that authorizers stop assigning it. It is deleted when all authorizers must
        have seen the mark, all earlier assignments have arrived, and no further stream record can come: its checkpoint
        is deleted with it, and the same partition, opened again, would count old records twice.
        """
        _each(run.in_turn(run.partitions.values()), partial(self._retire, run))

    def _retire(self, run: Run, row: PartitionCount) -> None:
        sample = row.sample
        is_kept = number_of(row.partition) == 0 and not is_of_channel(row.partition)
        if row.recount or (row.retired_at is None and is_kept):
            return
        if row.count != 0:
            if row.retired_at is not None:
                self._partitions.reinstate(row.partition)
        elif sample is None or sample.checkpoint != row.checkpoint:
            self._keep_sample(run, row, 0)
        elif sample.count == 0:
            self._retire_or_remove(run, row, idle=run.now - sample.at)

    def _retire_or_remove(self, run: Run, row: PartitionCount, *, idle: int) -> None:
        """Retire a partition that has been idle for so many seconds, or remove it if it is retired."""
        if row.retired_at is None:
            if idle >= _IDLE_SECONDS and self._partitions.retire(row.partition, checkpoint=row.checkpoint, at=run.now):
                count("PartitionRetired")
        elif idle >= QUIET_SECONDS and run.now - row.retired_at >= _RETIRED_SECONDS:
            if self._connections.size(row.partition) > 0:
                self._partitions.reinstate(row.partition)
                self._partitions.mark_for_recount(row.partition)
            elif self._partitions.remove(row.partition, checkpoint=row.checkpoint):
                count("PartitionRemoved")

    def measure(self, run: Run) -> None:
        """Emit the numbers of members and partitions as metrics, if the run has read all."""
        if not run.is_whole:
            return
        rows = run.partitions.values()
        count("Members", sum(row.count for row in rows))
        count("MemberPartitions", len(rows))
        count("MemberPartitionsInDoubt", sum(row.recount for row in rows))


class Reconcile(ReconcileCounts):
    """Does one minute's work for the connections: it also ends sessions, and repairs the tenants' totals.

    A total is compared with all partitions of its tenant, so each run reads all.
    """

    _most = None

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
        super().__init__(connections=connections, partitions=partitions, failures=failures, clock=clock)
        self._tenants = tenants
        self._sessions = sessions
        self._totals = Totals(connections, partitions, limits)
        self._steps = (
            self.delete_expired_sessions,
            self.sweep_partitions,
            self.take_up_failures,
            self.recount,
            self.repair_totals,
            self.retire_partitions,
            self.measure,
        )

    def delete_expired_sessions(self, run: Run) -> None:
        """Delete expired sessions; DynamoDB's TTL would delete them hours later."""
        _each(
            run.while_time(self._sessions.delete_expired(run.now)),
            lambda deleted: deleted,
            report=lambda deleted: count("ExpiredSessionDeleted", deleted),
        )

    def repair_totals(self, run: Run) -> None:
        """Look at the tenants' totals; see `Totals`."""
        of_tenants = _by_tenant(run.partitions.values())

        def look_at(tenant: Tenant) -> None:
            self._totals.look_at(tenant.tenant_id, of_tenants[tenant.tenant_id], run)

        _each(run.in_turn(self._tenants.all_tenants()), look_at)

    @override
    def measure(self, run: Run) -> None:
        """Emit the numbers of connections and partitions as metrics."""
        rows = run.partitions.values()
        count("Connections", sum(row.count for row in rows))
        count("Partitions", len(rows))
        count("PartitionsInDoubt", sum(row.recount for row in rows))


def _each[T](
    items: Iterable[T], work: Callable[[T], int | None], *, report: Callable[[int], None] = lambda _: None
) -> None:
    """Do the work for each item; a failed item does not stop the others.

    Args:
        items: the items.
        work: processes one item, and returns the number of changes.
        report: receives the total number of changes.

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
    report(changed)
    if failed:
        raise TransientError(f"{failed} failed")


def _by_tenant(rows: Iterable[PartitionCount]) -> defaultdict[TenantId, list[PartitionCount]]:
    found: defaultdict[TenantId, list[PartitionCount]] = defaultdict(list)
    for row in rows:
        found[tenant_of(row.partition)].append(row)
    return found

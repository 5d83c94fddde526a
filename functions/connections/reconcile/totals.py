"""Compare a tenant's total with the rows of its connections, and correct it.

A connection is reserved in the total before its row is put, and released once `accounting` has counted that the row is
gone. A crash in between, or an unknown result, leaves the total too high. A correction takes three looks at the total,
at least a minute apart:

1. A total that differs from the partitions' counts may be wrong. The number of reservations made so far is noted.
2. If it still differs, by more than was reserved since, the rows are read. Each row was reserved before the first
   reading of the total, or between its two readings. More rows than the total: it is too low, and is raised. If it may
   be too high, each partition gets a probe: a row that is put and deleted, whose stream record follows all earlier
   ones.
3. Once `accounting` has noted all probes, no deletion before them is still to be released. Then the total should be the
   rows of the second look plus the reservations since the first look. A connection that was reserved before the first
   look either had a row at the second look, or will never get one. The excess is subtracted.

So nothing is subtracted while `accounting` is stopped, however many connections arrive and leave: their stream records
precede the probes.
"""

from collections.abc import Sequence

from functions.connections.reconcile.run import Run
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import TenantId, new_probe_id
from loudhailer.limits.model import Inquiry, TenantTotal
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.partitions.model import PartitionCount
from loudhailer.partitions.port import PartitionStore

_APART_SECONDS = 50
"""Least seconds between two looks at a total: longer than `connect` takes to put the row of a reservation."""

_PATIENCE_SECONDS = 3_900
"""Longest wait for probes in seconds: a record that the stream has not delivered by then was given up."""


class Totals:
    """Looks at the tenants' totals."""

    def __init__(self, connections: ConnectionStore, partitions: PartitionStore, limits: LimitStore) -> None:
        self._connections = connections
        self._partitions = partitions
        self._limits = limits

    def look_at(self, tenant: TenantId, counts: Sequence[PartitionCount], run: Run) -> None:
        """Take the next look at a tenant's total; a tenant with a count in doubt waits for its recount."""
        if any(row.recount or row.count < 0 for row in counts):
            return
        total = self._limits.total(tenant)
        inquiry = total.inquiry
        if inquiry is None:
            if total.count != sum(row.count for row in counts):
                self._limits.keep_inquiry(tenant, Inquiry(run.now, total.reserved))
        elif run.now - inquiry.at < _APART_SECONDS:
            pass
        elif inquiry.rows is None:
            if self._agrees(tenant, total, inquiry):
                self._limits.keep_inquiry(tenant, None)
            else:
                self._look_into(tenant, counts, total, inquiry, run)
        elif all(row.probe == inquiry.probe for row in counts):
            self._conclude(tenant, total, inquiry, inquiry.rows)
        elif run.now - inquiry.at >= _PATIENCE_SECONDS:
            self._limits.keep_inquiry(tenant, None)

    def _agrees(self, tenant: TenantId, total: TenantTotal, inquiry: Inquiry) -> bool:
        """Tell whether the difference between total and counts can be connections that are being opened or closed."""
        counted = sum(row.count for row in self._partitions.of(tenant))
        later = self._limits.total(tenant)
        is_high_enough = counted <= total.count + later.reserved - total.reserved
        return is_high_enough and later.count - counted <= later.reserved - inquiry.reserved

    def _look_into(
        self, tenant: TenantId, counts: Sequence[PartitionCount], total: TenantTotal, inquiry: Inquiry, run: Run
    ) -> None:
        sizes = [self._connections.size(row.partition) for row in run.while_time(counts)]
        if len(sizes) < len(counts):
            return
        rows, later = sum(sizes), self._limits.total(tenant)
        missing = rows - total.count - (later.reserved - total.reserved)
        if missing > 0:
            if self._limits.repair(tenant, missing, seen=inquiry):
                count("TotalRaised", missing)
                logger.warning("total was too low", tenant_id=tenant, total=total.count, missing=missing)
        elif _excess(later, inquiry, rows) > 0:
            probe = new_probe_id()
            for row in counts:
                self._connections.probe(row.partition, probe, run.now)
            self._limits.keep_inquiry(tenant, Inquiry(run.now, inquiry.reserved, rows, probe))
        else:
            self._limits.keep_inquiry(tenant, None)

    def _conclude(self, tenant: TenantId, total: TenantTotal, inquiry: Inquiry, rows: int) -> None:
        excess = _excess(total, inquiry, rows)
        if excess <= 0:
            self._limits.keep_inquiry(tenant, None)
        elif self._limits.repair(tenant, -excess, seen=inquiry):
            count("TotalRepaired", excess)
            logger.warning("total was too high", tenant_id=tenant, total=total.count, excess=excess)


def _excess(total: TenantTotal, inquiry: Inquiry, rows: int) -> int:
    """Amount by which a total exceeds the rows and the reservations made since the inquiry began."""
    return total.count - rows - (total.reserved - inquiry.reserved)

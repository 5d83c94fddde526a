"""Renew a further cell's lease, and keep its copies of the hub's tenants.

A lease is written last: after the hub was read, the tenants were copied, and the cell's own tables and API answered. So
the lease of a cell that cannot work, or cannot reach the hub, becomes too old, and the cell gets no sessions.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from loudhailer.cells.model import Lease
from loudhailer.cells.port import CellDirectory
from loudhailer.cells.taking_part import cells_taking_part
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Lookup
from loudhailer.ids import CellName, ConnectionId
from loudhailer.limits.shares import Shares
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore
from loudhailer.tenants.model import TenantRow
from loudhailer.tenants.port import TenantStore

_NOBODY = ConnectionId("AAAAAAAAAAAAAAA=")
"""Id of a connection that does not exist."""

_WELL = {Outcome.GONE, Outcome.DELIVERED, Outcome.THROTTLED}
"""Answers of an API that works; 429 means that the account is at its full rate."""

_LOOKUP_SECONDS = 1.0
_COUNTED_SECONDS = 60
"""Seconds for which the number of connections is cached: reports need no newer one, and counting reads all
partitions."""


class Beat:
    """Renews the lease of the cell `name`."""

    def __init__(
        self,
        directory: CellDirectory,
        hub_tenants: TenantStore,
        tenants: TenantStore,
        partitions: PartitionStore,
        lookup: Lookup,
        *,
        name: CellName,
        websocket_url: str,
        callback_endpoint: str,
        shares: Shares,
        lease_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._hub_tenants = hub_tenants
        self._tenants = tenants
        self._partitions = partitions
        self._lookup = lookup
        self._name = name
        self._websocket_url = websocket_url
        self._callback_endpoint = callback_endpoint
        self._shares = shares
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._connections: tuple[float, int] | None = None

    def __call__(self) -> None:
        """Copy the tenants if they have changed, and renew the lease; without any tenant nothing is written.

        Tenants are copied if their revision, or the cells that share their limits, differ from the cell's last lease.
        All environments read that lease, so they agree on what is copied.
        """
        self._beat(copies_all=False)

    def copy_all(self) -> None:
        """Copy all tenants again, and renew the lease: two concurrent runs may have copied in another order."""
        self._beat(copies_all=True)

    def _beat(self, *, copies_all: bool) -> None:
        revision = self._directory.tenant_revision()
        statuses = self._directory.statuses(list(self._shares.weights))
        taking_part = cells_taking_part(
            statuses, self._shares.weights, own=self._name, now=self._clock(), lease_seconds=self._lease_seconds
        )
        last = statuses[self._name].lease
        if copies_all or last is None or (last.tenant_revision, last.taking_part) != (revision, taking_part):
            if not (rows := self._hub_tenants.all_rows()):
                return
            self._copy(rows, taking_part)
        (outcome,) = self._lookup.look_up(self._callback_endpoint, [_NOBODY], seconds=_LOOKUP_SECONDS)
        if outcome not in _WELL:
            count("CellNotWell")
            logger.error("the cell's own API does not work", outcome=outcome.name)
        lease = Lease(
            at=int(self._clock()),
            is_well=outcome in _WELL,
            websocket_url=self._websocket_url,
            connections=self._counted(),
            tenant_revision=revision,
            taking_part=taking_part,
        )
        self._directory.renew(self._name, lease)
        count("LeaseRenewed")

    def has_tenants(self) -> bool:
        """Tell whether the hub has any tenant; without one there is nothing to copy, and no session to place."""
        return self._directory.tenant_revision() > 0 or bool(self._hub_tenants.all_rows())

    def _copy(self, rows: list[TenantRow], taking_part: Mapping[CellName, float]) -> None:
        """Put the hub's rows that differ from the copied ones, each tenant with this cell's part of its limits."""
        copied = {row.tenant_id: row for row in self._tenants.all_rows()}
        wanted = (
            row if row.tenant is None else replace(row, tenant=self._shares.part(row.tenant, self._name, taking_part))
            for row in rows
        )
        changed = [row for row in wanted if copied.get(row.tenant_id) != row]
        for row in changed:
            self._tenants.copy(row)
        count("TenantCopied", len(changed))
        logger.info("tenants copied", changed=len(changed), taking_part=sorted(taking_part))

    def _counted(self) -> int:
        now = self._clock()
        if self._connections is None or now - self._connections[0] >= _COUNTED_SECONDS:
            self._connections = now, sum(max(0, row.count) for row in self._partitions.everywhere())
        return self._connections[1]

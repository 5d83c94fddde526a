"""A further cell says that it is alive, and keeps its tenants as the hub has them.

A lease is written last: after the hub was read, the tenants were copied, and the cell's own tables and API answered. So
a cell that cannot do its work, or does not reach the hub, has no lease soon, and gets no sessions.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from loudhailer.cells.model import CellStatus, Lease
from loudhailer.cells.port import CellDirectory
from loudhailer.cells.rendezvous import homes, share
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Lookup
from loudhailer.ids import HUB, CellName, ConnectionId
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore
from loudhailer.tenants.model import Tenant, TenantRow
from loudhailer.tenants.port import TenantStore

_NOBODY = ConnectionId("AAAAAAAAAAAAAAA=")
"""A connection that does not exist."""

_WELL = {Outcome.GONE, Outcome.DELIVERED, Outcome.THROTTLED}
"""Answers of an API that is at work; 429 is that of an account which is at its full rate, not sick."""

_LOOKUP_SECONDS = 1.0
_COUNTED_SECONDS = 60
"""Time for which the number of connections is believed: it is for reports, and to count them reads all partitions."""


class Beat:
    """Renews the lease of the cell `name`; see the module."""

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
        weights: Mapping[CellName, float],
        home_connections: int,
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
        self._weights = weights
        self._home_connections = home_connections
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._copied: tuple[int, frozenset[CellName]] | None = None
        self._connections: tuple[float, int] | None = None

    def __call__(self) -> None:
        """Copy the tenants if they have changed, and renew the lease; without any tenant nothing is written."""
        revision = self._directory.revision()
        alive = self._cells_taking_part()
        if self._copied != (revision, alive):
            if not (rows := self._hub_tenants.all_rows()):
                return
            self._copy(rows, alive)
            self._copied = (revision, alive)
        (outcome,) = self._lookup.look_up(self._callback_endpoint, [_NOBODY], seconds=_LOOKUP_SECONDS)
        if outcome not in _WELL:
            count("CellNotWell")
            logger.error("the cell's own API does not answer as it should", outcome=outcome.name)
        lease = Lease(
            at=int(self._clock()),
            is_well=outcome in _WELL,
            websocket_url=self._websocket_url,
            connections=self._counted(),
            tenants=revision,
        )
        self._directory.renew(self._name, lease)
        count("LeaseRenewed")

    def has_tenants(self) -> bool:
        """Tell whether the hub has any tenant; without one there is nothing to copy, and no session to place."""
        return self._directory.revision() > 0 or bool(self._hub_tenants.all_rows())

    def _cells_taking_part(self) -> frozenset[CellName]:
        """The cells that take part: alive, and with a weight. This one and the hub's are alive: they are at work."""
        now = self._clock()
        statuses = self._directory.statuses(list(self._weights))

        def takes_part(cell: CellName, status: CellStatus) -> bool:
            weight = self._weights[cell] if status.ordered_weight is None else status.ordered_weight
            is_alive = cell in {HUB, self._name} or (
                status.lease is not None and status.lease.is_alive(now, self._lease_seconds)
            )
            return is_alive and weight > 0

        return frozenset(cell for cell, status in statuses.items() if takes_part(cell, status))

    def _copy(self, rows: list[TenantRow], alive: frozenset[CellName]) -> None:
        """Put the hub's rows that differ from the copied ones, each tenant with this cell's part of its limits."""
        copied = {row.tenant_id: row for row in self._tenants.all_rows()}
        wanted = (row if row.tenant is None else replace(row, tenant=self._part(row.tenant, alive)) for row in rows)
        changed = [row for row in wanted if copied.get(row.tenant_id) != row]
        for row in changed:
            self._tenants.copy(row)
        count("TenantCopied", len(changed))
        logger.info("tenants copied", changed=len(changed), alive=sorted(alive))

    def _part(self, tenant: Tenant, alive: frozenset[CellName]) -> Tenant:
        tenant_homes = homes(
            tenant.tenant_id, tenant.tenant_connections, self._weights, home_connections=self._home_connections
        )
        taking_part = [home for home in tenant_homes if home in alive]

        def part(limit: int) -> int:
            return share(limit, self._name, taking_part, self._weights)

        return replace(
            tenant,
            tenant_connections=part(tenant.tenant_connections),
            tenant_per_minute=part(tenant.tenant_per_minute),
            tenant_sessions=part(tenant.tenant_sessions),
            posts_per_minute=part(tenant.post_budget),
        )

    def _counted(self) -> int:
        now = self._clock()
        if self._connections is None or now - self._connections[0] >= _COUNTED_SECONDS:
            self._connections = now, sum(max(0, row.count) for row in self._partitions.everywhere())
        return self._connections[1]

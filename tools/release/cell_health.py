"""The health check of a further cell, as the hub sees it: it is alive, has the tenants, and gets sessions."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loudhailer.cells.rendezvous import ranked
from loudhailer.ids import CellName, TenantId
from loudhailer.tenants.model import Tenant
from tools.release.health import SYNTHETIC

if TYPE_CHECKING:
    from loudhailer.cells.port import CellDirectory

_WAIT_SECONDS = 90.0
"""A cell that was just applied renews its lease within a minute, and copies the tenants then."""

_POLL_SECONDS = 1.0


def tenant_at(cell: CellName, weights: Mapping[CellName, float], home_connections: int) -> Tenant:
    """Return a tenant of the health checks whose only home is this cell, which has a weight above 0."""
    number = 0
    while ranked(name := f"{SYNTHETIC.tenant_id}-{cell}-{number}", weights)[0] != cell:
        number += 1
    connections = min(SYNTHETIC.tenant_connections, home_connections)
    return replace(SYNTHETIC, tenant_id=TenantId(name), tenant_connections=connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInHub:
    """A further cell in the hub's directory.

    Attributes:
        name: its name.
        weights: the declared weights of all cells, the hub's own included.
        lease_seconds: the age up to which a lease counts.
    """

    name: CellName
    weights: Mapping[CellName, float]
    lease_seconds: int
    directory: "CellDirectory"
    clock: Callable[[], float] = time.time
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def gets_sessions(self) -> bool:
        """Tell whether it is some tenant's home, by the map, and no operator has ordered that it gets no sessions."""
        ordered = self.directory.statuses([self.name])[self.name].ordered_weight
        return self.weights[self.name] > 0 and ordered != 0

    async def problems(self) -> list[str]:
        """Wait until it is alive and has the tenants as they are now; return what is missing after 90 seconds."""
        revision = self.directory.tenant_revision()
        until = self.clock() + _WAIT_SECONDS
        while (problems := self._problems(revision)) and self.clock() < until:
            await self.pause(_POLL_SECONDS)
        return problems

    def _problems(self, revision: int) -> list[str]:
        lease = self.directory.statuses([self.name])[self.name].lease
        if lease is None or not lease.is_alive(self.clock(), self.lease_seconds):
            return ["it does not renew its lease at the hub, or says that it is not well"]
        return ["it does not copy the hub's tenants"] if lease.tenant_revision < revision else []

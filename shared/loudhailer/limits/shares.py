"""A cell's part of its tenants' limits.

A limit is divided over the tenant's homes that take part, by their weights; if none of them does, over all cells that
take part. A further cell gets its parts with its copies of the tenants. The hub's tenants have the whole limits, of
which the functions of the hub's own cell take its part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from loudhailer.cells.port import CellDirectory
from loudhailer.cells.rendezvous import homes, share
from loudhailer.cells.taking_part import cells_taking_part
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName
from loudhailer.observability import count, logger
from loudhailer.tenants.model import Tenant

_REMEMBERED_SECONDS = 5
"""Seconds for which the cells that take part are cached: leases are renewed as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Divides tenants' limits.

    Attributes:
        weights: the weights of all cells as they are declared, by which a tenant's homes are found.
        home_connections: number of a tenant's connections that make a home.
    """

    weights: Mapping[CellName, float]
    home_connections: int

    def homes(self, tenant: Tenant) -> list[CellName]:
        """Return the tenant's homes, alive or not."""
        return homes(tenant.tenant_id, tenant.tenant_connections, self.weights, home_connections=self.home_connections)

    def part(self, tenant: Tenant, cell: CellName, taking_part: Mapping[CellName, float]) -> Tenant:
        """Return the tenant with a cell's part of its limits; limits of one session or player are not divided."""
        among = {home: taking_part[home] for home in self.homes(tenant) if home in taking_part} or taking_part

        def part(limit: int) -> int:
            return share(limit, cell, among)

        return replace(
            tenant,
            tenant_connections=part(tenant.tenant_connections),
            tenant_per_minute=part(tenant.tenant_per_minute),
            tenant_sessions=part(tenant.tenant_sessions),
            posts_per_minute=part(tenant.post_budget),
        )


type _Weights = frozenset[tuple[CellName, float]]

_REMEMBERED_TENANTS = 4_096
"""Tenants whose parts are cached: each takes about 1 KB."""


class HubShare:
    """Computes the part of the hub's own cell: once for each tenant, until the tenant or the cells change."""

    def __init__(
        self, directory: CellDirectory, shares: Shares, *, lease_seconds: int, clock: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._shares = shares
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._known: tuple[float, _Weights] | None = None
        self._part = lru_cache(_REMEMBERED_TENANTS)(self._divide)

    def __call__(self, tenant: Tenant) -> Tenant:
        """Return the tenant with the hub's part of its limits."""
        return self._part(tenant, self._taking_part())

    def _divide(self, tenant: Tenant, taking_part: _Weights) -> Tenant:
        return self._shares.part(tenant, HUB, dict(taking_part))

    def _taking_part(self) -> _Weights:
        """Return the cells that took part some seconds ago; if the directory does not answer, the last known ones."""
        now = self._clock()
        if self._known is not None and now - self._known[0] < _REMEMBERED_SECONDS:
            return self._known[1]
        try:
            statuses = self._directory.statuses(list(self._shares.weights))
        except TransientError as error:
            count("CellsUnknown")
            logger.warning("the directory of cells does not answer", error=str(error))
            # Without an earlier answer all cells count, which gives the smallest part.
            found = frozenset(self._shares.weights.items()) if self._known is None else self._known[1]
        else:
            taking_part = cells_taking_part(
                statuses, self._shares.weights, own=HUB, now=now, lease_seconds=self._lease_seconds
            )
            found = frozenset(taking_part.items())
        self._known = now, found
        return found

"""The limits of a connection: the tenant's, or the hub's part of them if there are further cells."""

from collections.abc import Callable
from typing import Any

from functions.connections.authorizer.settings import Settings
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.limits.shares import HubShare, Shares
from loudhailer.tenants.model import Tenant


def limits_by(settings: Settings, client: Any, *, clock: Callable[[], float]) -> Callable[[Tenant], Tenant]:
    """Return the function that divides limits for the hub's cell; copies of tenants in a further cell have its part."""
    if not settings.cells_table:
        return lambda tenant: tenant
    return HubShare(
        DynamoCellDirectory(client, settings.cells_table),
        Shares(weights=settings.cell_weights or {}, home_connections=settings.home_connections),
        lease_seconds=settings.lease_seconds,
        clock=clock,
    )

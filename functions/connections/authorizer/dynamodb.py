"""The limits of a connection: those of the tenant, or in a hub with further cells its own cell's part of them."""

from collections.abc import Callable
from typing import Any

from functions.connections.authorizer.settings import Settings
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.limits.shares import HubShare, Shares
from loudhailer.tenants.model import Tenant


def limits_by(settings: Settings, client: Any, *, clock: Callable[[], float]) -> Callable[[Tenant], Tenant]:
    """Divide limits as the settings have it; a further cell has its part in its copies of the tenants."""
    if not settings.cells_table:
        return lambda tenant: tenant
    return HubShare(
        DynamoCellDirectory(client, settings.cells_table),
        Shares(weights=settings.cell_weights or {}, home_connections=settings.home_connections),
        lease_seconds=settings.lease_seconds,
        clock=clock,
    )

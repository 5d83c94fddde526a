"""The authorizer of a hub with further cells divides limits by the table of their leases; any other one does not."""

from typing import Any

from functions.connections.authorizer.dynamodb import limits_by
from functions.connections.authorizer.settings import Settings
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.model import Lease
from loudhailer.ids import HUB
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import NORTH, NOW, SOUTH, TENANT
from tests.support.dynamodb.engine import client_of_any_table

CELLS = "cells-simulated"
ACME = Tenant(
    TENANT,
    tenant_connections=60_000,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
)


def settings(**more: Any) -> Settings:
    """The settings of an authorizer."""
    return Settings(
        tenants_table="tenants",
        sessions_table="sessions",
        partitions_table="partitions",
        connections_per_partition=1_000,
        max_partitions=10,
        **more,
    )


def test_limits_are_whole_without_further_cells() -> None:
    """A further cell has its part in its copies of the tenants."""
    assert limits_by(settings(), client_of_any_table(), clock=lambda: NOW)(ACME) == ACME


def test_a_hub_takes_its_part_by_the_leases() -> None:
    """One of three cells has no lease, so two take part."""
    client: Any = client_of_any_table()
    lease = Lease(at=NOW, is_well=True, websocket_url="wss://x", connections=0, tenant_revision=1)
    DynamoCellDirectory(client, CELLS).renew(NORTH, lease)
    weights = {HUB: 1.0, NORTH: 3.0, SOUTH: 1.0}
    limits = limits_by(settings(cells_table=CELLS, cell_weights=weights), client, clock=lambda: NOW)
    assert limits(ACME).tenant_connections == 15_000

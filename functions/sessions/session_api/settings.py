"""The variables of `session_api`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, Auth, Flag, TableName, Tenants, Url, decimal, integer, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the URL for clients, the tenants that may be listed and have a silo, and the claim with the tenant.

    Attributes:
        silo_tenants: tenants that have a queue of their own; empty if tenants are not listed.
        session_auth: kind of authorisation that the routes of sessions require.
        tenant_claim: the claim with the tenant's id, if that is a JWT.
        spread_sessions: spread new sessions over several keys, which functions of a former release do not know.
        shortest_session_id: least number of characters of a session's id, which is the only secret that a client needs.
        connects_per_second: new connections that API Gateway lets into the account of a cell in a second, for cells
            that do not declare their own number; 0: unlimited.
        connects_reserve: part of them that is kept for the first clients of each tenant in a minute.
        report_grace_seconds: seconds after a broadcast's end in which a further cell may still report.
        cells: the further cells; without any, all sessions are in the hub's, and the variables below are not used.
        cells_table: the table of the cells' leases and of an operator's orders.
        placements_table: the table with the cell of each session and player.
        cell_role_arn: the role that the hub has in each cell, with `{accountId}` in place of the account's.
        hub_weight: the weight of the hub's own cell.
        home_connections: number of a tenant's connections that make a home.
        lease_seconds: largest age of a valid lease.
    """

    tenants_table: TableName
    sessions_table: TableName
    places_table: TableName
    limits_table: TableName
    broadcasts_table: TableName
    websocket_url: Url
    spread_sessions: Flag
    list_tenants: Flag
    silo_tenants: Tenants
    session_auth: Auth
    tenant_claim: Annotated[str, matching(r"[A-Za-z0-9_.:/-]{1,128}", "the name of a claim")]
    shortest_session_id: Annotated[int, integer(1, 64)]
    connects_per_second: Annotated[float, decimal(0, 100_000)]
    connects_reserve: Annotated[float, decimal(0.01, 0.5)]
    report_grace_seconds: Annotated[int, integer(0, 3_600)] = 180
    cells: Cells | None = None
    cells_table: TableName = ""
    placements_table: TableName = ""
    cell_role_arn: Arn = ""
    hub_weight: Annotated[float, decimal(0, 1_000_000)] = 1.0
    home_connections: Annotated[int, integer(1, 1_000_000_000)] = 20_000
    lease_seconds: Annotated[int, integer(1, 120)] = 15

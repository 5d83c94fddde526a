"""The variables of `session_api`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, Auth, Flag, TableName, Tenants, Url, decimal, integer, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the URL for clients, the tenants that may be listed and have a silo, and the claim with the tenant.

    Attributes:
        silo_tenants: those that Terraform made a queue for; none where tenants are not listed.
        session_auth: what the routes of sessions ask a caller for.
        tenant_claim: the claim with the tenant's id, where that is a JWT.
        spread_sessions: new sessions are spread over keys, which functions of a former release do not know.
        shortest_session_id: how many characters a session's id must have; it is all that a client needs to get in.
        report_grace_seconds: how long after a broadcast's end a further cell may still report.
        cells: the further cells; without any, all sessions are in the hub's, and the variables below mean nothing.
        cells_table: where the cells' leases and an operator's orders are.
        placements_table: the cell of each session and player.
        cell_role_arn: the role that the hub has in each cell, with `{accountId}` in place of the account's.
        hub_weight: the weight of the hub's own cell.
        home_connections: how many connections of a tenant make a home.
        lease_seconds: how old a lease may be.
    """

    tenants_table: TableName
    sessions_table: TableName
    places_table: TableName
    broadcasts_table: TableName
    websocket_url: Url
    spread_sessions: Flag
    list_tenants: Flag
    silo_tenants: Tenants
    session_auth: Auth
    tenant_claim: Annotated[str, matching(r"[A-Za-z0-9_.:/-]{1,128}", "the name of a claim")]
    shortest_session_id: Annotated[int, integer(1, 64)]
    report_grace_seconds: Annotated[int, integer(0, 3_600)] = 180
    cells: Cells | None = None
    cells_table: TableName = ""
    placements_table: TableName = ""
    cell_role_arn: Arn = ""
    hub_weight: Annotated[float, decimal(0, 1_000_000)] = 1.0
    home_connections: Annotated[int, integer(1, 1_000_000_000)] = 20_000
    lease_seconds: Annotated[int, integer(1, 120)] = 15

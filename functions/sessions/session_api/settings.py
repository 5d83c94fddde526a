"""The variables of `session_api`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Auth, Flag, TableName, Tenants, Url, integer, matching


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

"""The variables of `session_api`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Auth, Flag, TableName, Tenants, Url, integer, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the URL for clients, the tenants that may be listed and have a silo, and the claim with the tenant.

    Attributes:
        silo_tenants: tenants that have a queue of their own; empty if tenants are not listed.
        session_auth: kind of authorisation that the routes of sessions require.
        tenant_claim: the claim with the tenant's id, if that is a JWT.
        spread_sessions: spread new sessions over several keys, which functions of a former release do not know.
        shortest_session_id: least number of characters of a session's id, which is the only secret that a client needs.
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

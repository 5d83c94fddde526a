"""The variables of `session_api`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Flag, TableName, Tenants, Url, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where rows are kept and clients connect, who may be listed and has a silo, and the claim that holds the tenant.

    Attributes:
        silo_tenants: those that Terraform made a queue for; none where tenants are not listed.
    """

    tenants_table: TableName
    sessions_table: TableName
    broadcasts_table: TableName
    websocket_url: Url
    list_tenants: Flag
    silo_tenants: Tenants
    tenant_claim: Annotated[str, matching(r"[A-Za-z0-9_.:/-]{1,128}", "the name of a claim")]

"""The variables of `session_api`."""

from dataclasses import dataclass

from loudhailer.settings import Flag, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where tenants, sessions and broadcasts are kept, where clients connect, and whether tenants may be listed."""

    tenants_table: TableName
    sessions_table: TableName
    broadcasts_table: TableName
    websocket_url: Url
    list_tenants: Flag

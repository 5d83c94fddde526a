"""The variables of `console`."""

from dataclasses import dataclass

from loudhailer.cells.model import CellRegions
from loudhailer.settings import Auth, Flag, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses of the page and of its WebSocket API, and the routes of the HTTP API that it may call.

    `page_url` contains `{domainName}` or `{apiId}`, which are filled in from each request's context: Terraform cannot
    pass the id of an API to a function that is behind one of its routes. `cell_regions` are those of further cells;
    without any, `cells_table`, the table of the cells' leases, is not used.
    """

    page_url: Url
    websocket_url: Url
    list_tenants: Flag
    session_auth: Auth
    broadcast_auth: Auth
    cell_regions: CellRegions | None = None
    cells_table: TableName = ""

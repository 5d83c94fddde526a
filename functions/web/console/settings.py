"""The variables of `console`."""

from dataclasses import dataclass

from loudhailer.settings import Auth, Flag, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses of the page and of its sockets, and the routes of the HTTP API that it may call.

    `page_url` is the page's address with `{domainName}` or `{apiId}`, which each request's context fills in: Terraform
    cannot tell the function the id of an API that has a route to it.
    """

    page_url: Url
    websocket_url: Url
    list_tenants: Flag
    session_auth: Auth
    broadcast_auth: Auth

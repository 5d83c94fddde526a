"""The variables of `end_session`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table of connections, the role that reaches it, and the endpoint that closes them."""

    connections_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url

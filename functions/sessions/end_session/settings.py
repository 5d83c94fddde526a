"""The variables of `end_session`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections are kept, as whom they are reached, and where they are closed."""

    connections_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url

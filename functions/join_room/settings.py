"""The variables of `join_room`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections, sessions and limits are kept, as whom they are reached, and where posts go."""

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url

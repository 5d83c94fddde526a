"""The variables of `disconnect`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table of connections, and the role that reaches it."""

    connections_table: TableName
    tenant_role_arn: Arn

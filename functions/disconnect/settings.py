"""The variables of `disconnect`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections are kept, and as whom they are reached."""

    connections_table: TableName
    tenant_role_arn: Arn

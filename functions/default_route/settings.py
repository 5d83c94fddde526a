"""The variables of `default_route`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where sessions and limits are kept, and as whom they are reached."""

    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn

"""The variables of `default_route`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of sessions and limits, and the role that reaches them."""

    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn

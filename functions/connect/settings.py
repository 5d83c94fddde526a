"""The variables of `connect`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, Share, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of connections, sessions and limits, and the role that reaches them.

    Attributes:
        session_share: the most that one session gets of its tenant's minute.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    session_share: Share

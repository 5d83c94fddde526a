"""The variables of `join_room`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections, sessions and limits are kept, as whom they are reached, and where posts go.

    Attributes:
        session_share: the most that one session gets of its tenant's minute.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url
    session_share: Share

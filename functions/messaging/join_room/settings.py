"""The variables of `join_room`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of connections, sessions and limits, the role that reaches them, and the endpoint of posts.

    Attributes:
        session_share: largest share of its tenant's limits in a minute that a session may use.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url
    session_share: Share

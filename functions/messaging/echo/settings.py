"""The variables of `echo`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of connections, sessions and limits, their role, the queues, and the endpoint of posts.

    Attributes:
        session_share: largest share of its tenant's messages in a minute that a session may use.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    queue_url: Url
    callback_endpoint: Url
    dead_letter_queue_url: Url
    session_share: Share

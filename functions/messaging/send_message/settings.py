"""The variables of `send_message`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, Share, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the role that reaches a tenant's rows, targets of posts and broadcasts, and lifetimes of messages.

    Attributes:
        broadcast_keys: number of partition keys over which the rows of a large room's broadcast are spread.
        message_lifetime_seconds: lifetime of a large room's message in the queues.
        inbox_lifetime_seconds: lifetime of a direct message in its receiver's inbox.
        session_share: largest share of its tenant's limits in a minute that a session may use.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    messages_table: TableName
    places_table: TableName
    broadcasts_table: TableName
    tenant_role_arn: Arn
    broadcast_topic_arn: Arn
    disconnect_queue_url: Url
    callback_endpoint: Url
    broadcast_keys: Annotated[int, integer(1, 64)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
    inbox_lifetime_seconds: Annotated[int, integer(1, 31_536_000)]
    messages_per_inbox: Annotated[int, integer(1, 1_000_000)]
    session_share: Share

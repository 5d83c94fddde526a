"""The variables of `send_message`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, Share, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the role that reaches a tenant's rows, targets of posts and broadcasts, and lifetimes of messages.

    Attributes:
        broadcast_keys: how many partition keys the rows of a broadcast, to a large room, are spread over.
        message_lifetime_seconds: of what is said in a large room, on its way.
        inbox_lifetime_seconds: of a direct message, in its receiver's inbox.
        session_share: the most that one session gets of its tenant's minute.
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

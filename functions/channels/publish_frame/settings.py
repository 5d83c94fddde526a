"""The variables of `publish_frame`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.broadcast.search import LARGEST_CHUNK
from loudhailer.settings import Arn, Flag, Share, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables, the role that reaches a tenant's rows, the topic, and the queue of small broadcasts.

    Attributes:
        broadcast_keys: number of partition keys over which a broadcast's rows are spread.
        express_recipients: largest number of recipients of a small broadcast; 0: no broadcast is small.
        message_lifetime_seconds: lifetime of a message in the queues.
        session_share: largest share of its tenant's limits in a minute that a session may use.
        publishing_enabled: False while functions of a former release run, and where messages would not reach all cells.
    """

    members_table: TableName
    audiences_table: TableName
    sessions_table: TableName
    limits_table: TableName
    broadcasts_table: TableName
    tenant_role_arn: Arn
    broadcast_topic_arn: Arn
    express_queue_url: Url
    callback_endpoint: Url
    broadcast_keys: Annotated[int, integer(1, 64)]
    express_recipients: Annotated[int, integer(0, LARGEST_CHUNK)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
    session_share: Share
    publishing_enabled: Flag

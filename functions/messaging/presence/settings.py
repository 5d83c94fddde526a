"""The variables of `presence`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table of connections, the role that reaches it, the queue of wakes, and the endpoint of posts."""

    connections_table: TableName
    tenant_role_arn: Arn
    inbox_queue_url: Url
    leave_queue_url: Url
    callback_endpoint: Url

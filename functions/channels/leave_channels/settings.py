"""The variables of `leave_channels`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of connections, members and subscriptions; the queue that is read, and the one for malformed messages."""

    connections_table: TableName
    members_table: TableName
    subscriptions_table: TableName
    leave_queue_url: Url
    dead_letter_queue_url: Url

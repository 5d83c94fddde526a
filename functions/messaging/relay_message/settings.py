"""The variables of `relay_message`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that are read, their role, and the targets of posts, wakes and messages that cannot be handled."""

    messages_table: TableName
    connections_table: TableName
    devices_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url
    inbox_queue_url: Url
    dead_letter_queue_url: Url

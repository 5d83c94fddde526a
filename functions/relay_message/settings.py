"""The variables of `relay_message`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where messages and connections are kept, as whom they are reached, and where posts, wakes and poison go."""

    messages_table: TableName
    connections_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url
    inbox_queue_url: Url
    dead_letter_queue_url: Url

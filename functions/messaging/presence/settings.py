"""The variables of `presence`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections are kept, as whom they are reached, where wakes go, and where posts go."""

    connections_table: TableName
    tenant_role_arn: Arn
    inbox_queue_url: Url
    callback_endpoint: Url

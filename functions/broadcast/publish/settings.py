"""The variables of `publish`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of tenants and broadcasts, the topic, and the lifetime of messages.

    Attributes:
        broadcast_keys: number of partition keys over which a broadcast's rows are spread.
    """

    tenants_table: TableName
    broadcasts_table: TableName
    broadcast_topic_arn: Arn
    broadcast_keys: Annotated[int, integer(1, 64)]
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]

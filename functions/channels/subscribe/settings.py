"""The variables of `subscribe`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, Flag, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that subscriptions need, the role that reaches them, and the queue `leave`.

    Attributes:
        connections_per_partition: number of members after which more partitions are opened.
        max_partitions: most partitions of a pattern.
        channels_enabled: False while functions of a former release run, which do not know channels.
    """

    connections_table: TableName
    sessions_table: TableName
    limits_table: TableName
    members_table: TableName
    audiences_table: TableName
    subscriptions_table: TableName
    leave_queue_url: Url
    tenant_role_arn: Arn
    connections_per_partition: Annotated[int, integer(1, 100_000)]
    max_partitions: Annotated[int, integer(1, 99_999)]
    channels_enabled: Flag

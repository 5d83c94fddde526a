"""The variables of `authorizer`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of tenants, sessions and partitions, with the largest size and number of a tenant's partitions."""

    tenants_table: TableName
    sessions_table: TableName
    partitions_table: TableName
    connections_per_partition: Annotated[int, integer(1, 100_000)]
    max_partitions: Annotated[int, integer(1, 99_999)]

"""The variables of `accounting`."""

from dataclasses import dataclass

from loudhailer.settings import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of partitions, sessions and limits."""

    partitions_table: TableName
    sessions_table: TableName
    limits_table: TableName

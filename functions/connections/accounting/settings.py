"""The variables of `accounting`."""

from dataclasses import dataclass

from loudhailer.settings import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where partitions, sessions and limits are kept."""

    partitions_table: TableName
    sessions_table: TableName
    limits_table: TableName

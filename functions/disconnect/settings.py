"""The variables of `disconnect`."""

from dataclasses import dataclass

from loudhailer.settings import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where connections and sessions are kept."""

    connections_table: TableName
    sessions_table: TableName

"""The variables of `settle`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where broadcasts and connections are kept."""

    broadcasts_table: TableName
    connections_table: TableName
    dead_letter_queue_url: Url

"""The variables of `disconnect`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table of connections, and where connections are closed."""

    connections_table: TableName
    callback_endpoint: Url

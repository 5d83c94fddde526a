"""The variables of `accounting`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of partitions, sessions and limits.

    Attributes:
        sessions_table: not set for members of channels, which are in no session.
        limits_table: not set for members of channels, which are in no total.
    """

    partitions_table: TableName
    sessions_table: TableName = ""
    limits_table: TableName = ""

    def __post_init__(self) -> None:
        """Raise ConfigurationError if one of the last two tables is missing."""
        together(self, "sessions_table", "limits_table")

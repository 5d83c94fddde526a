"""The variables of `reconcile`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that are repaired, and the queue that reports changes which `accounting` gave up.

    Attributes:
        connections_table: the table of connections, or of members of channels.
        partitions_table: the table of their counts.
        tenants_table: this and the next two are not set for members, which are in no session and in no total.
        sessions_table: the table of sessions.
        limits_table: the table of totals.
    """

    connections_table: TableName
    partitions_table: TableName
    accounting_failure_queue_url: Url
    tenants_table: TableName = ""
    sessions_table: TableName = ""
    limits_table: TableName = ""

    def __post_init__(self) -> None:
        """Raise ConfigurationError if some of the last three tables are missing."""
        together(self, "tenants_table", "sessions_table", "limits_table")

"""The variables of `reconcile`."""

from dataclasses import dataclass

from loudhailer.settings import TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that are repaired, and the queue that reports changes which `accounting` gave up."""

    tenants_table: TableName
    sessions_table: TableName
    connections_table: TableName
    partitions_table: TableName
    limits_table: TableName
    accounting_failure_queue_url: Url

"""The variables of `settle`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where broadcasts and connections are kept, and the queues of outcomes and of what could not be handled."""

    broadcasts_table: TableName
    connections_table: TableName
    undelivered_queue_arn: Arn
    dead_letter_queue_url: Url
    outcome_queue_url: Url

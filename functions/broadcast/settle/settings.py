"""The variables of `settle`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables of broadcasts and connections, the queue of outcomes and the dead-letter queue."""

    broadcasts_table: TableName
    connections_table: TableName
    undelivered_queue_arn: Arn
    dead_letter_queue_url: Url
    outcome_queue_url: Url
    leave_queue_url: Url

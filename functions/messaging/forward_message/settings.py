"""The variables of `forward_message`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.cells.model import Cells
from loudhailer.settings import Arn, TableName, Url, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tables of the hub, and the cells whose inboxes are reached.

    Attributes:
        forward_queues: the URL of a cell's queue, with `{cell}` in place of the name.
        cells: the further cells.
        cell_role_arn: the role that reaches the inboxes of a further cell, with `{accountId}` in place of the account's
            id.
    """

    tenants_table: TableName
    placements_table: TableName
    messages_table: TableName
    places_table: TableName
    forward_queues: Url
    dead_letter_queue_url: Url
    messages_per_inbox: Annotated[int, integer(1, 1_000_000)]
    cells: Cells | None = None
    cell_role_arn: Arn = ""

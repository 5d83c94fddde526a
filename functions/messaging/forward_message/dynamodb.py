"""The tables of inboxes: the hub's own, and those of further cells, which are reached in roles of their accounts."""

from collections.abc import Callable
from functools import cache
from typing import Any

from functions.messaging.forward_message.forward_message import CellInboxes
from functions.messaging.forward_message.settings import Settings
from loudhailer.aws.other_role import OtherRole
from loudhailer.ids import HUB, CellName
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore

_CELL_ATTEMPTS = 2
_CELL_SECONDS = 2.0
"""Timeouts for calls to a further cell: if it does not answer, the request is delivered again."""


def inboxes_of_cells(settings: Settings, client: Any) -> Callable[[CellName], CellInboxes]:
    """Return the inboxes of each cell; `client` is the client of the hub's own tables."""
    declared = settings.cells or {}

    @cache
    def inboxes_of(cell: CellName) -> CellInboxes:
        if cell == HUB:
            return _inboxes(settings, client)
        role = OtherRole(
            settings.cell_role_arn.replace("{accountId}", declared[cell].account_id),
            declared[cell].external_id,
            session_name="forward_message",
            region=declared[cell].region,
        )
        return _inboxes(settings, role.client("dynamodb", attempts=_CELL_ATTEMPTS, seconds=_CELL_SECONDS))

    return inboxes_of


def _inboxes(settings: Settings, client: Any) -> CellInboxes:
    """Return the inboxes of a cell; its tables have the same names as the hub's."""
    return CellInboxes(
        inboxes=DynamoInboxStore(client, settings.messages_table),
        places=DynamoPlaceStore(client, settings.places_table),
    )

"""The placements of players, which are in the hub's table: a further cell reads them in a role of the hub's account."""

import time
from collections.abc import Callable
from typing import Any

from functions.messaging.relay_message.players_cell import AlwaysHere, ByPlacement, PlayersCell
from functions.messaging.relay_message.settings import Settings
from loudhailer.aws.other_role import OtherRole
from loudhailer.aws.tenant_credentials import ClientOf
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.queues.sqs import SqsFifoQueue

_HUB_ATTEMPTS = 2
_HUB_SECONDS = 2.0
"""Timeouts for calls to the hub from another account: if it does not answer, the wake is delivered again."""


def players_cells(settings: Settings, sqs: Any) -> Callable[[ClientOf], PlayersCell]:
    """The cells of a tenant's players; the hub's own cell reads placements with the tenant's credentials."""
    name = settings.cell_name
    if name is None:
        return lambda _: AlwaysHere()
    dynamodb = None
    if settings.hub_role_arn:
        role, external_id = settings.hub_role_arn, settings.hub_external_id
        hub = OtherRole(role, external_id, session_name="relay_message", region=settings.hub_region)
        dynamodb, sqs = (
            hub.client(service, attempts=_HUB_ATTEMPTS, seconds=_HUB_SECONDS) for service in ("dynamodb", "sqs")
        )
    queue = SqsFifoQueue(sqs, settings.forward_queue_url, pause=time.sleep)
    return lambda client: ByPlacement(
        DynamoPlacementStore(dynamodb or client("dynamodb"), settings.placements_table),
        queue,
        name=name,
        clock=time.time,
    )

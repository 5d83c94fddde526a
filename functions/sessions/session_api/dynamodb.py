"""The tables of sessions: the hub's own, and those of further cells, which are reached in roles of their accounts."""

import time
from collections.abc import Callable
from functools import cache
from random import SystemRandom
from typing import Any

from functions.sessions.session_api.admission import Admission
from functions.sessions.session_api.placing import CellStores, OneCell, Placing, SeveralCells
from functions.sessions.session_api.settings import Settings
from loudhailer.aws.other_role import OtherRole
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.ids import HUB, CellName
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.line.dynamodb import DynamoLineStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.sessions.dynamodb import DynamoSessionStore

_CELL_ATTEMPTS = 2
_CELL_SECONDS = 2.0
"""Timeouts for calls to a further cell: if it does not answer, clients try again, and it soon is no candidate any
more."""

LINE_ATTEMPTS = 2
LINE_SECONDS = 1.0
"""Timeouts for calls to the line: if it does not answer, the client is let in before client or function time out."""


def placing(settings: Settings, client: Any, *, clock: Callable[[], float]) -> Placing:
    """Return the placing of sessions: all in the hub's cell, or over the cells that the settings declare."""
    here = _stores(settings, client)
    declared = settings.cells
    if not declared:
        return OneCell(here, settings.websocket_url)

    @cache
    def stores(cell: CellName) -> CellStores:
        if cell == HUB:
            return here
        role = OtherRole(
            settings.cell_role_arn.replace("{accountId}", declared[cell].account_id),
            declared[cell].external_id,
            session_name="session_api",
            region=declared[cell].region,
        )
        return _stores(settings, role.client("dynamodb", attempts=_CELL_ATTEMPTS, seconds=_CELL_SECONDS))

    return SeveralCells(
        DynamoCellDirectory(client, settings.cells_table),
        DynamoPlacementStore(client, settings.placements_table),
        declared,
        stores,
        hub_weight=settings.hub_weight,
        hub_url=settings.websocket_url,
        home_connections=settings.home_connections,
        lease_seconds=settings.lease_seconds,
        clock=clock,
    )


def admission(settings: Settings, client: Any, *, clock: Callable[[], float]) -> Admission:
    """Return the admission of clients; the lines of all cells are in the hub's table."""
    return Admission(
        DynamoLineStore(client, settings.limits_table),
        DynamoLimitStore(client, settings.limits_table, pause=time.sleep),
        per_second=settings.connects_per_second,
        per_second_on={
            name: cell.connects_per_second
            for name, cell in (settings.cells or {}).items()
            if cell.connects_per_second is not None
        },
        reserve=settings.connects_reserve,
        clock=clock,
        random=SystemRandom(),
    )


def _stores(settings: Settings, client: Any) -> CellStores:
    """Return the stores of a cell; its tables have the same names as the hub's."""
    return CellStores(
        sessions=DynamoSessionStore(client, settings.sessions_table, spread=settings.spread_sessions),
        places=DynamoPlaceStore(client, settings.places_table),
    )

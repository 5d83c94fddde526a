"""The hub's tables about its further cells."""

from typing import Any

from functions.broadcast.publish.settings import Settings
from loudhailer.broadcast.publishing.cells import FurtherCells
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore


def further_cells(settings: Settings, client: Any) -> FurtherCells | None:
    """Return the further cells of the settings; None if the hub has the only cell."""
    if not settings.cells:
        return None
    return FurtherCells(
        DynamoCellDirectory(client, settings.cells_table),
        DynamoPlacementStore(client, settings.placements_table),
        list(settings.cells),
    )

"""The variables of `report`."""

from dataclasses import dataclass

from loudhailer.cells.model import ExternalId, NameOfCell, Region
from loudhailer.settings import Arn, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The cell and its broadcasts, and the hub's table of broadcasts with the role in which it is reached."""

    cell_name: NameOfCell
    broadcasts_table: TableName
    hub_role_arn: Arn
    hub_external_id: ExternalId
    hub_region: Region
    hub_broadcasts_table: TableName

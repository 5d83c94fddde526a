"""The variables of `relay_message`."""

from dataclasses import dataclass

from loudhailer.cells.model import ExternalId, NameOfCell, Region
from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that are read, their role, and the targets of posts, wakes and messages that cannot be handled.

    Attributes:
        cell_name: this cell's name; without further cells it is empty, and the variables below are not used.
        placements_table: the hub's table with the cell of each player.
        forward_queue_url: this cell's queue at the hub.
        hub_role_arn: the role in which a further cell reaches the hub; the hub's own cell needs none.
        hub_external_id: the external id with which it assumes that role.
        hub_region: the hub's Region.
    """

    messages_table: TableName
    connections_table: TableName
    devices_table: TableName
    tenant_role_arn: Arn
    callback_endpoint: Url
    inbox_queue_url: Url
    dead_letter_queue_url: Url
    cell_name: NameOfCell | None = None
    placements_table: TableName = ""
    forward_queue_url: Url = ""
    hub_role_arn: Arn = ""
    hub_external_id: ExternalId = ""
    hub_region: Region = ""

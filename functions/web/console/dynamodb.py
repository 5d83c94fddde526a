"""The hosts of further cells by the table of their leases."""

import time
from collections.abc import Mapping

from functions.web.console.cell_hosts import CellHosts
from loudhailer.aws.clients import client
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.ids import CellName


def cell_hosts(table: str, regions: Mapping[CellName, str], own_url: str) -> CellHosts:
    """The hosts of the cells in these Regions."""
    return CellHosts(DynamoCellDirectory(client("dynamodb"), table), regions, own_url, clock=time.time)

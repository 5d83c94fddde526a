"""Further cells as an operator sees them: alive or not, and with the present tenants or not."""

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest

from loudhailer.cells.model import Lease
from loudhailer.ids import HUB, CellName
from tests.support.fakes.cells import MemoryCellDirectory
from tools.console import Terminal
from tools.errors import OperatorError
from tools.operations.cells import (
    await_tenants,
    cell_named,
    cell_table,
    cells_without_tenants,
    copy_tenants_now,
    forget_removed_cells,
)
from tools.stack.cells import cell_variables, variables_of_a_cell

NORTH, SOUTH = CellName("north"), CellName("south")
REVISION = 4
NOW = 1_000


def lease(now: float, age: float = 0.0, tenant_revision: int = REVISION, *, is_well: bool = True) -> Lease:
    """A lease that was renewed so many seconds ago."""
    at = int(now - age)
    return Lease(
        at=at, is_well=is_well, websocket_url="ws://127.0.0.1:1/live", connections=7, tenant_revision=tenant_revision
    )


class Functions:
    """Lambda of a cell; each invocation renews its lease."""

    def __init__(self, directory: MemoryCellDirectory, cell: CellName) -> None:
        self.directory = directory
        self.cell = cell
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> None:
        """Do what `beat` does."""
        self.calls.append(request)
        self.directory.renew(self.cell, lease(time.time()))


class CellStandIn:
    """A cell's account and functions."""

    def __init__(self, directory: MemoryCellDirectory, cell: CellName) -> None:
        self.account = f"of {cell}"
        self.functions = {"beat": "p-beat"}
        self.aws = Functions(directory, cell)

    def client(self, _service: str) -> Functions:
        """Lambda."""
        return self.aws


def deployment_of(directory: MemoryCellDirectory, *cells: CellName) -> Any:
    """A deployment with these further cells."""
    return SimpleNamespace(
        directory=directory,
        cells={cell: CellStandIn(directory, cell) for cell in cells},
        outputs={"cells": {cell: {"placement": {"lease_seconds": 6}} for cell in cells}},
    )


@pytest.fixture
def directory() -> MemoryCellDirectory:
    """The leases, of a hub whose tenants have changed four times."""
    directory = MemoryCellDirectory()
    directory.last_revision = REVISION
    return directory


@pytest.mark.parametrize("changes", [None, {"tenant_revision": REVISION - 1}, {"age": 60}, {"is_well": False}])
def test_a_cell_without_the_tenants_or_without_life_is_named(
    directory: MemoryCellDirectory, changes: dict[str, Any] | None
) -> None:
    """The operator learns which one, and where to look."""
    directory.leases[NORTH] = lease(time.time())
    if changes is not None:
        directory.leases[SOUTH] = lease(time.time(), **changes)
    with pytest.raises(OperatorError, match=r"After 0 s the tenants as they are now have not reached south\."):
        await_tenants(deployment_of(directory, NORTH, SOUTH), 0.0)
    assert cells_without_tenants(deployment_of(directory, NORTH, SOUTH), 0.0) == [SOUTH]


def test_each_cell_fetches_the_tenants_at_once(directory: MemoryCellDirectory) -> None:
    """Without a wait for its schedule, which comes once a minute."""
    deployment = deployment_of(directory, NORTH, SOUTH)
    copy_tenants_now(deployment, 0.0)
    calls = [cell.aws.calls for cell in deployment.cells.values()]
    assert calls == [[{"FunctionName": "p-beat", "Qualifier": "live", "Payload": b"{}"}]] * 2


def test_a_hub_without_further_cells_is_asked_nothing() -> None:
    """It has no table of them."""
    hub: Any = SimpleNamespace(cells={})
    copy_tenants_now(hub, 0.0)


def test_a_cell_that_was_taken_out_is_forgotten(directory: MemoryCellDirectory) -> None:
    """Its order would hold for the next cell of that name; a hub alone has no table of them."""
    for cell in (NORTH, SOUTH):
        directory.leases[cell] = lease(NOW)
        directory.order(cell, 0)
    forget_removed_cells(deployment_of(directory), [NORTH, SOUTH])
    assert directory.orders.keys() == {NORTH, SOUTH}
    forget_removed_cells(deployment_of(directory, NORTH), [NORTH, SOUTH])
    assert (directory.orders, set(directory.leases)) == ({NORTH: 0.0}, {NORTH})


def test_a_cell_is_found_by_its_name(directory: MemoryCellDirectory) -> None:
    """Without a name it is the hub's; an unknown one is a sentence with the names of all."""
    hub = deployment_of(directory, NORTH)
    hub.all_cells = {HUB: hub, **hub.cells}
    assert cell_named(hub, None) is cell_named(hub, "hub") is hub
    assert cell_named(hub, "north") is hub.cells[NORTH]
    with pytest.raises(OperatorError, match=r"There is no cell east\.") as raised:
        cell_named(hub, "east")
    assert raised.value.remedy == "The cells are hub, north."


def test_the_table_shows_each_cell_with_its_lease(
    directory: MemoryCellDirectory, terminal: Terminal, written: io.StringIO
) -> None:
    """One that was never applied, or never came to life, was never seen."""
    directory.leases[NORTH] = lease(NOW, age=2, tenant_revision=REVISION - 1)
    east, west = CellName("east"), CellName("west")
    directory.leases[east] = lease(NOW, age=60)
    directory.leases[west] = lease(NOW, age=2, is_well=False)
    directory.order(east, 0)
    terminal.show(cell_table(deployment_of(directory, NORTH, SOUTH, east, west), NOW))
    rows = [" ".join(line.split()) for line in written.getvalue().splitlines()]
    assert "north of north 7 alive 2 revision 3 of 4" in rows
    assert "south of south declared, never seen" in rows
    assert "east of east 7 not alive, drained 60 all" in rows
    assert "west of west 7 not alive 2 all" in rows


def test_one_cell_is_the_hub_as_it_ever_was() -> None:
    """No variable, so nothing changes."""
    assert cell_variables(1) == {}


def test_a_further_cell_has_the_settings_of_the_hubs_but_the_lifetime() -> None:
    """The hub says how long a broadcast lives, and gives the rest to no cell."""
    hub = {
        "broadcast": {"chunk_size": 25, "lifetime_seconds": 20},
        "quota": {"burst": 500},
        "auth": {"session": "none"},
    }
    assert variables_of_a_cell(hub) == {"broadcast": {"chunk_size": 25}, "quota": {"burst": 500}}
    assert variables_of_a_cell({"broadcast": {"lifetime_seconds": 20}}) == {}

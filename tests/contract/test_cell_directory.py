"""One suite for the directory of cells: its in-memory twin and DynamoDB."""

from dataclasses import replace

import pytest

from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.model import CellStatus, Lease
from loudhailer.cells.port import CellDirectory
from loudhailer.ids import HUB
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.broadcasts import NORTH, NOW, SOUTH
from tests.support.fakes.cells import MemoryCellDirectory

LEASE = Lease(
    at=NOW,
    is_well=True,
    websocket_url="wss://north.example.test/live",
    connections=7,
    tenant_revision=3,
    taking_part={HUB: 1.0, NORTH: 0.25},
)


@pytest.fixture(params=["memory", *ADAPTERS])
def directory(request: pytest.FixtureRequest) -> CellDirectory:
    """Each of the directories, empty."""
    if request.param == "memory":
        return MemoryCellDirectory()
    return DynamoCellDirectory(dynamodb_of(request), table_of(request)("cells"))


def test_a_cell_that_was_never_seen_has_no_lease(directory: CellDirectory) -> None:
    """It exists nevertheless."""
    assert directory.statuses([HUB, NORTH]) == {HUB: CellStatus(), NORTH: CellStatus()}
    assert directory.statuses([]) == {}


def test_a_lease_is_read_as_it_was_written(directory: CellDirectory) -> None:
    """Each cell has its own."""
    sick = replace(LEASE, is_well=False, connections=0)
    assert directory.renew(NORTH, LEASE)
    assert directory.renew(SOUTH, sick)
    assert directory.statuses([NORTH, SOUTH]) == {NORTH: CellStatus(LEASE), SOUTH: CellStatus(sick)}


def test_an_older_lease_does_not_replace_a_newer_one(directory: CellDirectory) -> None:
    """One run of a cell may be overtaken by another."""
    later = replace(LEASE, at=NOW + 5)
    assert directory.renew(NORTH, later)
    assert not directory.renew(NORTH, LEASE)
    assert directory.statuses([NORTH]) == {NORTH: CellStatus(later)}
    assert directory.renew(NORTH, replace(LEASE, at=NOW + 6))


def test_a_weight_set_by_an_operator_is_kept_until_it_is_removed(directory: CellDirectory) -> None:
    """A weight of 0 is one too; the cell's lease is another row."""
    directory.renew(NORTH, LEASE)
    for weight in (0.0, 2.5):
        directory.order(NORTH, weight)
        assert directory.statuses([NORTH, SOUTH]) == {NORTH: CellStatus(LEASE, weight), SOUTH: CellStatus()}
    for _ in range(2):
        directory.order(NORTH, None)
    assert directory.statuses([NORTH]) == {NORTH: CellStatus(LEASE)}


def test_the_revision_is_0_before_the_first_tenant(directory: CellDirectory) -> None:
    """The commands that change tenants raise it."""
    assert directory.tenant_revision() == 0


def test_a_forgotten_cell_has_neither_lease_nor_order(directory: CellDirectory) -> None:
    """Others keep theirs; to forget it again changes nothing."""
    for cell in (NORTH, SOUTH):
        directory.renew(cell, LEASE)
        directory.order(cell, 0)
    for _ in range(2):
        directory.forget(NORTH)
    assert directory.statuses([NORTH, SOUTH]) == {NORTH: CellStatus(), SOUTH: CellStatus(LEASE, 0)}

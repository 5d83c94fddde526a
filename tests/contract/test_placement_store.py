"""One suite for the placements of sessions and players: their in-memory twin and DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.cells.placements.model import Placement, name_of_player, name_of_session
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.ids import HUB, PlayerId, SessionId, TenantId
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, dynamodb_of, table_of
from tests.support.broadcasts import NORTH, NOW, SOUTH, TENANT
from tests.support.fakes.cells import MemoryPlacementStore

OTHER = TenantId("globex")
S1, ANN = name_of_session(SessionId("s1")), name_of_player(PlayerId("ann"))
FIRST = Placement(cell=NORTH, version=1, expires_at=NOW + 100, player=PlayerId("ann"))
SECOND = Placement(cell=SOUTH, version=2, expires_at=NOW + 200, former=NORTH, former_until=NOW + 50)


def store_of(request: pytest.FixtureRequest) -> PlacementStore:
    """The store for a fixture's parameter, empty."""
    if request.param == "memory":
        return MemoryPlacementStore()
    return DynamoPlacementStore(dynamodb_of(request), table_of(request)("placements"))


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> PlacementStore:
    """Each of the stores."""
    return store_of(request)


@pytest.fixture(params=NOT_REPEATED)
def once(request: pytest.FixtureRequest) -> PlacementStore:
    """The stores whose calls are carried out once."""
    return store_of(request)


def test_a_placement_is_read_as_it_was_put(store: PlacementStore) -> None:
    """A session and a player of one tenant have their own; another tenant's are apart."""
    assert store.put(TENANT, S1, FIRST)
    assert store.put(TENANT, ANN, replace(FIRST, player=None))
    assert store.put(OTHER, S1, replace(FIRST, cell=HUB))
    assert store.get(TENANT, [S1, ANN]) == {S1: FIRST, ANN: replace(FIRST, player=None)}
    assert store.get(OTHER, [S1, ANN]) == {S1: replace(FIRST, cell=HUB)}
    assert store.get(TENANT, []) == {}


@pytest.mark.parametrize(
    "flagged",
    [replace(FIRST, player=None, is_provisional=True), replace(FIRST, player=None, waits_elsewhere=True)],
    ids=["provisional", "messages wait elsewhere"],
)
def test_a_flag_of_a_placement_is_kept(store: PlacementStore, flagged: Placement) -> None:
    """Both are false where a row has none: a former release wrote it."""
    assert store.put(TENANT, ANN, flagged)
    assert store.get(TENANT, [ANN]) == {ANN: flagged}
    assert store.put(TENANT, ANN, SECOND)
    assert store.get(TENANT, [ANN]) == {ANN: SECOND}


def test_a_placement_replaces_only_its_predecessor(store: PlacementStore) -> None:
    """So two requests that place a session at once come to one cell."""
    assert not store.put(TENANT, S1, SECOND)
    assert store.put(TENANT, S1, FIRST)
    assert not store.put(TENANT, S1, replace(FIRST, cell=SOUTH))
    assert store.put(TENANT, S1, SECOND)
    assert not store.put(TENANT, S1, FIRST)
    assert not store.put(TENANT, S1, replace(SECOND, version=4))
    assert store.get(TENANT, [S1]) == {S1: SECOND}


def test_one_of_many_concurrent_placements_succeeds(once: PlacementStore) -> None:
    """The other requests get its result."""
    with ThreadPoolExecutor(4) as pool:
        placed = list(pool.map(lambda number: once.put(TENANT, S1, replace(FIRST, expires_at=number)), range(8)))
    assert placed.count(True) == 1
    assert once.get(TENANT, [S1])[S1].expires_at == placed.index(True)


def test_the_cells_of_a_tenant_are_recorded(store: PlacementStore) -> None:
    """Again each time; those of another tenant whose id begins alike are not its."""
    for cell, now in ((HUB, NOW), (NORTH, NOW), (NORTH, NOW + 9)):
        store.add_cell(TENANT, cell, now)
    store.add_cell(TenantId(f"{TENANT}2"), SOUTH, NOW)
    assert store.cells_of(TENANT) == {HUB: NOW, NORTH: NOW + 9}
    assert store.cells_of(OTHER) == {}


def test_a_tenants_placements_and_cells_are_forgotten(store: PlacementStore) -> None:
    """All of them, whichever key they are under; a second time nothing is left; other tenants keep theirs."""
    others = OTHER, TenantId(f"{TENANT}2")
    names = [name_of_session(SessionId(f"s{number}")) for number in range(60)]
    for name in names:
        assert store.put(TENANT, name, FIRST)
    for tenant in others:
        assert store.put(tenant, S1, FIRST)
    for tenant in (TENANT, *others):
        store.add_cell(tenant, HUB, NOW)
        store.add_cell(tenant, NORTH, NOW)
    for _ in range(2):
        store.forget(TENANT)
        assert store.get(TENANT, names) == {}
        assert store.cells_of(TENANT) == {}
    for tenant in others:
        assert store.get(tenant, [S1]) == {S1: FIRST}
        assert store.cells_of(tenant) == {HUB: NOW, NORTH: NOW}


def test_a_cell_that_was_recorded_again_is_not_forgotten(once: PlacementStore) -> None:
    """A client may have been placed there meanwhile."""
    once.add_cell(TENANT, NORTH, NOW + 9)
    assert not once.remove_cell(TENANT, NORTH, NOW)
    assert not once.remove_cell(TENANT, SOUTH, NOW)
    assert once.cells_of(TENANT) == {NORTH: NOW + 9}
    assert once.remove_cell(TENANT, NORTH, NOW + 9)
    assert once.cells_of(TENANT) == {}

"""Keys are spread over cells by weight, and move only to or from a cell that comes or goes."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.cells.rendezvous import homes, ranked, share
from loudhailer.ids import HUB, CellName

KEYS = [f"session-{number}" for number in range(3_000)]
NORTH, SOUTH = CellName("north"), CellName("south")
EVEN = {HUB: 1.0, NORTH: 1.0, SOUTH: 1.0}

weights_of_cells = st.dictionaries(
    st.sampled_from([CellName(name) for name in ("hub", "north", "south", "blue", "green")]),
    st.floats(0.1, 100),
    min_size=1,
)


@pytest.mark.parametrize("weights", [EVEN, {HUB: 1.0, NORTH: 3.0}], ids=["even", "one to three"])
def test_keys_are_spread_by_weight(weights: Mapping[CellName, float]) -> None:
    """Within three standard deviations of the weights' shares."""
    found = Counter(ranked(key, weights)[0] for key in KEYS)
    for cell, weight in weights.items():
        part = weight / sum(weights.values())
        deviation = (len(KEYS) * part * (1 - part)) ** 0.5
        assert abs(found[cell] - len(KEYS) * part) < 3 * deviation


def test_a_new_cell_takes_its_share_and_moves_no_other_key() -> None:
    """Keys go to the new one, or stay where they were."""
    before = {key: ranked(key, {HUB: 1.0, NORTH: 1.0})[0] for key in KEYS}
    after = {key: ranked(key, EVEN)[0] for key in KEYS}
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {after[key] for key in moved} == {SOUTH}
    assert abs(len(moved) - len(KEYS) / 3) < 3 * (len(KEYS) * 2 / 9) ** 0.5


@given(st.text(), weights_of_cells)
def test_the_remaining_cells_keep_their_order_without_one_cell(key: str, weights: Mapping[CellName, float]) -> None:
    """So sessions on the remaining cells stay there."""
    order = ranked(key, weights)
    assert sorted(order) == sorted(weights)
    for gone in weights:
        remaining = {cell: weight for cell, weight in weights.items() if cell != gone}
        assert ranked(key, remaining) == [cell for cell in order if cell != gone]


def test_a_cell_of_weight_zero_is_never_chosen() -> None:
    """It may be the last one."""
    assert ranked("key", {HUB: 0.0, NORTH: 1.0}) == [NORTH]
    assert ranked("key", {HUB: 0.0}) == []


@pytest.mark.parametrize(("connections", "expected"), [(0, 1), (1, 1), (20_000, 1), (20_001, 2), (10**9, 3)])
def test_a_tenant_has_a_home_for_each_20000_connections(connections: int, expected: int) -> None:
    """One at least, and no more than there are cells; a larger tenant keeps the homes that it had."""
    found = homes("acme", connections, EVEN, home_connections=20_000)
    assert found == ranked("acme", EVEN)[:expected]


@given(st.integers(1, 10**9), weights_of_cells)
def test_the_parts_of_a_limit_add_up_to_it(limit: int, weights: Mapping[CellName, float]) -> None:
    """Unless it is smaller than the number of homes, where each has one."""
    parts = {cell: share(limit, cell, weights) for cell in weights}
    assert min(parts.values()) >= 1
    assert sum(parts.values()) == limit or (min(parts.values()) == 1 and sum(parts.values()) <= limit + len(weights))


def test_another_cell_has_the_part_of_the_largest_one() -> None:
    """So it can take over all of its clients."""
    weights = {HUB: 1.0, NORTH: 3.0}
    assert share(100, SOUTH, weights) == share(100, NORTH, weights) == 75


@pytest.mark.parametrize("weights", [{}, {NORTH: 0.0}])
def test_a_limit_without_a_weight_is_undivided(weights: Mapping[CellName, float]) -> None:
    """Nobody knows of a cell that takes part, so nobody is refused for it."""
    assert share(100, HUB, weights) == 100

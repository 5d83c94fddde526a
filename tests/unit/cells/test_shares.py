"""Tenants' limits are divided over the cells that take part, and nobody gets more in all."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import override

import pytest

from loudhailer.cells import rendezvous
from loudhailer.cells.model import CellStatus, Lease
from loudhailer.cells.taking_part import cells_taking_part
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName
from loudhailer.limits.shares import HubShare, Shares
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import NORTH, NOW, SOUTH, TENANT
from tests.support.fakes.cells import MemoryCellDirectory

LIMIT = 31
EVEN = {HUB: 1.0, NORTH: 1.0, SOUTH: 1.0}
LEASE_SECONDS = 15
ACME = Tenant(
    TENANT,
    tenant_connections=LIMIT,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
)


class Directory(MemoryCellDirectory):
    """The leases of north and south; counts how often they are read, and may be down."""

    def __init__(self, *alive: CellName) -> None:
        super().__init__()
        self.reads = 0
        self.is_down = False
        for cell in (NORTH, SOUTH):
            self.renew(cell, lease(NOW if cell in alive else NOW - LEASE_SECONDS - 1))

    @override
    def statuses(self, cells: Collection[CellName]) -> Mapping[CellName, CellStatus]:
        self.reads += 1
        if self.is_down:
            raise TransientError("the directory is down")
        return super().statuses(cells)


def lease(at: int) -> Lease:
    """A lease of that second."""
    return Lease(at=at, is_well=True, websocket_url="wss://x", connections=0, tenant_revision=1)


def taking_part(directory: Directory, own: CellName = HUB) -> Mapping[CellName, float]:
    """The cells that take part as a cell sees them."""
    return cells_taking_part(directory.statuses(list(EVEN)), EVEN, own=own, now=NOW, lease_seconds=LEASE_SECONDS)


def part(directory: Directory, own: CellName, *, home_connections: int = 1) -> int:
    """The part of the limit that a cell gives itself."""
    shares = Shares(weights=EVEN, home_connections=home_connections)
    return shares.part(ACME, own, taking_part(directory, own)).tenant_connections


def hub_share(directory: Directory, now: list[float]) -> HubShare:
    """The hub's own share at the last of these times."""
    shares = Shares(weights=EVEN, home_connections=1)
    return HubShare(directory, shares, lease_seconds=LEASE_SECONDS, clock=lambda: now[-1])


@pytest.mark.parametrize("alive", [(NORTH, SOUTH), (SOUTH,)], ids=["all alive", "north lost"])
def test_the_parts_of_the_live_cells_add_up_to_the_limit(alive: tuple[CellName, ...]) -> None:
    """Each cell computes its own, the hub's included."""
    directory = Directory(*alive)
    parts = [part(directory, cell) for cell in (HUB, *alive)]
    assert sum(parts) == LIMIT
    assert max(parts) - min(parts) <= 1


def test_the_parts_stay_while_more_than_half_are_lost(counted: Counter[str]) -> None:
    """The cells that are left get no session more, so they need no larger part."""
    assert part(Directory(), HUB) == part(Directory(NORTH, SOUTH), HUB)
    assert counted["CellsLostTogether"] == 1


def test_a_cell_without_a_lease_takes_no_part() -> None:
    """It is in the map and was never applied; its own first beat counts it, and the hub needs no lease."""
    directory = Directory(NORTH)
    del directory.leases[SOUTH]
    assert taking_part(directory) == {HUB: 1.0, NORTH: 1.0}
    assert taking_part(directory, SOUTH) == EVEN


def test_a_cell_that_is_at_work_counts_itself() -> None:
    """Its last lease may be over: its first beat after that is under way."""
    assert taking_part(Directory(SOUTH), NORTH) == EVEN


def test_an_operators_weight_takes_the_place_of_the_declared_one() -> None:
    """None for a cell that is drained."""
    directory = Directory(NORTH, SOUTH)
    directory.order(NORTH, 0)
    directory.order(SOUTH, 3.5)
    assert taking_part(directory) == {HUB: 1.0, SOUTH: 3.5}


def test_a_limit_without_a_home_that_takes_part_is_divided_over_all_cells() -> None:
    """The tenant's sessions are spread over them, too."""
    directory = Directory(NORTH, SOUTH)
    (home,) = Shares(weights=EVEN, home_connections=LIMIT).homes(ACME)
    assert part(directory, home, home_connections=LIMIT) == LIMIT
    directory.order(home, 0)
    others = EVEN.keys() - {home}
    assert sum(part(directory, cell, home_connections=LIMIT) for cell in others) == LIMIT


def test_the_hub_reads_the_leases_every_five_seconds() -> None:
    """A crowd that connects asks for its tenant, not for the cells."""
    directory, now = Directory(NORTH, SOUTH), [float(NOW)]
    share = hub_share(directory, now)
    for seconds, reads in ((0, 1), (4.9, 1), (5, 2)):
        now.append(NOW + seconds)
        share(ACME)
        assert directory.reads == reads


def test_the_hub_divides_a_tenants_limits_once_until_the_tenant_or_the_cells_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each handshake needs the parts, and computing them takes longer the more cells there are."""
    divided: list[int] = []

    def counting(limit: int, cell: CellName, weights: Mapping[CellName, float]) -> int:
        divided.append(limit)
        return rendezvous.share(limit, cell, weights)

    monkeypatch.setattr("loudhailer.limits.shares.share", counting)
    directory, now = Directory(NORTH, SOUTH), [float(NOW)]
    share = hub_share(directory, now)
    assert share(ACME) == share(ACME)
    assert len(divided) == 4
    more = share(replace(ACME, tenant_connections=2 * LIMIT)).tenant_connections
    assert (len(divided), more) == (8, 2 * LIMIT // 3 + 1)
    directory.order(SOUTH, 0)
    now.append(NOW + 5)
    assert (share(ACME).tenant_connections, len(divided)) == (LIMIT // 2 + 1, 12)


@pytest.mark.parametrize("knows", [True, False])
def test_the_hub_keeps_its_last_part_while_the_directory_is_down(*, knows: bool, counted: Counter[str]) -> None:
    """One that never read it takes the smallest, as if all cells were alive."""
    directory, now = Directory(SOUTH), [float(NOW)]
    share = hub_share(directory, now)
    if knows:
        share(ACME)
    directory.is_down = True
    now.append(NOW + 5)
    assert share(ACME).tenant_connections == (LIMIT // 2 + 1 if knows else LIMIT // 3 + 1)
    assert counted["CellsUnknown"] == 1

"""The health of a further cell, as the hub sees it."""

import asyncio
from dataclasses import replace

import pytest

from loudhailer.cells.model import Lease
from loudhailer.cells.rendezvous import homes
from loudhailer.ids import HUB, CellName
from tests.support.fakes.cells import MemoryCellDirectory
from tools.release.cell_health import CellInHub, tenant_at

NORTH, SOUTH = CellName("north"), CellName("south")
NOW = 1_000_000
WELL = Lease(
    at=NOW, is_well=True, websocket_url="wss://north.example", connections=0, tenant_revision=0, taking_part={}
)


class Clock:
    """A clock that a pause moves."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        """The time."""
        return self.now

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def in_hub(directory: MemoryCellDirectory, clock: Clock, **changed: float) -> CellInHub:
    """North in a hub of three cells of the same weight, but for changes."""
    weights = {HUB: 1.0, NORTH: 1.0, SOUTH: 1.0} | {CellName(name): weight for name, weight in changed.items()}
    return CellInHub(
        name=NORTH,
        weights=weights,
        lease_seconds=15,
        directory=directory,
        clock=clock,
        pause=clock.pause,
    )


def test_a_cell_with_a_young_lease_and_the_tenants_is_well() -> None:
    """At once."""
    directory, clock = MemoryCellDirectory(), Clock()
    directory.renew(NORTH, WELL)
    assert asyncio.run(in_hub(directory, clock).problems()) == []
    assert clock.now == NOW


@pytest.mark.parametrize(
    ("lease", "problem"),
    [
        (None, "it does not renew its lease at the hub, or says that it is not well"),
        (replace(WELL, is_well=False), "it does not renew its lease at the hub, or says that it is not well"),
        (replace(WELL, tenant_revision=-1), "it does not copy the hub's tenants"),
    ],
)
def test_a_cell_that_does_not_come_in_time_is_a_problem(lease: Lease | None, problem: str) -> None:
    """Its schedule has a minute, and half a minute more."""
    directory, clock = MemoryCellDirectory(), Clock()

    async def pause(seconds: float) -> None:
        await clock.pause(seconds)
        if lease is not None:
            directory.renew(NORTH, replace(lease, at=int(clock.now)))

    assert asyncio.run(replace(in_hub(directory, clock), pause=pause).problems()) == [problem]
    assert clock.now == NOW + 90


def test_a_cell_that_comes_late_is_well() -> None:
    """As after its first apply."""
    directory, clock = MemoryCellDirectory(), Clock()

    async def pause(seconds: float) -> None:
        await clock.pause(seconds)
        if clock.now >= NOW + 60:
            directory.renew(NORTH, replace(WELL, at=int(clock.now)))

    assert asyncio.run(replace(in_hub(directory, clock), pause=pause).problems()) == []


def test_the_tenant_of_the_check_has_the_cell_as_its_only_home() -> None:
    """Whatever the weights, and also where few connections make a home."""
    for weight in (1.0, 0.01):
        weights = {HUB: 1.0, NORTH: weight, SOUTH: 1.0}
        tenant = tenant_at(NORTH, weights, 1)
        assert homes(tenant.tenant_id, tenant.tenant_connections, weights, home_connections=1) == [NORTH]
        assert tenant.tenant_id.startswith("synthetic-north-")


def test_a_cell_without_weight_gets_no_sessions() -> None:
    """The map says so, or an operator's order; an order makes no home of a cell without weight."""
    directory, clock = MemoryCellDirectory(), Clock()
    assert in_hub(directory, clock).gets_sessions
    assert not in_hub(directory, clock, north=0.0).gets_sessions
    directory.order(NORTH, 0)
    assert not in_hub(directory, clock).gets_sessions
    directory.order(NORTH, 2)
    assert in_hub(directory, clock).gets_sessions
    assert not in_hub(directory, clock, north=0.0).gets_sessions

"""A cell's clients are asked to move at a rate, until none is left."""

import time
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from loudhailer import codec
from loudhailer.cells.model import Lease
from loudhailer.cells.placements.model import FORMER_SECONDS
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, ConnectionId, PlayerId, SessionId, TenantId
from loudhailer.partitions.model import PartitionCount
from loudhailer.sessions.model import Session
from tests.support.broadcasts import NORTH, NOW, SOUTH, TENANT, partition
from tests.support.fakes.cells import MemoryCellDirectory
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.sessions import MemorySessionStore
from tools.errors import OperatorError
from tools.operations.draining import Draining, order_drain, overlap_of, require_order, stop_drain

OVERLAP = 250
ANN = PlayerId("ann")
LEASE_SECONDS = 6


class CellFixture:
    """A cell whose clients move when they are asked, unless the test wants them to stay."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.sessions, self.partitions = MemorySessionStore(), MemoryPartitionStore()
        self.partitions.rows[partition(0)] = PartitionCount(partition(0), 0)
        self.posted: list[tuple[float, str]] = []
        self.stays: set[str] = set()
        self.answers: dict[str, Exception] = {}
        self.shown: list[tuple[int, int]] = []
        self.require_order: Callable[[], None] = lambda: None
        self._ends: dict[str, float] = {}

    def add(
        self, session: str, *connections: str, player: PlayerId | None = None, expires_at: int = NOW + 9_999
    ) -> None:
        """Have a session with connections."""
        keys = frozenset(ConnectionKey(partition(0), ConnectionId(name)) for name in connections)
        name = SessionId(session)
        self.sessions.rows[TENANT, name] = Session(TENANT, name, expires_at, player, keys)
        self._count(len(keys))

    @property
    def gateway(self) -> "CellFixture":
        """The management API."""
        return self

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803  # AWS's names
        """Take a frame; the client moves, and ends this connection after the overlap."""
        assert codec.decode(Data.decode()) == {"type": "move", "overlapSeconds": OVERLAP}
        self.posted.append((self.now, ConnectionId))
        if ConnectionId in self.answers:
            raise self.answers[ConnectionId]
        if ConnectionId not in self.stays:
            self._ends[ConnectionId] = self.now + OVERLAP

    def pause(self, seconds: float) -> None:
        """Let time pass, in which connections end."""
        self.now += seconds
        # Threads that post add to it meanwhile.
        for name in [name for name, at in list(self._ends.items()) if at <= self.now]:
            del self._ends[name]
            self.end(name)

    def end(self, connection: str) -> None:
        """A connection is closed and counted."""
        key = ConnectionKey(partition(0), ConnectionId(connection))
        for row in list(self.sessions.rows.values()):
            if key in row.connections:
                self.sessions.forget(row.tenant_id, row.session_id, [key])
                self._count(-1)

    def drain(self, rate: int = 100) -> int:
        """Drain it; return how many have stayed."""
        cell: Any = self

        def show(done: int, total: int) -> None:
            self.shown.append((done, total))

        draining = Draining(
            cell,
            [TENANT],
            rate=rate,
            overlap_seconds=OVERLAP,
            require_order=self.require_order,
            progressed=show,
            clock=lambda: self.now,
            pause=self.pause,
        )
        return draining()

    def _count(self, change: int) -> None:
        row = self.partitions.rows[partition(0)]
        self.partitions.rows[partition(0)] = PartitionCount(partition(0), row.count + change)


@pytest.fixture
def cell() -> CellFixture:
    """A cell without clients."""
    return CellFixture()


def names(cell: CellFixture) -> list[str]:
    """The connections that were asked, in order."""
    return [name for _, name in cell.posted]


def test_every_client_is_asked_once_and_the_cell_is_empty(cell: CellFixture) -> None:
    """The progress goes from none to all."""
    for number in range(5):
        cell.add(f"s{number}", f"c{number}")
    assert cell.drain() == 0
    assert sorted(names(cell)) == [f"c{number}" for number in range(5)]
    assert (cell.shown[0], cell.shown[-1]) == ((0, 5), (5, 5))


def test_clients_are_asked_at_the_rate(cell: CellFixture) -> None:
    """Ten a second, so the last of twenty comes after nearly two."""
    for number in range(20):
        cell.add(f"s{number}", f"c{number}")
    cell.drain(rate=10)
    # The posts are made by threads, so each may see a later time than the one at which it was due.
    assert cell.posted[-1][0] - NOW >= 1.9
    assert cell.posted[-1][0] - NOW < 3


def test_all_devices_of_a_player_are_asked_in_one_step(cell: CellFixture) -> None:
    """They stay on one cell, by their player's placement."""
    cell.add("s1", "a", player=ANN)
    cell.add("s2", "x")
    cell.add("s3", "b", "c", player=ANN)
    cell.drain(rate=1)
    together = [names(cell).index(name) for name in ("a", "b", "c")]
    assert max(together) - min(together) == 2


def test_a_session_lives_as_long_as_its_connections_may(cell: CellFixture) -> None:
    """They would be closed at its end; a session that lives longer is not shortened, and one that has none may end."""
    cell.add("short", "a", expires_at=NOW + 1)
    cell.add("long", "b", expires_at=NOW + 99_999)
    cell.add("without", expires_at=NOW + 1)
    cell.drain()
    ends = {name: row.expires_at for (_, name), row in cell.sessions.rows.items()}
    assert ends == {"short": NOW + FORMER_SECONDS, "long": NOW + 99_999, "without": NOW + 1}


def test_no_session_ends_in_a_slow_drain(cell: CellFixture) -> None:
    """400 sessions of 300 seconds are asked, one a second; each has its overlap."""
    for number in range(400):
        cell.add(f"s{number}", f"c{number}", expires_at=NOW + 300)
    pause = cell.pause

    def reconcile(seconds: float) -> None:
        pause(seconds)
        for row in list(cell.sessions.rows.values()):
            if row.connections and not row.is_live(cell.now):
                pytest.fail(f"{row.session_id} has expired under its connection")

    cell.pause = reconcile  # type: ignore[method-assign]  # it is what the test varies
    assert cell.drain(rate=1) == 0
    assert len(set(names(cell))) == 400


def test_a_session_that_cannot_be_extended_yet_is_asked_later(
    cell: CellFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are asked meanwhile, and its player's other sessions wait for it."""
    cell.add("s1", "a", player=ANN)
    cell.add("s2", "b", player=ANN)
    cell.add("s3", "c")
    extend, refused = cell.sessions.extend, iter([True, True])

    def throttled(tenant: TenantId, session: SessionId, expires_at: int) -> None:
        if session == "s2" and next(refused, False):
            raise TransientError("throttled")
        extend(tenant, session, expires_at)

    monkeypatch.setattr(cell.sessions, "extend", throttled)
    assert cell.drain() == 0
    assert (names(cell)[0], sorted(names(cell)[1:])) == ("c", ["a", "b"])
    assert cell.sessions.rows[TENANT, SessionId("s2")].expires_at > NOW + FORMER_SECONDS


def test_a_client_that_stays_is_asked_three_times(cell: CellFixture) -> None:
    """Each time once the overlap is over; then it is reported."""
    cell.add("s1", "a")
    cell.add("s2", "b")
    cell.stays.add("b")
    assert cell.drain() == 1
    assert sorted(names(cell)) == ["a", "b", "b", "b"]
    times = [at for at, name in cell.posted if name == "b"]
    assert min(later - at for at, later in pairwise(times)) >= OVERLAP


def test_a_client_that_came_meanwhile_is_asked_too(cell: CellFixture) -> None:
    """A placement of before the order may have led it here."""
    cell.add("s1", "a")
    pause = cell.pause

    def arrive(seconds: float) -> None:
        pause(seconds)
        if cell.now > NOW + 20 and "late" not in names(cell) and (TENANT, SessionId("late")) not in cell.sessions.rows:
            cell.add("late", "late")

    cell.pause = arrive  # type: ignore[method-assign]  # it is what the test varies
    assert cell.drain() == 0
    assert names(cell) == ["a", "late"]


@pytest.mark.parametrize(
    ("error", "stayed"),
    [
        (ClientError({"Error": {"Code": "GoneException"}}, "PostToConnection"), 0),
        (ClientError({"Error": {"Code": "LimitExceededException"}}, "PostToConnection"), 1),
        (EndpointConnectionError(endpoint_url="x"), 1),
    ],
    ids=["gone", "throttled", "out of reach"],
)
def test_a_connection_that_cannot_be_asked_holds_up_no_other(cell: CellFixture, error: Exception, stayed: int) -> None:
    """One that is gone counts as moved; what is refused for another reason is tried again."""
    cell.add("s1", "a")
    cell.add("s2", "b")
    cell.answers["b"] = error
    assert cell.drain() == stayed
    assert "a" in names(cell)


def test_an_expired_session_with_connections_is_asked_too(cell: CellFixture) -> None:
    """It is not deleted yet, and its sockets are open: nobody may say that the cell has no clients."""
    cell.add("s1", "a", expires_at=NOW - 1)
    assert cell.drain() == 0
    assert names(cell) == ["a"]
    assert cell.sessions.rows[TENANT, SessionId("s1")].expires_at == NOW + FORMER_SECONDS


class DeploymentFixture:
    """A hub, and north and south, whose leases say over which cells they divide the limits."""

    def __init__(self, *cells: CellName) -> None:
        self.directory = MemoryCellDirectory()
        self.cells: dict[CellName, Any] = {name: SimpleNamespace(outputs={}) for name in cells}
        weights = dict.fromkeys((HUB, *cells), 1.0)
        described = {"placement": {"lease_seconds": LEASE_SECONDS}, "weights": weights}
        self.outputs: dict[str, Any] = {
            "cells": dict.fromkeys(cells, described),
            "message_lifetime_seconds": 240,
            "timeouts": {"post_message": 10, "post_message-rooms": 12, "swarm": 20},
        }
        for name in cells:
            self.beat(name, *weights)

    def beat(self, name: CellName, *taking_part: CellName) -> None:
        """Renew a lease."""
        lease = Lease(
            at=int(time.time()),
            is_well=True,
            websocket_url="",
            connections=0,
            tenant_revision=1,
            taking_part=dict.fromkeys(taking_part, 1.0),
        )
        self.directory.leases[name] = lease

    @property
    def all_cells(self) -> dict[CellName, Any]:
        """The hub's and the further ones."""
        return {HUB: self, **self.cells}


def deployment(*cells: CellName) -> Any:
    """A deployment with these further cells."""
    return DeploymentFixture(*cells)


def test_an_order_waits_until_the_others_divide_the_limits() -> None:
    """Else the first clients would be refused by a tenant's limit of connections."""
    three = deployment(NORTH, SOUTH)
    pauses: list[float] = []

    def beat(seconds: float) -> None:
        pauses.append(seconds)
        three.beat((NORTH, SOUTH)[len(pauses) - 1], HUB, SOUTH)

    assert order_drain(three, "north", pause=beat) == NORTH
    assert (three.directory.orders, len(pauses)) == ({NORTH: 0}, 2)
    stop_drain(three, "north")
    assert three.directory.orders == {}


def test_an_order_does_not_wait_for_a_dead_cell() -> None:
    """It divides nothing."""
    three = deployment(NORTH, SOUTH)
    three.beat(NORTH, HUB, SOUTH)
    del three.directory.leases[SOUTH]

    def fail(_: float) -> None:
        pytest.fail("nobody is waited for")

    order_drain(three, "north", pause=fail)


def drained_already(three: Any) -> None:
    """North and the hub are drained."""
    for name in (HUB, NORTH):
        three.directory.order(name, 0)


def lost(three: Any) -> None:
    """South alone has a weight, and is lost."""
    drained_already(three)
    del three.directory.leases[SOUTH]


@pytest.mark.parametrize(
    ("cells", "name", "before"),
    [((), "hub", None), ((NORTH, SOUTH), "south", drained_already), ((NORTH, SOUTH), "north", lost)],
    ids=["one cell", "the last one", "others are lost"],
)
def test_the_last_cell_is_not_drained(
    cells: tuple[CellName, ...], name: str, before: Callable[[Any], None] | None
) -> None:
    """Its clients could go nowhere."""
    found = deployment(*cells)
    if before:
        before(found)
    orders = dict(found.directory.orders)
    with pytest.raises(OperatorError, match=r"No other cell could take its clients\."):
        order_drain(found, name)
    assert found.directory.orders == orders


def lose_the_others(two: Any) -> None:
    """The hub is drained, too, and south is lost."""
    two.directory.order(HUB, 0)
    del two.directory.leases[SOUTH]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda three: stop_drain(three, "north"), r"the drain was stopped\."),
        (lose_the_others, r"No other cell could take its clients\."),
    ],
    ids=["stopped", "others are lost"],
)
def test_a_drain_ends_once_its_clients_would_come_back(
    cell: CellFixture, change: Callable[[Any], None], reason: str
) -> None:
    """They would be asked again on each new connection, for ever: the simulation found a drain that went on so."""
    three = deployment(NORTH, SOUTH)
    three.directory.order(NORTH, 0)
    cell.require_order = lambda: require_order(three, NORTH)
    cell.add("s1", "a")
    cell.stays.add("a")
    pause = cell.pause

    def change_after_the_first(seconds: float) -> None:
        pause(seconds)
        if names(cell) == ["a"]:
            change(three)

    cell.pause = change_after_the_first  # type: ignore[method-assign]  # it is what the test varies
    with pytest.raises(OperatorError, match=reason):
        cell.drain()
    assert names(cell) == ["a"]


def test_no_client_is_asked_if_the_drain_is_stopped_before(cell: CellFixture) -> None:
    """The order may be taken back while the command waits for the other cells."""
    three = deployment(NORTH, SOUTH)
    cell.require_order = lambda: require_order(three, NORTH)
    cell.add("s1", "a")
    with pytest.raises(OperatorError, match=r"the drain was stopped\."):
        cell.drain()
    assert names(cell) == []


@pytest.mark.parametrize("act", [order_drain, stop_drain])
def test_an_unknown_cell_is_refused(act: Callable[[Any, str], object]) -> None:
    """The message has the names of all."""
    with pytest.raises(OperatorError, match=r"There is no cell east\."):
        act(deployment(NORTH), "east")


def test_the_overlap_is_a_broadcasts_lifetime_and_a_workers_longest_timeout() -> None:
    """The workers are those of the drained cell."""
    assert overlap_of(deployment(), HUB) == 252

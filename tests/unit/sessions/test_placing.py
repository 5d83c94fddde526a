"""Sessions are placed on cells, and stay there."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, override

import pytest

from functions.sessions.session_api import placing as placing_module
from functions.sessions.session_api.placing import CellStores, SessionCell, SeveralCells
from functions.sessions.session_api.session_api import SessionApi
from loudhailer import codec
from loudhailer.cells.model import DeclaredCell, Lease
from loudhailer.cells.placements.model import FORMER_SECONDS, KEPT_SECONDS, Placement, name_of_player, name_of_session
from loudhailer.cells.rendezvous import ranked
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, ConnectionId, PlayerId, SessionId, TenantId
from loudhailer.sessions.model import Session
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import NORTH, NOW, SOUTH, partition
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.cells import MemoryCellDirectory, MemoryPlacementStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.fakes.tenants import MemoryTenantStore

ACME = TenantId("acme")
TENANT = Tenant(
    ACME,
    tenant_connections=30,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
    tenant_sessions=30,
    revision=4,
)
ANN, BOB = PlayerId("ann"), PlayerId("bob")
CELLS = {
    NORTH: DeclaredCell(NORTH, "444444444444", "north-1", "us-east-1", 1.0),
    SOUTH: DeclaredCell(SOUTH, "666666666666", "south-1", "us-east-1", 1.0),
}
HUB_URL = "ws://127.0.0.1:1/hub/live"
URLS = {HUB: HUB_URL, NORTH: "ws://127.0.0.1:2/north/live", SOUTH: "ws://127.0.0.1:3/south/live"}
CONNECTION = ConnectionKey(partition(0), ConnectionId("c1"))
SESSIONS = [SessionId(f"s{number}") for number in range(60)]


class CellSessionStore(MemorySessionStore):
    """The sessions of a cell that may be down."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False

    @override
    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        if self.is_down:
            raise TransientError("the cell is down")
        return super().get(tenant, session)


class PlacingFixture:
    """A hub and two further cells, behind an API that places sessions on them."""

    def __init__(self, *, hub_weight: float = 1.0, home_connections: int = 1) -> None:
        self.now = float(NOW)
        self.directory = MemoryCellDirectory()
        self.placements = MemoryPlacementStore()
        self.sessions = {cell: CellSessionStore() for cell in URLS}
        self.places = {cell: MemoryPlaceStore() for cell in URLS}
        self.tenants = MemoryTenantStore(TENANT)
        for cell in CELLS:
            self.beat(cell)
        self.placing = SeveralCells(
            self.directory,
            self.placements,
            CELLS,
            lambda cell: CellStores(sessions=self.sessions[cell], places=self.places[cell]),
            hub_weight=hub_weight,
            hub_url=HUB_URL,
            home_connections=home_connections,
            lease_seconds=15,
            clock=lambda: self.now,
        )
        self.api = SessionApi(
            self.tenants,
            self.placing,
            MemoryBroadcastStore(),
            MemorySnapshotStore(),
            list_tenants=False,
            silo_tenants=(),
            needs_token=False,
            tenant_claim="tenantId",
            shortest_session_id=1,
            report_grace_seconds=180,
            clock=lambda: self.now,
        )

    def beat(self, *cells: CellName, **changes: Any) -> None:
        """Renew the leases of cells."""
        lease = Lease(at=int(self.now), is_well=True, websocket_url="", connections=0, tenant_revision=4)
        for cell in cells:
            self.directory.leases[cell] = replace(lease, **{"websocket_url": URLS[cell]} | changes)

    def later(self, seconds: float, *alive: CellName) -> None:
        """Let time pass, while those cells keep their leases."""
        self.now += seconds
        self.beat(*alive)

    def place(self, session: str, player: PlayerId | None = None) -> CellName:
        """Return the cell of a session that is placed and made there."""
        found = self.cell_of(session, player)
        found.sessions.renew(
            ACME, SessionId(session), player=found.player, expires_at=int(self.now) + 9_999, now=int(self.now)
        )
        return found.name

    def connect(self, session: str, cell: CellName) -> None:
        """Have a client of the session connected to the cell."""
        row = self.sessions[cell].rows[ACME, SessionId(session)]
        self.sessions[cell].rows[ACME, SessionId(session)] = replace(row, connections=frozenset({CONNECTION}))

    def cell_of(self, session: str, player: PlayerId | None = None) -> SessionCell:
        """Return the cell of a session that is placed."""
        found = self.placing.place(TENANT, SessionId(session), player)
        assert found is not None
        return found

    def call(self, method: str, **query: str) -> tuple[int, Any, str | None]:
        """Status, body and `Retry-After` of a reply."""
        event = {"routeKey": f"{method} /session", "requestContext": {}, "queryStringParameters": query}
        reply = self.api(event)
        return reply["statusCode"], codec.decode(reply["body"]), reply["headers"].get("retry-after")

    def named_of(self, cell: CellName) -> SessionId:
        """A session that is placed on the cell while all are candidates."""
        weights = dict.fromkeys(URLS, 1.0)
        return next(name for name in SESSIONS if ranked(f"acme#{name_of_session(name)}", weights)[0] == cell)


@pytest.fixture
def placing() -> PlacingFixture:
    """A fresh one."""
    return PlacingFixture()


def test_sessions_are_spread_and_stay(placing: PlacingFixture) -> None:
    """The same session comes to the same cell, and its clients get that cell's URL."""
    first = {session: placing.place(session) for session in SESSIONS}
    assert set(Counter(first.values())) == set(URLS)
    for session in SESSIONS:
        status, body, _ = placing.call("PUT", tenantId="acme", sessionId=session)
        assert (status, body["webSocketUrl"]) == (200, URLS[first[session]])
        assert placing.sessions[first[session]].get(ACME, session) is not None


def test_a_tenants_cell_is_recorded_before_its_session_is_placed(placing: PlacingFixture) -> None:
    """A broadcast in between names a cell too many, and never one too few; it is noted again after an hour."""
    noted: list[tuple[bool, bool]] = []

    class Watching(MemoryPlacementStore):
        @override
        def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
            noted.append((placement.cell in self.cells_of(tenant), bool(placing.sessions[placement.cell].rows)))
            return super().put(tenant, name, placement)

    placing.placing._placements = placing.placements = Watching()
    session = placing.named_of(NORTH)
    placing.place(session, ANN)
    assert noted == [(True, False)] * 2
    cell = placing.placements.rows[ACME, name_of_session(session)].cell
    for seconds, noted_at in ((3_599, NOW), (1, NOW + 3_600)):
        placing.later(seconds, NORTH, SOUTH)
        placing.place(session, ANN)
        assert placing.placements.cells_of(ACME) == {cell: noted_at}


def test_the_cell_of_an_erased_tenants_successor_is_recorded(placing: PlacingFixture) -> None:
    """Broadcasts would miss the new tenant's clients if the function took the erased tenant's note for its own."""
    session = placing.named_of(NORTH)
    placing.place(session)
    placing.placements.forget(ACME)
    successor = replace(TENANT, revision=TENANT.revision + 2)
    placing.beat(NORTH, SOUTH, tenant_revision=successor.revision)
    placing.now += 1
    found = placing.placing.place(successor, session, None)
    assert found is not None
    assert (found.name, placing.placements.cells_of(ACME)) == (NORTH, {NORTH: placing.now})


def test_a_function_remembers_a_bounded_number_of_recorded_cells(
    placing: PlacingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it forgets them, it notes the cells again."""
    monkeypatch.setattr(placing_module, "_MOST_REMEMBERED", 1)
    for session in (placing.named_of(NORTH), placing.named_of(SOUTH), placing.named_of(HUB)):
        placing.place(session)
        assert len(placing.placing._noted) == 1
    assert placing.placements.cells_of(ACME).keys() == set(URLS)


def test_all_devices_of_a_player_are_on_one_cell(placing: PlacingFixture) -> None:
    """Each of the player's sessions follows."""
    cells = {placing.place(session, ANN) for session in SESSIONS}
    assert len(cells) == 1
    assert {row.player for (_, name), row in placing.placements.rows.items() if name != name_of_player(ANN)} == {ANN}


@pytest.mark.parametrize("cell", URLS)
def test_messages_do_not_decide_where_a_player_is_placed(placing: PlacingFixture, cell: CellName) -> None:
    """Else a bot that writes to many absent players would have all of them placed on its own cell."""
    wanted = PlacingFixture().place("s1", ANN)
    collected = Placement(cell=cell, version=1, expires_at=NOW + KEPT_SECONDS, is_provisional=True)
    assert placing.placements.put(ACME, name_of_player(ANN), collected)
    assert placing.place("s1", ANN) == wanted
    after = placing.placements.rows[ACME, name_of_player(ANN)]
    assert (after.cell, after.version, after.is_provisional) == (wanted, 2, False)
    assert after.former == (None if cell == wanted else cell)


def test_a_placement_is_written_on_a_change_or_after_half_its_lifetime(placing: PlacingFixture) -> None:
    """Its expiry is seven days after that."""
    name = name_of_session(SessionId("s1"))
    for seconds, version in ((0, 1), (KEPT_SECONDS / 2 - 1, 1), (1, 2)):
        placing.later(seconds, NORTH, SOUTH)
        placing.place("s1")
        assert placing.placements.rows[ACME, name].version == version
    assert placing.placements.rows[ACME, name].expires_at == int(placing.now) + KEPT_SECONDS
    assert placing.placements.rows[ACME, name].former is None


@pytest.mark.parametrize(
    "change",
    [
        lambda placing: placing.later(16, SOUTH),
        lambda placing: placing.beat(NORTH, is_well=False),
        lambda placing: placing.directory.order(NORTH, 0),
        lambda placing: placing.directory.leases.pop(NORTH),
        lambda placing: placing.beat(NORTH, websocket_url="ws://evil.example/live"),
    ],
    ids=["silent", "sick", "drained", "never seen", "misleading"],
)
def test_a_cell_that_is_not_a_candidate_gets_no_session(
    placing: PlacingFixture, change: Callable[[PlacingFixture], object]
) -> None:
    """Its sessions are placed elsewhere when they ask again; the others stay."""
    before = {session: placing.place(session) for session in SESSIONS}
    change(placing)
    placing.now += 1
    after = {session: placing.place(session) for session in SESSIONS}
    assert NORTH not in after.values()
    assert {session: cell for session, cell in after.items() if before[session] != NORTH} == {
        session: cell for session, cell in before.items() if cell != NORTH
    }
    moved = placing.placements.rows[ACME, name_of_session(placing.named_of(NORTH))]
    assert (moved.version, moved.former, moved.former_until) == (2, NORTH, int(placing.now) + FORMER_SECONDS)


@pytest.mark.parametrize(
    "change",
    [
        lambda placing: placing.later(16, SOUTH),
        lambda placing: placing.beat(NORTH, is_well=False),
        lambda placing: placing.directory.order(NORTH, 0),
    ],
    ids=["late", "sick", "drained"],
)
@pytest.mark.parametrize("player", [{}, {"playerId": "ann"}], ids=["unbound", "bound"])
def test_a_renewal_leaves_the_session_of_a_connected_client_where_it_is(
    placing: PlacingFixture, change: Callable[[PlacingFixture], object], player: dict[str, str]
) -> None:
    """Elsewhere the session would live without its client; a client that asks for its session again moves."""
    session = placing.named_of(NORTH)
    if player:
        elsewhere(placing, ANN, NORTH)
    placing.place(session, ANN if player else None)
    placing.connect(session, NORTH)
    before = dict(placing.placements.rows)
    change(placing)
    placing.now += 1
    named = {"tenantId": "acme", "sessionId": session}
    for query in (named, named | player):
        status, body, _ = placing.call("PUT", renew="true", **query)
        assert (status, body["webSocketUrl"]) == (200, URLS[NORTH])
    row = placing.sessions[NORTH].rows[ACME, session]
    assert (row.expires_at, row.connections) == (int(placing.now) + TENANT.session_seconds, frozenset({CONNECTION}))
    assert placing.placements.rows == before
    assert placing.call("PUT", **named)[1]["webSocketUrl"] != URLS[NORTH]


@pytest.mark.parametrize("state", ["no client", "over", "unreachable", "newly bound"])
def test_a_renewal_moves_a_session_that_has_no_connection_to_keep(placing: PlacingFixture, state: str) -> None:
    """Nothing would be closed by it, or it cannot be kept."""
    session = placing.named_of(NORTH)
    placing.place(session)
    if state != "no client":
        placing.connect(session, NORTH)
    placing.directory.order(NORTH, 0)
    placing.now += 10_000 if state == "over" else 1
    placing.beat(NORTH, SOUTH)
    placing.sessions[NORTH].is_down = state == "unreachable"
    player = {"playerId": "ann"} if state == "newly bound" else {}
    status, body, _ = placing.call("PUT", tenantId="acme", sessionId=session, renew="true", **player)
    assert status == 200
    assert body["webSocketUrl"] != URLS[NORTH]


def test_a_cell_without_the_tenants_last_change_keeps_its_sessions_and_gets_no_new_one(placing: PlacingFixture) -> None:
    """It has the change in some seconds; until then, others are as good for a new session."""
    before = {session: placing.place(session) for session in SESSIONS}
    placing.beat(NORTH, tenant_revision=3)
    placing.now += 1
    assert {session: placing.place(session) for session in SESSIONS} == before
    assert NORTH not in {placing.place(f"new-{number}") for number in range(60)}


def test_a_new_session_of_a_player_waits_for_its_cell_to_copy_the_tenant(
    placing: PlacingFixture, counted: Counter[str]
) -> None:
    """The handshake would be refused there, and on another cell it would part from the player's other devices."""
    elsewhere(placing, ANN, NORTH)
    session = SessionId("s1")
    placing.place(session, ANN)
    placing.beat(NORTH, tenant_revision=3)
    placing.now += 1
    answer = placing.call("PUT", tenantId="acme", sessionId="new", playerId="ann")
    assert answer == (503, {"message": "Service Unavailable"}, "1")
    assert placing.place(session, ANN) == NORTH
    placing.later(1, NORTH, SOUTH)
    assert placing.call("PUT", tenantId="acme", sessionId="new", playerId="ann")[0] == 200
    assert counted["SessionDeferred"] == 1


def test_a_cell_with_a_foreign_url_is_counted(placing: PlacingFixture, counted: Counter[str]) -> None:
    """The metric raises an alarm."""
    placing.beat(NORTH, websocket_url="ws://evil.example/live")
    placing.place("s1")
    assert counted["CellMisleads"] == 1


def test_a_moved_session_does_not_return(placing: PlacingFixture) -> None:
    """Its new cell is as good as the one that it had."""
    session = placing.named_of(NORTH)
    placing.place(session)
    placing.later(16, SOUTH)
    moved = placing.place(session)
    placing.later(16, NORTH, SOUTH)
    assert placing.place(session) == moved != NORTH


def test_the_leases_are_read_once_a_second(placing: PlacingFixture) -> None:
    """A storm of clients asks for its sessions, not for the cells."""
    session = placing.named_of(NORTH)
    placing.place("first")
    placing.directory.leases.clear()
    assert placing.place(session) == NORTH
    placing.now += 1
    assert placing.place(session) == HUB


def test_cells_lost_together_count_as_alive(placing: PlacingFixture, counted: Counter[str]) -> None:
    """More than half of the weight: the rest must not get a storm that was too much for all of them."""
    before = {session: placing.place(session) for session in SESSIONS}
    placing.later(16, SOUTH)
    assert NORTH not in {placing.place(f"new-{session}") for session in SESSIONS}
    assert counted["CellsLostTogether"] == 0
    placing.later(16)
    assert {placing.place(f"newer-{session}") for session in SESSIONS} == set(URLS)
    assert {session: placing.place(session) for session in SESSIONS} == before
    assert counted["CellsLostTogether"] >= 1


def test_a_new_session_waits_while_no_cell_has_the_tenants_last_change(counted: Counter[str]) -> None:
    """A hub without a weight does not get it: it would stay there for days."""
    placing = PlacingFixture(hub_weight=0)
    kept = placing.named_of(NORTH)
    cell = placing.place(kept)
    placing.beat(NORTH, SOUTH, tenant_revision=3)
    placing.now += 1
    assert placing.call("PUT", tenantId="acme", sessionId="new")[0] == 503
    assert placing.place(kept) == cell
    assert counted["NoCellAlive"] == 0
    placing.later(1, NORTH)
    assert placing.place("new") == NORTH


def test_live_cells_are_used_if_none_has_a_weight(placing: PlacingFixture, counted: Counter[str]) -> None:
    """An alarm says so. A cell that is not alive gets no session. Homes by declared weights come first."""
    for cell in URLS:
        placing.directory.order(cell, 0)
    assert {placing.place(session) for session in SESSIONS} == set(URLS)
    assert counted["NoCellAlive"] >= 1
    placing.later(16, SOUTH)
    assert {placing.place(f"later-{session}") for session in SESSIONS} == {HUB, SOUTH}


def test_a_small_tenant_has_one_home_with_its_whole_limit() -> None:
    """With the home lost, its sessions and its limits are spread over the cells that are left."""
    placing = PlacingFixture(home_connections=20_000)
    (cell,) = {placing.place(session) for session in SESSIONS}
    assert placing.cell_of("s1").tenant_sessions == 30
    placing.directory.order(cell, 0)
    placing.later(1, NORTH, SOUTH)
    assert placing.cell_of("s1").name != cell
    assert placing.cell_of("s1").tenant_sessions == 15


def test_a_limit_is_divided_over_the_live_homes(placing: PlacingFixture) -> None:
    """The part of one that is lost goes to the others, so that its sessions are not refused there."""
    assert [placing.cell_of(session).tenant_sessions for session in SESSIONS] == [10] * 60
    placing.later(16, SOUTH)
    assert [placing.cell_of(session).tenant_sessions for session in SESSIONS] == [15] * 60


def test_a_session_in_the_hub_without_a_placement_stays_in_the_hub(placing: PlacingFixture) -> None:
    """It lived there before there were further cells; one that is over is placed as a new one."""
    session = placing.named_of(NORTH)
    placing.sessions[HUB].renew(ACME, session, player=None, expires_at=NOW + 9, now=NOW)
    assert placing.place(session) == HUB
    placing.sessions[HUB].renew(ACME, SessionId("s2"), player=None, expires_at=NOW, now=NOW - 1)
    assert placing.cell_of("s2").name == ranked(f"acme#{name_of_session(SessionId('s2'))}", dict.fromkeys(URLS, 1.0))[0]


def elsewhere(placing: PlacingFixture, player: PlayerId, cell: CellName) -> None:
    """Have the player on the cell."""
    placing.placements.put(ACME, name_of_player(player), Placement(cell=cell, version=1, expires_at=NOW + KEPT_SECONDS))


def test_a_session_of_another_player_is_refused_on_every_cell(placing: PlacingFixture) -> None:
    """Also where the other player is on another cell than the session; it is not ended either."""
    session = placing.named_of(NORTH)
    placing.place(session, ANN)
    cell = placing.placements.rows[ACME, name_of_session(session)].cell
    elsewhere(placing, BOB, next(other for other in URLS if other != cell))
    for method in ("PUT", "DELETE"):
        assert placing.call(method, tenantId="acme", sessionId=session, playerId="bob")[0] == 409
    assert placing.sessions[cell].rows[ACME, session].player_id == ANN


def test_a_session_of_another_player_is_refused_while_its_cell_is_down(placing: PlacingFixture) -> None:
    """The placement has the player; one whose session is over there may be taken."""
    session = placing.named_of(NORTH)
    placing.place(session, ANN)
    cell = placing.placements.rows[ACME, name_of_session(session)].cell
    elsewhere(placing, BOB, next(other for other in URLS if other != cell))
    placing.sessions[cell].is_down = True
    assert placing.call("PUT", tenantId="acme", sessionId=session, playerId="bob")[0] == 409
    placing.sessions[cell].is_down = False
    placing.sessions[cell].rows.clear()
    assert placing.call("PUT", tenantId="acme", sessionId=session, playerId="bob")[0] == 200


def test_a_newly_bound_session_moves_to_its_players_cell(placing: PlacingFixture) -> None:
    """On the cell that it leaves it ends, so that its connections are closed, as on one cell."""
    session = placing.named_of(NORTH)
    placing.place(session)
    elsewhere(placing, ANN, SOUTH)
    assert placing.place(session, ANN) == SOUTH
    assert placing.sessions[NORTH].rows == {}


def test_a_bound_session_that_moves_without_a_named_player_stays_bound(placing: PlacingFixture) -> None:
    """And follows the player; what it leaves lives on until its clients have moved."""
    elsewhere(placing, ANN, NORTH)
    session = SessionId("s1")
    placing.place(session, ANN)
    placing.later(16, SOUTH)
    cell = placing.place(session)
    assert cell == placing.placements.rows[ACME, name_of_player(ANN)].cell != NORTH
    assert placing.sessions[cell].rows[ACME, session].player_id == ANN
    assert placing.sessions[NORTH].rows[ACME, session].player_id == ANN


def test_two_concurrent_placements_agree_on_one_cell(placing: PlacingFixture) -> None:
    """The one that is second reads again, and follows."""

    class Overtaken(MemoryPlacementStore):
        @override
        def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
            if not self.rows:
                self.rows[tenant, name] = replace(placement, cell=SOUTH)
            return super().put(tenant, name, placement)

    placing.placing._placements = Overtaken()
    assert placing.place(placing.named_of(NORTH)) == SOUTH


def test_a_placement_that_loses_every_race_asks_for_a_retry(placing: PlacingFixture) -> None:
    """The request fails, and the client repeats it."""

    class Overtaken(MemoryPlacementStore):
        @override
        def put(self, tenant: TenantId, name: str, placement: Placement) -> bool:
            return False

    placing.placing._placements = Overtaken()
    with pytest.raises(TransientError, match="placed the session at every attempt"):
        placing.place("s1")


def test_a_cell_that_does_not_answer_causes_a_503(placing: PlacingFixture, counted: Counter[str]) -> None:
    """Nothing moves until its lease is over; an error of the hub's own is no 503."""
    session = placing.named_of(NORTH)
    placing.place(session)
    placing.sessions[NORTH].is_down = True
    for method in ("PUT", "DELETE"):
        answer = placing.call(method, tenantId="acme", sessionId=session)
        assert answer == (503, {"message": "Service Unavailable"}, "1")
    assert counted["CellUnreachable"] == 2
    in_hub = placing.named_of(HUB)
    placing.place(in_hub)
    placing.sessions[HUB].is_down = True
    for method in ("PUT", "DELETE"):
        with pytest.raises(TransientError):
            placing.call(method, tenantId="acme", sessionId=in_hub)


def test_a_session_is_also_ended_on_its_former_cell(placing: PlacingFixture) -> None:
    """While connections may be left there."""
    session = placing.named_of(NORTH)
    placing.place(session)
    placing.later(16, SOUTH)
    placing.place(session)
    assert placing.call("DELETE", tenantId="acme", sessionId=session)[0] == 200
    assert [store.rows for store in placing.sessions.values()] == [{}] * 3
    assert placing.call("DELETE", tenantId="acme", sessionId=session)[0] == 400


def test_a_former_cell_that_is_down_blocks_no_deletion(placing: PlacingFixture) -> None:
    """Its row expires; later it is not asked any more."""
    session = placing.named_of(NORTH)
    placing.place(session)
    placing.later(16, SOUTH)
    cell = placing.place(session)
    placing.sessions[NORTH].is_down = True
    assert placing.call("DELETE", tenantId="acme", sessionId=session)[0] == 200
    assert placing.sessions[cell].rows == {}
    placing.later(FORMER_SECONDS, SOUTH)
    assert [cell for cell, _ in placing.placing.cells_of(TENANT, session)] == [cell]


def test_a_session_on_a_removed_cell_is_placed_again(placing: PlacingFixture) -> None:
    """Nobody can reach what it had there."""
    gone = Placement(cell=CellName("west"), version=1, expires_at=NOW + KEPT_SECONDS, player=ANN)
    placing.placements.put(ACME, name_of_session(SessionId("s1")), gone)
    assert placing.call("DELETE", tenantId="acme", sessionId="s1")[0] == 400
    assert placing.place("s1") in URLS
    assert placing.call("DELETE", tenantId="acme", sessionId="s1")[0] == 200


def test_the_note_of_a_removed_cell_is_removed_after_its_last_connection(placing: PlacingFixture) -> None:
    """A younger one may be of a cell that another environment knows already; those of declared cells stay."""
    west, east = CellName("west"), CellName("east")
    kept = TENANT.session_seconds + FORMER_SECONDS + 3_600
    for cell, noted_at in ((west, NOW - kept - 1), (east, NOW - kept), (SOUTH, 0)):
        placing.placements.add_cell(ACME, cell, noted_at)
    placing.place(placing.named_of(NORTH))
    assert placing.placements.cells_of(ACME) == {NORTH: NOW, east: NOW - kept, SOUTH: 0}


def test_a_session_without_a_placement_is_looked_for_in_the_hub(placing: PlacingFixture) -> None:
    """It may be from before there were further cells."""
    placing.sessions[HUB].renew(ACME, SessionId("s1"), player=None, expires_at=NOW + 9, now=NOW)
    assert placing.call("DELETE", tenantId="acme", sessionId="s1")[0] == 200

"""A tenant is erased with all that it has, however often that is interrupted, and nobody else loses anything."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from loudhailer import codec
from loudhailer.cells.placements.model import Placement, name_of_player, name_of_session
from loudhailer.channels.model import ChannelMember, Subscription
from loudhailer.codec import JsonText
from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.history.model import Head, Publication
from loudhailer.ids import (
    HUB,
    BroadcastId,
    CellName,
    Channel,
    ChannelKey,
    ConnectionId,
    Epoch,
    Partition,
    Pattern,
    PlayerId,
    SessionId,
    TenantId,
    nth_partition,
    tenant_of,
)
from loudhailer.inbox.model import DirectMessage, Inbox, message_id
from loudhailer.limits.places.model import inbox_of, sessions_of
from loudhailer.sessions.model import Session
from loudhailer.tenants.model import Tombstone
from tests.support.fakes.cells import MemoryPlacementStore
from tests.support.fakes.channels import MemoryMemberStore, MemorySubscriptionStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.history import MemoryHistoryStore, MemoryPublicationStore
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tools.errors import OperatorError
from tools.operations.erasing import Erasing, Stores
from tools.operations.tenants import SAMPLE_TENANTS, TenantChange, put

ACME, OTHER = TenantId("acme"), TenantId("acme-2")
ANN = PlayerId("ann")
NORTH = CellName("north")
NOW = 1_000
QUIET_SECONDS = 12.5
REST_SECONDS = 700


class ErasingFixture:
    """Two tenants alike, in twins; `end_session` and `accounting` do their work while the command waits."""

    def __init__(self, *, is_hub: bool = True) -> None:
        self.now = float(NOW)
        self.tenants = MemoryTenantStore(*(replace(SAMPLE_TENANTS[0], tenant_id=tenant) for tenant in (ACME, OTHER)))
        self.sessions, self.connections = MemorySessionStore(), MemoryConnectionStore()
        self.devices = MemoryDeviceStore(self.connections)
        self.partitions, self.places = MemoryPartitionStore(), MemoryPlaceStore()
        self.inboxes, self.limits = MemoryInboxStore(), MemoryLimitStore()
        self.placements: MemoryPlacementStore | None = None
        self.subscriptions, self.members = MemorySubscriptionStore(), MemoryMemberStore()
        self.is_hub = is_hub
        self.history, self.publications = MemoryHistoryStore(), MemoryPublicationStore()
        self.closed: list[ConnectionKey] = []
        self.accounting_runs = True
        self.sessions_end = True
        for tenant in (ACME, OTHER):
            self.fill(tenant)

    def fill(self, tenant: TenantId) -> None:
        """Three sessions with two connections each, in two partitions, and messages to a player who is not there."""
        for number in range(2):
            self.partitions.open(nth_partition(tenant, number))
        for number in range(3):
            name = SessionId(f"s{number}")
            keys = [self.connect(tenant, f"{number}{letter}", name) for letter in "ab"]
            self.subscribe(keys[0])
            self.sessions.rows[tenant, name] = Session(tenant, name, NOW + 100, ANN, frozenset(keys))
        self.devices.gone[tenant, ANN] = {ConnectionKey(nth_partition(tenant, 0), ConnectionId("over"))}
        self.send(tenant, 250)
        if self.is_hub:
            self.publish(tenant)
        self.places.take(tenant, sessions_of(tenant).name, 9, expires_at=NOW)

    def place(self) -> MemoryPlacementStore:
        """Make this the hub of further cells, and place the tenants' sessions and their player on them."""
        self.placements = MemoryPlacementStore()
        for tenant in (ACME, OTHER):
            for name in (name_of_session(SessionId("s0")), name_of_session(SessionId("s1")), name_of_player(ANN)):
                assert self.placements.put(tenant, name, Placement(cell=NORTH, version=1, expires_at=NOW + 9_999))
            for cell in (HUB, NORTH):
                self.placements.add_cell(tenant, cell, NOW)
        return self.placements

    def connect(self, tenant: TenantId, name: str, session: SessionId) -> ConnectionKey:
        """A connection that is reserved, and counted."""
        key = ConnectionKey(nth_partition(tenant, len(name) % 2), ConnectionId(name))
        self.connections.rows[key] = Connection(key, session, NOW, NOW + 7_500, ANN)
        self.limits.reserve(tenant, 99)
        self.count(key.partition, 1)
        return key

    def publish(self, tenant: TenantId) -> None:
        """Keep a message of a channel with history."""
        key, message = ChannelKey(f"{tenant}#news"), BroadcastId("m")
        head = self.history.begin(key, Head(epoch=Epoch("e"), generation=1, made_at=NOW, ids=(message,)), NOW)
        self.history.keep_segment(key, head, NOW)
        news = Publication(
            tenant=tenant, broadcast_id=message, channel=Channel("news"), message=JsonText("1"), published_at=NOW
        )
        self.publications.put(news, NOW)

    def subscribe(self, key: ConnectionKey) -> None:
        """A subscription of a connection, with its member."""
        wanted = Subscription(
            connection=key, pattern=Pattern("news/*"), number=0, era="e", turn=0, changed_at=NOW, expires_at=NOW + 7_500
        )
        begun = self.subscriptions.begin(wanted)
        self.members.put(ChannelMember(begun.member, "e", 1, connected_at=NOW, expires_at=NOW + 7_500))

    def send(self, tenant: TenantId, messages: int, first: int = 0) -> None:
        """Messages that wait in the player's inbox."""
        self.places.take(tenant, inbox_of(tenant, ANN).name, 9_999, expires_at=NOW)
        for number in range(first, first + messages):
            name = message_id(number, "r")
            self.inboxes.put(DirectMessage(Inbox(tenant, ANN), name, codec.json_text("hello"), ANN, number, NOW + 600))

    def count(self, partition: Partition, delta: int) -> None:
        """Count as `accounting` does."""
        row = self.partitions.rows[partition]
        self.partitions.rows[partition] = replace(row, count=row.count + delta)

    def pause(self, seconds: float) -> None:
        """Let time pass for all clocks."""
        self.now += seconds
        in_sessions = {key for session in self.sessions.rows.values() for key in session.connections}
        loose = {ConnectionId("loose"), PROBE}
        for key in [key for key in self.connections.rows if key not in in_sessions and key.connection_id not in loose]:
            if self.sessions_end:
                self.connections.delete(key)
        if self.accounting_runs:
            for partition, row in self.partitions.rows.items():
                gone = row.count - self.connections.size(partition)
                self.limits.release(tenant_of(partition), gone)
                self.count(partition, -gone)
            for partition, probe in self.connections.probes.items():
                self.partitions.note_probe(partition, probe)

    @property
    def stores(self) -> Stores:
        """All that the tenants have rows in."""
        return Stores(
            tenants=self.tenants,
            sessions=self.sessions,
            connections=self.connections,
            devices=self.devices,
            partitions=self.partitions,
            places=self.places,
            inboxes=self.inboxes,
            limits=self.limits,
            subscriptions=self.subscriptions,
            members=self.members,
            close=self.closed.append,
            placements=self.placements,
            history=self.history if self.is_hub else None,
            publications=self.publications if self.is_hub else None,
        )

    def erase(self, *further: "ErasingFixture", spread: Callable[[], Sequence[CellName]] = lambda: ()) -> Erasing:
        """Runs the command on this cell, the hub's, and further ones; what it did."""

        def pause(seconds: float) -> None:
            for cell in (self, *further):
                cell.pause(seconds)

        erasing = Erasing(
            self.stores,
            ACME,
            further=[cell.stores for cell in further],
            spread=spread,
            quiet_seconds=QUIET_SECONDS,
            clock=lambda: self.now,
            pause=pause,
        )
        erasing()
        return erasing

    def rows(self, tenant: TenantId) -> list[object]:
        """All that the tenant has but its partitions."""
        return [
            *(key for key in self.sessions.rows if key[0] == tenant),
            *(key for key in self.connections.rows if tenant_of(key.partition) == tenant),
            *self.devices.of_player(tenant, ANN),
            *(key for key in self.inboxes.rows if key[0].tenant_id == tenant),
            *self.places.names(tenant),
            *(key for key in self.subscriptions.rows if key[0].tenant == tenant),
            *(key for key in self.members.rows if tenant_of(key.partition) == tenant),
            *(key for key in self.history.heads if tenant_of(key) == tenant),
            *(key for key in self.history.closed if tenant_of(key[0]) == tenant),
            *(key for key in self.publications.rows if key[0] == tenant),
            *(key for key in self.limits.rows if key == tenant),
            *(key for key in self.tenants.rows if key == tenant),
        ]


@pytest.fixture
def cell() -> ErasingFixture:
    """Two tenants, filled."""
    return ErasingFixture()


def test_all_rows_of_a_tenant_are_erased(cell: ErasingFixture) -> None:
    """The report counts them by kind; partitions are retired, and another tenant keeps all rows."""
    others = cell.rows(OTHER)
    erased = cell.erase().erased
    assert erased == {
        "sessions": 3,
        "connections": 6,
        "messages": 250,
        "partitions": 2,
        "subscriptions": 3,
        "members": 3,
        "history": 2,
        "publications": 1,
    }
    assert cell.rows(ACME) == []
    assert all(row.retired_at and not row.count for row in cell.partitions.of(ACME))
    assert cell.rows(OTHER) == others
    assert not any(row.retired_at for row in cell.partitions.of(OTHER))
    assert cell.tenants.tombstones() == [Tombstone(ACME, int(cell.now))]


def test_a_tenant_is_erased_on_every_cell_before_its_id_rests(cell: ErasingFixture) -> None:
    """The numbers are those of all cells; each knows before that the tenant is none."""
    north = ErasingFixture(is_hub=False)
    tombstones: list[Tombstone] = []

    def spread() -> Sequence[CellName]:
        tombstones.extend(cell.tenants.tombstones())
        return ()

    others = north.rows(OTHER)
    erased = cell.erase(north, spread=spread).erased
    assert tombstones == [Tombstone(ACME, None)]
    assert erased == {
        "sessions": 6,
        "connections": 12,
        "messages": 500,
        "partitions": 4,
        "subscriptions": 6,
        "members": 6,
        "history": 2,
        "publications": 1,
    }
    assert cell.rows(ACME) == [] == [row for row in north.rows(ACME) if row != ACME]
    assert north.rows(OTHER) == others != []


def test_the_placements_of_an_erased_tenant_are_forgotten(
    cell: ErasingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, after the last cell and before its id rests: until then they lead to a cell that has its sessions."""
    placements, north = cell.place(), ErasingFixture()
    seen: list[object] = []
    forget = placements.forget

    def watched(tenant: TenantId) -> None:
        seen.append((len(north.sessions.rows), cell.tenants.tombstones()))
        forget(tenant)

    monkeypatch.setattr(placements, "forget", watched)
    cell.erase(north)
    assert seen == [(3, [Tombstone(ACME, None)])], "three sessions are the other tenant's"
    assert {tenant for tenant, _ in (*placements.rows, *placements.cells)} == {OTHER}
    assert (len(placements.rows), len(placements.cells)) == (3, 2)


def test_nothing_is_erased_before_every_cell_knows(cell: ErasingFixture) -> None:
    """A cell that does not answer would let clients in meanwhile; the command is run again."""
    placements = cell.place()
    before = [row for row in cell.rows(ACME) if row != ACME]
    placed = placements.rows
    with pytest.raises(OperatorError, match="Tenant acme is not erased yet: north and south did not answer") as caught:
        cell.erase(spread=lambda: [NORTH, CellName("south")])
    assert caught.value.remedy.endswith("`loudhailer logs beat --cell north`, then run this again.")
    assert [row for row in cell.rows(ACME) if row != ACME] == before
    assert placements.rows is placed
    cell.erase()
    assert cell.rows(ACME) == []


def test_a_connection_missing_in_its_session_is_closed(cell: ErasingFixture) -> None:
    """Nor is `end_session` needed for the others, if it is stopped."""
    loose = cell.connect(ACME, "loose", SessionId("none"))
    assert cell.erase().erased["connections"] == 7
    assert cell.closed == [loose]


def test_a_leftover_probe_is_not_a_connection(cell: ErasingFixture) -> None:
    """`reconcile` may be killed before it deletes it, and would sweep it within an hour: it is counted until then."""
    cell.connect(ACME, PROBE, SessionId("none"))
    assert cell.erase().erased["connections"] == 6
    assert cell.closed == []
    assert cell.rows(ACME) == []


def test_connections_that_are_not_closed_in_time_are_closed_by_the_command(cell: ErasingFixture) -> None:
    """It does not wait for ever."""
    cell.sessions_end = False
    cell.erase()
    assert len(cell.closed) == 6
    assert cell.rows(ACME) == []


def test_an_interrupted_erasure_is_continued_by_the_next(cell: ErasingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile the tenant is none, and cannot be put."""
    with monkeypatch.context() as crash:
        crash.setattr(cell.inboxes, "down", True)  # the twin's switch
        with pytest.raises(TransientError):
            cell.erase()
    assert cell.tenants.get(ACME) is None
    assert sum(cell.sessions.count(ACME, NOW)) == 0
    with pytest.raises(OperatorError, match="is being erased") as caught:
        put(cell.tenants, TenantChange(), ACME, now=cell.now, rest_seconds=REST_SECONDS, at_once=True)
    assert caught.value.remedy == "Complete that with `loudhailer tenant delete acme`."
    assert cell.erase().erased["messages"] == 250
    assert cell.rows(ACME) == []


def test_rows_that_arrive_late_are_erased_too(cell: ErasingFixture) -> None:
    """A message that was on its way has the command look through everything once more."""
    pause, waits = cell.pause, 0

    def late(seconds: float) -> None:
        nonlocal waits
        pause(seconds)
        if seconds == QUIET_SECONDS:
            waits += 1
            if waits == 1:
                cell.send(ACME, 2, first=900)

    cell.pause = late  # type: ignore[method-assign]  # something happens meanwhile
    assert cell.erase().erased["messages"] == 252
    assert (waits, cell.rows(ACME)) == (2, [])


def test_a_tenant_with_uncounted_connections_is_not_erased(cell: ErasingFixture) -> None:
    """The command says what to do, and is done with the rest when it is run again."""
    cell.accounting_runs = False
    with pytest.raises(OperatorError, match="not all of its connections are counted as gone") as caught:
        cell.erase()
    assert "run this again" in (caught.value.remedy or "")
    assert cell.tenants.tombstones() == [Tombstone(ACME, None)]
    cell.accounting_runs = True
    cell.erase()
    assert cell.rows(ACME) == []


def test_connections_not_yet_in_the_stream_are_waited_for(cell: ErasingFixture) -> None:
    """Their coming is not counted either: the counts are 0, and their total is still to be released."""
    cell.accounting_runs = False
    for partition in [row.partition for row in cell.partitions.of(ACME)]:
        cell.count(partition, -cell.partitions.rows[partition].count)
    with pytest.raises(OperatorError, match="not all of its connections are counted as gone"):
        cell.erase()


def test_an_unknown_tenant_is_not_erased(cell: ErasingFixture) -> None:
    """Nor is one that was."""
    cell.erase()
    with pytest.raises(OperatorError, match="There is no tenant acme"):
        cell.erase()


def test_the_id_of_an_erased_tenant_is_blocked_for_a_while(cell: ErasingFixture) -> None:
    """The sentence says how long; then it starts with nothing. An option skips the wait."""
    cell.erase()
    with pytest.raises(OperatorError, match="broadcasts to it may still be on their way") as caught:
        put(cell.tenants, TenantChange(), ACME, now=cell.now + 1, rest_seconds=REST_SECONDS, at_once=False)
    assert caught.value.remedy == f"Wait {REST_SECONDS - 1} s, choose another id, or use this one with --at-once."
    put(
        cell.tenants,
        TenantChange(tenant_connections=77),
        ACME,
        now=cell.now + REST_SECONDS + 1,
        rest_seconds=REST_SECONDS,
        at_once=False,
    )
    assert cell.rows(ACME) == [ACME]
    cell.erase()
    put(cell.tenants, TenantChange(), ACME, now=cell.now, rest_seconds=REST_SECONDS, at_once=True)
    assert cell.rows(ACME) == [ACME]

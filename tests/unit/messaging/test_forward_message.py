"""Direct messages between cells: `relay_message` of each cell, and `forward_message` of the hub."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from random import Random
from typing import Any, override

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.messaging.forward_message.forward_message import MESSAGES_AT_ONCE, CellInboxes, ForwardMessage
from functions.messaging.relay_message.players_cell import ByPlacement
from functions.messaging.relay_message.relay_message import RelayMessage
from loudhailer.cells.placements.model import FORMER_SECONDS, KEPT_SECONDS, Placement, name_of_player, placement_after
from loudhailer.codec import decode, json_text
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import HUB, CellName, ConnectionId, PlayerId, SessionId, TenantId, nth_partition
from loudhailer.inbox.forwarding import Forward
from loudhailer.inbox.model import (
    MAX_DIRECT_MESSAGE_BYTES,
    MAX_LIFETIME_SECONDS,
    MAX_MOVES,
    DirectMessage,
    Inbox,
    Wake,
    message_id,
)
from loudhailer.limits.places.model import inbox_of
from loudhailer.tenants.model import Tenant
from tests.support.fakes.cells import MemoryPlacementStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.queues import MemoryFifoQueue
from tests.support.fakes.tenants import MemoryTenantStore
from tests.support.properties import examples

NOW = 1_780_000_000
TENANT, ALICE, BOB = TenantId("acme"), PlayerId("alice"), PlayerId("bob")
INBOX = Inbox(TENANT, BOB)
NORTH, SOUTH, LOST = CellName("north"), CellName("south"), CellName("lost")
GONE = ConnectionId("gone=")
"""A connection that is gone, and whose `$disconnect` was lost."""

LIMIT = 60
LIFETIME = 7 * 24 * 3600


def nothing() -> None:
    """Do nothing."""


class PlacedPlayers(MemoryPlacementStore):
    """The twin of the placements; `before_each` runs before each read, and `down` makes it fail."""

    def __init__(self) -> None:
        super().__init__()
        self.before_each: Callable[[], None] = nothing
        self.down = False

    @override
    def get(self, tenant: TenantId, names: object) -> dict[str, Placement]:
        self.before_each()
        if self.down:
            raise TransientError("the hub does not answer")
        return dict(super().get(tenant, names))  # type: ignore[arg-type]  # as it was given


class WakingInboxes(MemoryInboxStore):
    """The twin of the inboxes; a new message wakes its inbox, and `around` may fail before and after a call."""

    def __init__(self, wakes: list[Wake]) -> None:
        super().__init__()
        self.wakes = wakes
        self.around: Callable[[], None] = nothing

    @override
    def put(self, message: DirectMessage) -> None:
        self.around()
        before = len(self.rows)
        super().put(message)
        if len(self.rows) > before:
            self.wakes.append(Wake(message.inbox))
        self.around()

    @override
    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        self.around()
        return super().oldest(inbox, limit)

    @override
    def delete(self, messages: object) -> None:
        self.around()
        super().delete(messages)  # type: ignore[arg-type]  # as it was given
        self.around()


class Cell:
    """A cell with its inboxes, connections and `relay_message`; `wakes` have not been handled yet."""

    def __init__(self, name: CellName, placements: PlacedPlayers, clock: Callable[[], float]) -> None:
        self.name = name
        self.wakes: list[Wake] = []
        self.inboxes = WakingInboxes(self.wakes)
        self.places = MemoryPlaceStore()
        self.connections = MemoryConnectionStore()
        self.sender = MemoryOrderedSender({GONE: [Outcome.GONE]})
        self.handed_on = MemoryFifoQueue()
        self.hub = MemoryFifoQueue()
        self.relay = RelayMessage(
            self.inboxes,
            self.connections,
            MemoryDeviceStore(self.connections),
            self.sender,
            self.handed_on,
            players_cell=ByPlacement(placements, self.hub, name=name, clock=clock),
            endpoint="https://api/live",
            clock=clock,
            pause=lambda _: None,
        )

    def handle(self, wake: Wake, *, is_last: bool = False) -> None:
        """Handle a wake."""
        self.relay(wake, wake_id="w1", deadline=Deadline.after(7.0), is_last=is_last)

    def connect(self, connection: ConnectionId | None = None) -> None:
        """Connect the player, which wakes the inbox."""
        key = ConnectionKey(nth_partition(TENANT, 0), connection or ConnectionId(f"{self.name}="))
        self.connections.rows[key] = Connection(key, SessionId("s"), NOW - 1_000, NOW + 7_000, BOB)
        self.wakes.append(Wake(INBOX, connected=True))

    def asked(self) -> list[Forward]:
        """The requests that were sent to the hub since this was last asked."""
        sent, self.hub.messages = self.hub.messages, []
        return [Forward.of_body(message.body) for message in sent]

    @property
    def waiting(self) -> list[object]:
        """The messages in the inbox."""
        return [decode(self.inboxes.rows[key].message) for key in sorted(self.inboxes.rows)]

    @property
    def got(self) -> list[object]:
        """The messages that the player was sent here."""
        return [decode(frame)["message"] for _, frame in self.sender.delivered]


class ForwardingFixture:
    """A hub with the cells north and south, and a player with messages."""

    def __init__(self) -> None:
        self.now = NOW
        self.placements = PlacedPlayers()
        for cell in (NORTH, SOUTH, LOST):
            self.placements.add_cell(TENANT, cell, NOW)
        self.tenants = MemoryTenantStore(Tenant(TENANT, 30, 2, 60, 5, 70, 200))
        self.cells = {name: Cell(name, self.placements, lambda: self.now) for name in (HUB, NORTH, SOUTH)}
        self.hub, self.north, self.south = (self.cells[name] for name in (HUB, NORTH, SOUTH))
        self.forward_message = ForwardMessage(
            self.tenants,
            self.placements,
            lambda cell: CellInboxes(inboxes=self.cells[cell].inboxes, places=self.cells[cell].places),
            lambda cell: self.cells[cell].hub,
            cells=self.cells,
            messages_per_inbox=LIMIT,
            clock=lambda: self.now,
        )
        self.sent = 0

    def send(self, cell: Cell, *, expires_in: int = LIFETIME) -> int:
        """Store a message as a sender on the cell does; return it."""
        self.sent += 1
        at = NOW * 1_000 + self.sent
        expires_at = self.now + expires_in
        cell.inboxes.put(DirectMessage(INBOX, message_id(at, "r="), json_text(self.sent), ALICE, at, expires_at))
        return self.sent

    @property
    def placement(self) -> Placement | None:
        """The player's placement."""
        return self.placements.rows.get((TENANT, name_of_player(BOB)))

    def move(self, cell: CellName) -> None:
        """Place the player as `session_api` does."""
        after = placement_after(self.placement, cell, None, self.now)
        assert self.placements.put(TENANT, name_of_player(BOB), after)

    def forward(self, request: Forward, sender: CellName, *, seconds: float = 7.0, is_last: bool = False) -> None:
        """Handle a request of a cell."""
        self.forward_message(request, sender, deadline=Deadline.after(seconds), is_last=is_last)

    def settle(self) -> None:
        """Handle all wakes and requests, and their own."""
        while any(cell.wakes or cell.hub.messages for cell in self.cells.values()):
            for cell in self.cells.values():
                while cell.wakes:
                    cell.handle(cell.wakes.pop(0))
                for request in cell.asked():
                    self.forward(request, cell.name)


@pytest.fixture
def both_cells() -> ForwardingFixture:
    """The player is on the cell north."""
    both_cells = ForwardingFixture()
    both_cells.move(NORTH)
    return both_cells


def test_a_message_reaches_a_player_on_another_cell(both_cells: ForwardingFixture, counted: Counter[str]) -> None:
    """Before, it was acknowledged, and stayed in the inbox of the sender's cell for ever."""
    both_cells.north.connect()
    both_cells.send(both_cells.south)
    both_cells.send(both_cells.hub)
    both_cells.settle()
    assert sorted(map(str, both_cells.north.got)) == ["1", "2"]
    assert [cell.waiting for cell in both_cells.cells.values()] == [[], [], []]
    assert (counted["InboxHandedOver"], counted["MessageForwarded"]) == (2, 2)


def test_messages_of_one_sender_keep_their_order(both_cells: ForwardingFixture) -> None:
    """More than are forwarded at once."""
    texts = [both_cells.send(both_cells.south) for _ in range(2 * MESSAGES_AT_ONCE)]
    both_cells.settle()
    both_cells.north.connect()
    both_cells.settle()
    assert both_cells.north.got == texts


def test_a_message_waits_on_the_players_cell(both_cells: ForwardingFixture) -> None:
    """It is the same message there: id, sender and times; and it has a place, so that an erasure finds it."""
    both_cells.send(both_cells.south)
    (message,) = both_cells.south.inboxes.rows.values()
    both_cells.settle()
    assert list(both_cells.north.inboxes.rows.values()) == [message.moved()]
    assert both_cells.south.waiting == []
    assert both_cells.north.places.names(TENANT) == [inbox_of(*INBOX).name]


def test_a_message_on_the_players_own_cell_is_not_forwarded(both_cells: ForwardingFixture) -> None:
    """The hub is asked for the placement alone, whether the player is connected or not."""
    both_cells.send(both_cells.north)
    both_cells.settle()
    assert both_cells.north.waiting == [1]
    both_cells.north.connect()
    both_cells.settle()
    assert (both_cells.north.got, both_cells.north.waiting) == ([1], [])
    assert both_cells.north.asked() == []


def test_messages_on_the_former_cell_follow_a_player(both_cells: ForwardingFixture, counted: Counter[str]) -> None:
    """It is asked for when the player connects, once."""
    both_cells.send(both_cells.north)
    both_cells.settle()
    both_cells.move(SOUTH)
    both_cells.settle()
    assert both_cells.north.waiting == [1]
    both_cells.south.connect()
    both_cells.settle()
    assert (both_cells.south.got, both_cells.north.waiting) == ([1], [])
    assert counted["InboxFetched"] == 1


def test_messages_on_both_former_cells_follow_a_player(both_cells: ForwardingFixture) -> None:
    """Also if the player has never connected to the one between."""
    both_cells.send(both_cells.north)
    both_cells.settle()
    both_cells.move(SOUTH)
    both_cells.send(both_cells.south)
    both_cells.settle()
    both_cells.now += FORMER_SECONDS + 1
    both_cells.move(HUB)
    both_cells.hub.connect()
    both_cells.settle()
    assert sorted(map(str, both_cells.hub.got)) == ["1", "2"]


def test_a_player_that_stays_asks_for_nothing(both_cells: ForwardingFixture, counted: Counter[str]) -> None:
    """Nor does one who moved a week ago: all messages of that time have been delivered or have expired."""
    both_cells.north.connect()
    both_cells.settle()
    both_cells.move(SOUTH)
    both_cells.now += KEPT_SECONDS + 1
    both_cells.south.handle(Wake(INBOX, connected=True))
    assert both_cells.north.asked() == both_cells.south.asked() == []
    assert counted["InboxFetched"] == 0


def test_messages_to_a_player_without_a_placement_are_collected_where_the_first_is() -> None:
    """Nobody is placed by that; but the placement outlasts the messages, so that they are found."""
    both_cells = ForwardingFixture()
    both_cells.send(both_cells.south)
    both_cells.settle()
    both_cells.send(both_cells.hub)
    both_cells.settle()
    assert both_cells.south.waiting == [1, 2]
    assert both_cells.placement is not None
    assert (both_cells.placement.cell, both_cells.placement.is_provisional) == (SOUTH, True)
    assert both_cells.placement.expires_at > NOW + LIFETIME
    both_cells.now += LIFETIME
    both_cells.send(both_cells.south)
    both_cells.settle()
    assert both_cells.placement.is_provisional


@pytest.mark.parametrize("cell", [SOUTH, NORTH], ids=["same cell", "other cell"])
def test_messages_of_before_the_first_session_reach_the_player(cell: CellName) -> None:
    """The first session is placed anywhere; if that is another cell, it counts as a move."""
    both_cells = ForwardingFixture()
    both_cells.send(both_cells.south)
    both_cells.settle()
    both_cells.move(cell)
    assert both_cells.placement is not None
    assert not both_cells.placement.is_provisional
    both_cells.cells[cell].connect()
    both_cells.settle()
    assert both_cells.cells[cell].got == [1]


def test_a_connected_player_without_a_placement_gets_messages_at_once() -> None:
    """Such a client connected before there were further cells."""
    both_cells = ForwardingFixture()
    both_cells.hub.connect()
    both_cells.send(both_cells.hub)
    both_cells.settle()
    assert (both_cells.hub.got, both_cells.placement) == ([1], None)


def test_a_placement_outlasts_the_messages_that_wait_for_its_player(both_cells: ForwardingFixture) -> None:
    """Else the player's next session could be placed on another cell, and nothing would say where they wait."""
    both_cells.now += KEPT_SECONDS - 100
    both_cells.send(both_cells.north)
    both_cells.settle()
    assert both_cells.placement is not None
    assert both_cells.placement.expires_at > both_cells.now + LIFETIME
    assert both_cells.north.waiting == [1]
    before = both_cells.placement
    both_cells.now += 1_000
    both_cells.send(both_cells.north)
    both_cells.send(both_cells.south)
    both_cells.settle()
    assert (both_cells.placement, both_cells.north.waiting) == (before, [1, 2, 3])


def test_a_player_on_a_removed_cell_is_placed_again(both_cells: ForwardingFixture) -> None:
    """The cell of the message is the only one that is known to be there."""
    both_cells.move(LOST)
    both_cells.send(both_cells.south)
    both_cells.settle()
    assert both_cells.placement is not None
    assert (both_cells.placement.cell, both_cells.placement.is_provisional, both_cells.south.waiting) == (
        SOUTH,
        True,
        [1],
    )


def test_expired_messages_are_not_forwarded(both_cells: ForwardingFixture, counted: Counter[str]) -> None:
    """They are deleted on the way."""
    both_cells.send(both_cells.south, expires_in=10)
    both_cells.south.handle(both_cells.south.wakes.pop())
    both_cells.now += 10
    (request,) = both_cells.south.asked()
    both_cells.forward(request, SOUTH)
    assert (both_cells.south.waiting, both_cells.north.waiting) == ([], [])
    assert (counted["MessageExpired"], counted["MessageForwarded"]) == (1, 0)


def test_messages_that_find_the_inbox_full_stay_on_the_senders_cell(
    both_cells: ForwardingFixture, counted: Counter[str]
) -> None:
    """So its own limit refuses the senders there; once there is room, they follow."""
    for _ in range(LIMIT):
        assert both_cells.north.places.take(TENANT, inbox_of(*INBOX).name, LIMIT, expires_at=0)
        both_cells.send(both_cells.north)
    both_cells.send(both_cells.south)
    both_cells.south.handle(both_cells.south.wakes.pop())
    (request,) = both_cells.south.asked()
    with pytest.raises(TransientError, match="inbox on the player's cell is full"):
        both_cells.forward(request, SOUTH)
    assert (both_cells.south.waiting, counted["InboxFullElsewhere"]) == ([LIMIT + 1], 1)
    both_cells.north.connect()
    both_cells.settle()
    both_cells.now += 60
    both_cells.forward(request, SOUTH)
    both_cells.settle()
    assert both_cells.north.got == list(range(1, LIMIT + 2))


def given_up(both_cells: ForwardingFixture) -> None:
    """A message waits on the cell south, and its request is given up, since the inbox on the player's cell is full."""
    for _ in range(LIMIT):
        assert both_cells.north.places.take(TENANT, inbox_of(*INBOX).name, LIMIT, expires_at=0)
        both_cells.send(both_cells.north)
    both_cells.send(both_cells.south)
    both_cells.south.handle(both_cells.south.wakes.pop())
    (request,) = both_cells.south.asked()
    both_cells.forward(request, SOUTH, is_last=True)


def test_a_request_that_was_given_up_is_made_again_at_the_next_connection(
    both_cells: ForwardingFixture, counted: Counter[str]
) -> None:
    """Before, they stayed on the sender's cell until a redrive, unless the player moved or got another message."""
    given_up(both_cells)
    assert both_cells.placement is not None
    assert (both_cells.placement.waits_elsewhere, counted["ForwardGivenUp"]) == (True, 1)
    both_cells.now += 60
    both_cells.north.connect()
    both_cells.settle()
    assert (both_cells.north.got, both_cells.south.waiting) == (list(range(1, LIMIT + 2)), [])
    assert not both_cells.placement.waits_elsewhere
    both_cells.north.connect()
    both_cells.north.handle(both_cells.north.wakes.pop())
    assert both_cells.north.asked() == []


def test_a_move_keeps_the_note_that_messages_wait(both_cells: ForwardingFixture) -> None:
    """The player may move more than a week before the next connection."""
    given_up(both_cells)
    both_cells.move(HUB)
    both_cells.now += KEPT_SECONDS
    assert both_cells.placement is not None
    assert both_cells.placement.waits_elsewhere


def test_a_request_to_a_cell_that_does_not_answer_is_noted_and_given_up(both_cells: ForwardingFixture) -> None:
    """It is a failure nevertheless: an operator is to know of it."""
    both_cells.send(both_cells.south)
    both_cells.south.handle(both_cells.south.wakes.pop())
    (request,) = both_cells.south.asked()

    def fail() -> None:
        raise TransientError("north does not answer")

    both_cells.north.inboxes.around = fail
    with pytest.raises(TransientError, match="north does not answer"):
        both_cells.forward(request, SOUTH, is_last=True)
    assert both_cells.placement is not None
    assert both_cells.placement.waits_elsewhere


def test_a_note_that_meets_another_placement_is_made_at_the_next_attempt(
    both_cells: ForwardingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two more attempts are left for that."""
    monkeypatch.setattr(both_cells.placements, "put", lambda *_: False)
    with pytest.raises(TransientError, match="placed at the same time"):
        given_up(both_cells)


def test_a_note_outlasts_a_change_of_the_placement_at_the_same_time(
    both_cells: ForwardingFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once more, which does no harm."""
    given_up(both_cells)
    monkeypatch.setattr(both_cells.placements, "put", lambda *_: False)
    both_cells.forward(Forward(INBOX, has_come=True), NORTH)
    assert len(both_cells.south.asked()) == 1
    assert both_cells.placement is not None
    assert both_cells.placement.waits_elsewhere


def test_a_request_without_time_for_all_messages_is_followed_by_another(both_cells: ForwardingFixture) -> None:
    """Messages that were stored on the player's cell are deleted on the sender's."""
    for _ in range(3):
        both_cells.send(both_cells.south)
    both_cells.forward(Forward(INBOX), SOUTH, seconds=-1.0)
    assert both_cells.south.waiting == [1, 2, 3]
    assert both_cells.south.asked() == [Forward(INBOX)]


def test_messages_stay_where_they_are_while_the_players_cell_does_not_answer(both_cells: ForwardingFixture) -> None:
    """The request is delivered again, and messages that were stored are not sent once more."""
    both_cells.send(both_cells.south)
    both_cells.north.inboxes.down = True
    with pytest.raises(TransientError):
        both_cells.forward(Forward(INBOX), SOUTH)
    assert both_cells.south.waiting == [1]
    both_cells.north.inboxes.down = False
    both_cells.forward(Forward(INBOX), SOUTH)
    assert (both_cells.south.waiting, both_cells.north.waiting) == ([], [1])


def test_a_message_that_is_brought_there_and_back_at_the_same_time_is_not_lost(both_cells: ForwardingFixture) -> None:
    """The player moves back before it is deleted on the first cell, and another invocation brings it back there.

    It was in both inboxes then, and each invocation deleted it in the one from which it had read it.
    """
    both_cells.send(both_cells.south)
    delete = both_cells.south.inboxes.delete

    def cross(messages: Sequence[DirectMessage]) -> None:
        both_cells.move(SOUTH)
        both_cells.forward(Forward(INBOX), NORTH)
        delete(messages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(both_cells.south.inboxes, "delete", cross)
        both_cells.forward(Forward(INBOX), SOUTH)
    assert (both_cells.south.waiting, both_cells.north.waiting) == ([1], [])
    both_cells.south.connect()
    both_cells.settle()
    assert set(both_cells.south.got) == {1}


def test_a_request_for_a_tenant_that_is_being_erased_does_nothing(
    both_cells: ForwardingFixture, counted: Counter[str]
) -> None:
    """No message reaches a cell that is erased already."""
    both_cells.send(both_cells.south)
    both_cells.tenants.begin_erasing(TENANT)
    both_cells.forward(Forward(INBOX), SOUTH)
    both_cells.forward(Forward(INBOX, has_come=True), NORTH)
    assert (both_cells.south.waiting, both_cells.north.waiting, both_cells.south.asked()) == ([1], [], [])
    assert counted["ForwardIgnored"] == 2


@pytest.mark.parametrize("has_come", [False, True])
def test_a_cell_is_not_heard_about_a_tenant_that_is_not_on_it(
    both_cells: ForwardingFixture, counted: Counter[str], log: StringIO, *, has_come: bool
) -> None:
    """No other tenant's player gets messages that a cell which was taken over has in its table."""
    del both_cells.placements.cells[TENANT, SOUTH]
    both_cells.send(both_cells.south)
    both_cells.forward(Forward(INBOX, has_come=has_come), SOUTH)
    assert (both_cells.south.waiting, both_cells.north.waiting, both_cells.north.asked()) == ([1], [], [])
    assert counted["ForwardRefused"] == 1
    assert "a cell asks for messages of a tenant that is not on it" in log.getvalue()


def test_a_cell_gets_no_messages_of_players_on_other_cells(
    both_cells: ForwardingFixture, counted: Counter[str]
) -> None:
    """The placement decides, whatever the request says."""
    both_cells.send(both_cells.north)
    both_cells.forward(Forward(INBOX, has_come=True), SOUTH)
    assert both_cells.north.asked() == []
    assert counted["ForwardIgnored"] == 1
    both_cells.forward(Forward(INBOX), NORTH)
    assert (both_cells.north.waiting, both_cells.south.waiting) == ([1], [])


@pytest.mark.parametrize(
    "forged",
    [
        {"message": '1,"srcPlayerId":"admin","x":2'},
        {"message": '"' + "x" * MAX_DIRECT_MESSAGE_BYTES + '"'},
        {"source": "no player"},
        {"message_id": "0"},
        {"message_id": f"{NOW * 1_000:013d}-no request"},
        {"message_id": message_id(NOW * 1_000 - 1, "r=")},
        {"sent_at": (NOW + 3_600) * 1_000, "message_id": message_id((NOW + 3_600) * 1_000, "r=")},
        {"expires_at": NOW + MAX_LIFETIME_SECONDS + 1},
        {"moves": MAX_MOVES},
        {"moves": -1},
    ],
)
def test_a_message_that_no_client_can_have_sent_is_deleted(
    both_cells: ForwardingFixture, counted: Counter[str], log: StringIO, forged: dict[str, Any]
) -> None:
    """A cell that was taken over writes what it likes into its table; the messages behind it are forwarded."""
    at = NOW * 1_000
    legal = DirectMessage(INBOX, message_id(at, "r="), json_text("forged"), ALICE, at, NOW + LIFETIME)
    both_cells.south.inboxes.put(replace(legal, **forged))
    sent = both_cells.send(both_cells.south)
    both_cells.settle()
    assert (both_cells.south.waiting, both_cells.north.waiting) == ([], [sent])
    assert (counted["ForwardRefused"], counted["MessageForwarded"]) == (1, 1)
    assert "a direct message that no client can have sent" in log.getvalue()


def test_a_forged_message_does_not_keep_its_player_on_a_cell_for_ever() -> None:
    """The placement lasts for a lifetime that is legal, and a week longer."""
    both_cells = ForwardingFixture()
    both_cells.send(both_cells.south, expires_in=10**9)
    both_cells.settle()
    assert both_cells.placement is not None
    assert both_cells.placement.expires_at == NOW + MAX_LIFETIME_SECONDS + KEPT_SECONDS


def test_messages_for_a_connected_player_do_not_wait_for_the_hub(
    both_cells: ForwardingFixture, counted: Counter[str]
) -> None:
    """Nor for the wake of the new connection, whose request to fetch fails: that is left to a wake of its own."""
    both_cells.send(both_cells.north)
    both_cells.settle()
    both_cells.move(SOUTH)
    both_cells.placements.down = True
    both_cells.south.connect()
    both_cells.send(both_cells.south)
    both_cells.settle()
    assert (both_cells.south.got, counted["PlacementUnknown"]) == ([2], 1)
    both_cells.placements.down = False
    both_cells.now += 60
    (message,) = both_cells.south.handed_on.messages
    both_cells.south.handle(Wake.of_body(message.body))
    both_cells.settle()
    assert (both_cells.south.got, both_cells.north.waiting) == ([2, 1], [])


def test_a_hub_that_did_not_answer_is_not_asked_again_for_some_seconds(both_cells: ForwardingFixture) -> None:
    """Each wake waited for it: they took up the function's concurrency, and messages within the cell came late."""
    asked = Counter[float]()
    both_cells.placements.before_each = lambda: asked.update([both_cells.now])
    both_cells.placements.down = True
    both_cells.north.connect()
    for _ in range(3):
        both_cells.send(both_cells.north)
        both_cells.settle()
    assert both_cells.north.got == [1, 2, 3]
    both_cells.now += 60
    both_cells.send(both_cells.north)
    both_cells.settle()
    assert asked == {NOW: 1, NOW + 60: 1}


def test_messages_for_connections_that_are_gone_wait_for_the_hub(both_cells: ForwardingFixture) -> None:
    """Their rows count as connections to the former cell until a post finds out: the messages stayed there for ever."""
    both_cells.send(both_cells.south)
    wake = both_cells.south.wakes.pop()
    both_cells.south.connect(GONE)
    both_cells.placements.down = True
    with pytest.raises(TransientError, match="not known which cell"):
        both_cells.south.handle(wake)
    assert both_cells.south.waiting == [1]
    both_cells.placements.down = False
    both_cells.now += 60
    both_cells.south.handle(wake)
    assert both_cells.south.asked() == [Forward(INBOX)]


def test_a_placement_outlasts_messages_for_connections_that_are_gone(both_cells: ForwardingFixture) -> None:
    """The row of a connection whose `$disconnect` was lost does not spare it that."""
    both_cells.now += KEPT_SECONDS - 100
    both_cells.north.connect(GONE)
    both_cells.settle()
    both_cells.send(both_cells.north)
    both_cells.settle()
    assert both_cells.placement is not None
    assert both_cells.placement.expires_at > both_cells.now + LIFETIME


def test_a_wake_that_does_not_reach_the_hub_is_followed_by_another(both_cells: ForwardingFixture) -> None:
    """Nothing else might wake the inbox on this cell; before it would be given up, it is sent again."""
    both_cells.send(both_cells.south)
    wake = both_cells.south.wakes.pop()
    both_cells.placements.down = True
    with pytest.raises(TransientError, match="not known which cell"):
        both_cells.south.handle(wake)
    assert both_cells.south.handed_on.messages == []
    both_cells.south.handle(wake, is_last=True)
    both_cells.placements.down, both_cells.south.hub.down = False, True
    both_cells.now += 60
    with pytest.raises(TransientError, match="does not take the request"):
        both_cells.south.handle(wake)
    both_cells.south.handle(wake, is_last=True)
    (message,) = both_cells.south.handed_on.messages  # the queue keeps one of both: they are the same wake's
    assert Wake.of_body(message.body) == wake
    both_cells.south.hub.down = False
    both_cells.now += 60
    both_cells.south.handle(wake)
    assert both_cells.south.asked() == [Forward(INBOX)]


def test_a_request_that_always_meets_other_placements_is_tried_again(both_cells: ForwardingFixture) -> None:
    """The request is delivered again."""
    both_cells.placements.rows.clear()
    both_cells.send(both_cells.south)
    both_cells.placements.put = lambda *_: False  # type: ignore[method-assign]  # others are always first
    with pytest.raises(TransientError, match="placed the player at every attempt"):
        both_cells.forward(Forward(INBOX), SOUTH)
    assert both_cells.south.waiting == [1]


@pytest.mark.parametrize("body", ["", "[]", '{"v":1}', '{"v":2,"inbox":"acme#bob"}', '{"v":1,"inbox":"no tenant#bob"}'])
def test_a_request_of_another_shape_is_malformed(body: str) -> None:
    """It goes to the dead letters."""
    with pytest.raises(MalformedMessageError):
        Forward.of_body(body)


def test_a_request_is_read_as_it_was_written() -> None:
    """Requests for one inbox are of one group, and the queue drops none of them."""
    for request in (Forward(INBOX), Forward(INBOX, has_come=True)):
        first, second = request.to_message(), request.to_message()
        assert Forward.of_body(first.body) == request
        assert first.group == second.group
        assert first.deduplication != second.deduplication


class Storm:
    """A world in which everything happens at any step: messages, moves, doubled deliveries, lost answers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # a seed that repeats
        self.both_cells = ForwardingFixture()
        self.busy: set[object] = set()
        self.calm = False
        self.depth = 0
        self.both_cells.placements.before_each = self.happen
        for cell in self.both_cells.cells.values():
            cell.inboxes.around = self.fail_or_happen
        self.acknowledged: list[int] = []

    def happen(self) -> None:
        """Let something else happen between two calls."""
        if self.calm or self.depth > 3 or self.random.random() > 0.15:
            return
        self.depth += 1
        self.random.choice([self.send, self.move, self.connect, self.work, self.work])()
        self.depth -= 1

    def fail_or_happen(self) -> None:
        """Let a call fail, before it has an effect or after it."""
        if not self.calm and self.busy and self.random.random() < 0.05:
            raise TransientError("no answer")
        self.happen()

    def some_cell(self) -> Cell:
        """Any of the cells."""
        return self.random.choice(list(self.both_cells.cells.values()))

    def send(self) -> None:
        """Send a message from some cell."""
        failures, self.busy = self.busy, set()  # one that fails is not acknowledged
        self.acknowledged.append(self.both_cells.send(self.some_cell()))
        self.busy = failures

    def move(self) -> None:
        """Place the player on some cell; the existing sockets close."""
        self.both_cells.move(self.some_cell().name)
        for cell in self.both_cells.cells.values():
            cell.connections.rows.clear()

    def connect(self) -> None:
        """Connect the player to the cell that is the player's."""
        if self.both_cells.placement is not None:
            self.both_cells.cells[self.both_cells.placement.cell].connect()

    def work(self) -> None:
        """Handle a wake or a request of some cell, unless another one of the same inbox there is being handled."""
        cell = self.some_cell()
        if self.random.random() < 0.5:
            self.handle(("wake", cell.name), cell.wakes, cell.handle)
        else:
            requests = cell.asked()
            self.handle(("request", cell.name), requests, lambda one: self.both_cells.forward(one, cell.name))
            cell.hub.messages += [request.to_message() for request in requests]

    def handle[T](self, key: object, pending: list[T], handle: Callable[[T], None]) -> None:
        """Handle the first one; it stays if it fails, and sometimes although it does not."""
        if not pending or key in self.busy:
            return
        self.busy.add(key)
        first = pending.pop(0)
        try:
            handle(first)
            if not self.calm and self.random.random() < 0.1:
                pending.insert(0, first)
        except TransientError:
            pending.insert(0, first)
        finally:
            self.busy.discard(key)

    def end(self) -> None:
        """Let the failures end; the player connects, unless that was done since the last move; and all work is done."""
        self.calm = True
        if self.both_cells.placement is None:
            self.both_cells.move(NORTH)
        if not any(cell.connections.rows for cell in self.both_cells.cells.values()):
            self.connect()
        for _ in range(1_000):
            if not any(cell.wakes or cell.hub.messages for cell in self.both_cells.cells.values()):
                return
            self.work()
        pytest.fail("the work does not end")


@examples(100)
@given(seed=st.integers(0, 2**32))
def test_every_acknowledged_message_is_delivered(seed: int) -> None:
    """At whatever step the player moves, an answer is lost, or another cell is at work; and nothing is left over."""
    storm = Storm(seed)
    for _ in range(30):
        storm.random.choice([storm.send, storm.move, storm.connect, storm.work, storm.work, storm.work])()
    storm.end()
    got = [text for cell in storm.both_cells.cells.values() for text in cell.got]
    assert set(storm.acknowledged) <= set(got)
    assert [cell.waiting for cell in storm.both_cells.cells.values()] == [[], [], []]

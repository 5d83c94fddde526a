"""Members that get an announcement of a leave."""

from collections import Counter
from typing import Any

import pytest

from functions.messaging.presence.leaves import Leaves
from loudhailer.connections.model import ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.ids import RoomKey, TenantId
from loudhailer.rooms.model import Membership, NickName
from tests.support.broadcasts import ENDPOINT
from tests.support.limits import ANNOUNCING_SECONDS, LONGEST_LEAVE_AGE_SECONDS, SMALL_ROOM
from tests.unit.messaging.rooms.room_fixture import BLUE, NOW, RED, RoomFixture, key

type Record = dict[str, Any]


class House(RoomFixture):
    """Rooms whose changes are records of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.now = float(NOW)

    def time(self) -> float:
        """The time, by both clocks."""
        return self.now

    def tell(self, *records: Record) -> None:
        """Handle one batch."""
        leaves = Leaves(lambda _: self.rooms, self.sender, endpoint=ENDPOINT, clock=self.time, monotonic=self.time)
        leaves(records)

    def lose(self, one: ConnectionKey) -> Record:
        """Delete a connection's row; the record of it."""
        was = self.rooms.membership(one)
        self.connections.delete(one)
        return record("REMOVE", one, was, None)

    def move(self, one: ConnectionKey, room: RoomKey, nickname: str) -> Record:
        """Let a connection join a room; the record of it."""
        now = Membership(room, NickName(nickname))
        joined = self.rooms.join(one, now)
        assert joined is not None
        return record("MODIFY", one, joined.former, now)


def image(one: ConnectionKey, membership: Membership | None) -> dict[str, Any]:
    """A row as the stream shows it."""
    row = {"partition": {"S": one.partition}, "connectionId": {"S": one.connection_id}, "sessionId": {"S": "s1"}}
    if membership is not None:
        row |= {"roomKey": {"S": membership.room}, "nickName": {"S": membership.nickname}}
    return row


def record(event: str, one: ConnectionKey, was: Membership | None, now: Membership | None) -> Record:
    """A record of the stream, made just now."""
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": float(NOW),
        "SequenceNumber": "1",
        "Keys": {"partition": {"S": one.partition}, "connectionId": {"S": one.connection_id}},
    }
    if event != "INSERT":
        change["OldImage"] = image(one, was)
    if event != "REMOVE":
        change["NewImage"] = image(one, now)
    return {"eventID": "e1", "eventName": event, "dynamodb": change}


def leave_frame(nickname: str, room: RoomKey = RED) -> dict[str, str]:
    """The frame that says so."""
    return {"action": "leaveroom", "roomKey": room, "nickName": nickname, "connectionId": f"{nickname}="}


@pytest.fixture
def house() -> House:
    """Empty rooms."""
    return House()


def test_a_deleted_row_is_a_leave(house: House) -> None:
    """Every remaining member gets it, and no other connection."""
    ann, _, _ = house.join("ann", "bob", "cid")
    house.join("dan", room=BLUE)
    house.join("eve", tenant="acme2")
    house.tell(house.lose(ann))
    assert house.posted == {"bob": [leave_frame("ann")], "cid": [leave_frame("ann")]}
    assert house.sender.calls == [(ENDPOINT, ANNOUNCING_SECONDS)]


def test_joining_another_room_leaves_the_former(house: House) -> None:
    """Only the former room gets it, and not the member that left, even if the index still has it."""
    ann, _ = house.join("ann", "bob")
    house.join("cid", room=BLUE)
    moved = house.move(ann, BLUE, "ann")
    house.connections.rooms[ann] = RED
    house.tell(moved)
    assert house.posted == {"bob": [leave_frame("ann")]}


def test_a_new_nickname_is_a_leave_of_the_former_nickname(house: House) -> None:
    """Everyone in the room gets it, the renamed member too: it is still there."""
    ann, _ = house.join("ann", "bob")
    house.tell(house.move(ann, RED, "Anna"))
    assert house.posted == {"ann": [leave_frame("ann")], "bob": [leave_frame("ann")]}


def test_other_changes_are_not_announced_as_leaves(house: House) -> None:
    """A connection that comes, joins its first room, joins again as the same, or goes without having joined."""
    house.join("bob")
    ann, dan = house.connect("ann", "dan")
    house.tell(
        record("INSERT", ann, None, None), house.move(ann, RED, "ann"), house.move(ann, RED, "ann"), house.lose(dan)
    )
    assert house.posted == {}


def test_leaves_of_a_batch_are_announced_in_order(house: House) -> None:
    """Each member gets those of its room, and a connection that is gone gets none."""
    ann, bob, _ = house.join("ann", "bob", "cid")
    dan, _ = house.join("dan", "eve", room=BLUE)
    house.tell(house.lose(bob), house.lose(dan), house.lose(ann))
    assert house.posted == {"cid": [leave_frame("bob"), leave_frame("ann")], "eve": [leave_frame("dan", BLUE)]}


def test_a_member_that_left_and_returned_receives_its_own_leave(house: House) -> None:
    """The room after the last record of the batch counts."""
    ann, _ = house.join("ann", "bob")
    house.tell(house.move(ann, BLUE, "ann"), house.move(ann, RED, "ann"))
    assert house.posted == {"ann": [leave_frame("ann")], "bob": [leave_frame("ann")]}


def test_an_old_leave_is_not_announced(house: House) -> None:
    """The stream was held up, or is being read again."""
    ann, _ = house.join("ann", "bob")
    lost = house.lose(ann)
    house.now = NOW + LONGEST_LEAVE_AGE_SECONDS + 1
    house.tell(lost)
    assert house.posted == {}
    house.now = NOW + LONGEST_LEAVE_AGE_SECONDS
    house.tell(lost)
    assert house.posted == {"bob": [leave_frame("ann")]}


def test_leaves_of_a_large_room_are_not_announced(house: House) -> None:
    """The number of members before the batch counts: a crowd that leaves at once is not announced one by one."""
    everyone = house.crowd(SMALL_ROOM + 1)
    house.tell(*(house.lose(one) for one in everyone[:80]))
    assert house.posted == {}
    house.tell(house.lose(everyone[80]))
    assert len(house.posted) == SMALL_ROOM - 80


def test_a_stale_member_blocks_no_announcement(house: House) -> None:
    """A slow one does not either."""
    ann, bob, cid, _ = house.join("ann", "bob", "cid", "dan")
    house.ends({bob: Outcome.GONE, cid: Outcome.UNSENT})
    house.tell(house.lose(ann))
    assert house.posted == {"dan": [leave_frame("ann")]}


def test_a_stale_member_is_removed(house: House, counted: Counter[str]) -> None:
    """Its `$disconnect` got lost: the stream makes a leave of its row that goes. If time runs out, the rest stays."""
    ann, bob, cid, dan = house.join("ann", "bob", "cid", "dan")
    house.ends({bob: Outcome.GONE})
    house.tell(house.lose(ann))
    assert set(house.connections.rows) == {cid, dan}
    assert counted["StaleConnectionDeleted"] == 1

    def pass_time() -> None:
        house.now += ANNOUNCING_SECONDS

    house.ends({cid: Outcome.GONE})
    house.sender.before = pass_time
    house.tell(house.lose(dan))
    assert set(house.connections.rows) == {cid}


def test_an_unreadable_room_blocks_no_other_room(house: House, counted: Counter[str]) -> None:
    """And nothing is raised: the stream continues."""
    ann, _ = house.join("ann", "bob")
    cid, _ = house.join("cid", "dan", room=BLUE)
    house.rooms.down.add(RED)
    house.tell(house.lose(ann), house.lose(cid))
    assert house.posted == {"dan": [leave_frame("cid", BLUE)]}
    assert counted["LeaveNotAnnounced"] == 1


def test_announcements_without_time_left_are_dropped(house: House, counted: Counter[str]) -> None:
    """The stream waits no longer than that."""
    ann, _ = house.join("ann", "bob")
    cid, _ = house.join("cid", "dan", room=BLUE)
    records = [house.lose(ann), house.lose(cid)]

    def slowly(_: TenantId) -> Any:
        house.now += ANNOUNCING_SECONDS / 2 + 0.1
        return house.rooms

    leaves = Leaves(slowly, house.sender, endpoint=ENDPOINT, clock=house.time, monotonic=house.time)
    records.append(record("REMOVE", key("eve"), Membership(RoomKey("green"), NickName("eve")), None))
    leaves(records)
    assert counted["LeaveNotAnnounced"] == 1


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"dynamodb": None},
        {"dynamodb": {"Keys": {}}},
        {"dynamodb": {"Keys": {"partition": {"S": "no partition"}, "connectionId": {"S": "a="}}}},
    ],
)
def test_a_malformed_record_is_skipped(house: House, broken: Record) -> None:
    """Other leaves are announced."""
    ann, _ = house.join("ann", "bob")
    if broken.get("dynamodb"):
        broken["dynamodb"]["ApproximateCreationDateTime"] = float(NOW)
    house.tell(broken, house.lose(ann))
    assert house.posted == {"bob": [leave_frame("ann")]}

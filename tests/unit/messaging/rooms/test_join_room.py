"""Clients that may join a room, and members that get an announcement."""

from collections import Counter
from typing import Any

import pytest

from functions.messaging.join_room.join_room import JoinRoom
from loudhailer import codec
from loudhailer.connections.model import ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import TenantId
from loudhailer.limits.model import posts_of_tenant
from loudhailer.rooms.model import Membership, NickName
from loudhailer.tenants.model import posts_by_default
from tests.support.broadcasts import ENDPOINT
from tests.support.limits import SMALL_ROOM
from tests.unit.messaging.rooms.room_fixture import BLUE, NOW, RED, RoomFixture, caller


@pytest.fixture
def chat() -> RoomFixture:
    """Empty rooms."""
    return RoomFixture()


def join(
    chat: RoomFixture, one: ConnectionKey, posts_per_minute: int = 1_000_000, session: str = "s1", **frame: Any
) -> Any:
    """Return the answer to the frame's sender."""
    wire = {"action": "joinroom", "roomKey": "red", "nickName": "Ann", **frame}
    answer = JoinRoom(chat.rooms, chat.sender, chat.posts, endpoint=ENDPOINT)(
        caller(one, session, posts_per_minute=posts_per_minute), wire
    )
    return codec.decode(answer)


ACME = TenantId("acme")
JOINED = {"action": "joinroom", "roomKey": "red", "nickName": "Ann", "connectionId": "ann="}


def test_a_join_is_announced_to_everyone_in_the_room(chat: RoomFixture, counted: Counter[str]) -> None:
    """The one who joins has it as its answer, the others are posted it; another room hears nothing."""
    chat.join("bob", "cid")
    chat.join("dan", room=BLUE)
    (ann,) = chat.connect("ann")
    assert join(chat, ann) == JOINED
    assert chat.posted == {"bob": [JOINED], "cid": [JOINED]}
    assert chat.rooms.membership(ann) == Membership(RED, NickName("Ann"))
    assert counted["RoomJoined"] == 1
    assert chat.sender.calls == [(ENDPOINT, 1.0)]


def test_a_repeated_join_is_announced_to_no_other_member(chat: RoomFixture) -> None:
    """A client that is not sure may ask again."""
    chat.join("bob")
    (ann,) = chat.connect("ann")
    assert join(chat, ann) == join(chat, ann) == JOINED
    assert chat.posted == {"bob": [JOINED]}


def test_another_nickname_is_announced(chat: RoomFixture) -> None:
    """As a join; the leave of the former name is announced by `presence`."""
    chat.join("bob")
    (ann,) = chat.connect("ann")
    join(chat, ann)
    assert join(chat, ann, nickName=" Anna ")["nickName"] == "Anna"
    assert [frame["nickName"] for frame in chat.posted["bob"]] == ["Ann", "Anna"]


def test_a_join_is_not_announced_to_a_room_of_another_tenant(chat: RoomFixture) -> None:
    """A room's key is its tenant's own."""
    chat.join("bob", tenant="acme2")
    (ann,) = chat.connect("ann")
    join(chat, ann)
    assert chat.posted == {}


def test_a_join_makes_a_room_large(chat: RoomFixture) -> None:
    """The last member of a small room is announced to all, the next one to nobody."""
    chat.crowd(SMALL_ROOM - 1)
    ann, bob = chat.connect("ann", "bob")
    assert join(chat, ann) == JOINED
    assert len(chat.posted) == SMALL_ROOM - 1
    chat.sender.delivered.clear()
    assert join(chat, bob, nickName="Bob") == {**JOINED, "nickName": "Bob", "connectionId": "bob="}
    assert chat.posted == {}
    assert chat.rooms.membership(bob) == Membership(RED, NickName("Bob"))


@pytest.mark.parametrize("slow", [Outcome.THROTTLED, Outcome.SLOW])
def test_a_stale_or_slow_member_blocks_no_join(slow: Outcome, chat: RoomFixture) -> None:
    """The others get an announcement, and so does the new member."""
    bob, cid, _ = chat.join("bob", "cid", "dan")
    chat.ends({bob: Outcome.GONE, cid: slow})
    (ann,) = chat.connect("ann")
    assert join(chat, ann) == JOINED
    assert chat.posted == {"dan": [JOINED]}


def test_a_stale_member_is_removed_at_the_next_join(chat: RoomFixture, counted: Counter[str]) -> None:
    """Its `$disconnect` got lost; one that is only slow stays, and a row that cannot be deleted keeps nobody out."""
    bob, cid = chat.join("bob", "cid")
    chat.ends({bob: Outcome.GONE, cid: Outcome.SLOW})
    ann, dan = chat.connect("ann", "dan")
    chat.rooms.down.add("remove")
    assert join(chat, ann) == JOINED
    chat.rooms.down.clear()
    join(chat, dan)
    assert set(chat.connections.rows) == {ann, cid, dan}
    assert counted["StaleConnectionDeleted"] == 1


def test_a_room_can_be_joined_while_its_members_cannot_be_read(chat: RoomFixture, counted: Counter[str]) -> None:
    """The row exists, so the new member gets no error."""
    (ann,) = chat.connect("ann")
    chat.rooms.down.add("members")
    assert join(chat, ann) == JOINED
    assert counted["JoinNotAnnounced"] == 1


def test_a_connection_that_is_not_recorded_does_not_join(chat: RoomFixture) -> None:
    """Its row went while its socket was still open; joining does not bring it back."""
    (ann,) = chat.connect("ann")
    chat.connections.delete(ann)
    assert join(chat, ann)["error"]["code"] == "CONNECTION_OVER"
    assert chat.connections.rows == {}


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"roomKey": None}, "roomKey"),
        ({"roomKey": ""}, "roomKey"),
        ({"roomKey": "a#b"}, "roomKey"),
        ({"roomKey": "a" * 129}, "roomKey"),
        ({"roomKey": ["red"]}, "roomKey"),
        ({"nickName": ""}, "nickName"),
        ({"nickName": 7}, "nickName"),
        ({"nickName": "a\nb"}, "nickName"),
    ],
)
def test_a_bad_field_is_refused_with_its_name(chat: RoomFixture, frame: dict[str, Any], field: str) -> None:
    """The connection has not joined."""
    (ann,) = chat.connect("ann")
    with pytest.raises(InvalidFieldError) as refusal:
        join(chat, ann, **frame)
    assert refusal.value.field == field
    assert chat.rooms.membership(ann) is None


def test_a_join_is_charged_for_its_announcement(chat: RoomFixture) -> None:
    """A post to each of the others; a large room gets no announcement, so a join of it costs none."""
    chat.join("bob", "cid", "dan")
    chat.crowd(SMALL_ROOM, room=BLUE)
    ann, eve = chat.connect("ann", "eve")
    join(chat, ann)
    assert chat.limits.minutes[posts_of_tenant(ACME).key(NOW)] == 3
    join(chat, eve, roomKey="blue")
    assert chat.limits.minutes[posts_of_tenant(ACME).key(NOW)] == 3


def test_a_room_fills_within_the_default_budget_of_posts(chat: RoomFixture) -> None:
    """A hundred members who join in one minute, five of each session, where a tenant has sixty messages a minute."""
    crowd = chat.connect(*(f"member-{number}" for number in range(SMALL_ROOM)))
    budget = posts_by_default(60)
    answers = [
        join(chat, one, posts_per_minute=budget, session=f"s{number // 5}", nickName=f"Member {number}")
        for number, one in enumerate(crowd)
    ]
    assert [answer["action"] for answer in answers] == ["joinroom"] * SMALL_ROOM


def test_a_join_of_a_small_room_over_the_budget_of_posts_is_refused(chat: RoomFixture, counted: Counter[str]) -> None:
    """Each of a hundred members would get an announcement."""
    chat.join("bob", "cid", "dan")
    ann, eve = chat.connect("ann", "eve")
    assert join(chat, ann, posts_per_minute=5) == JOINED
    refused = {"message": "Too Many Requests", "connectionId": "eve=", "requestId": "request"}
    assert join(chat, eve, posts_per_minute=5, nickName="Eve") == refused
    assert chat.rooms.membership(eve) is None
    assert (len(chat.posted["bob"]), counted["RoomJoined"], counted["PostBudgetReached"]) == (1, 1, 1)

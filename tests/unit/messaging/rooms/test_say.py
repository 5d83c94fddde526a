"""Messages to a room, and the members that receive them."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from functions.messaging.send_message import rooms as say_in_room
from functions.messaging.send_message.rooms import SendToRoom, SmallRoom
from loudhailer import codec
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import InRoom
from loudhailer.broadcast.messages import Announcement
from loudhailer.broadcast.model import Priority
from loudhailer.connections.ends import End
from loudhailer.connections.model import ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import RoomKey, TenantId
from loudhailer.limits.model import posts_of_tenant
from loudhailer.limits.posts import PostBudget
from loudhailer.rooms.model import Membership, nickname
from loudhailer.websocket.exchange import VERBATIM_MEMBERS
from loudhailer.websocket.once import Once
from loudhailer.websocket.sent.model import Attempt
from tests.support.broadcasts import ENDPOINT
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.sent import MemorySentStore
from tests.support.limits import MAX_CONTENT, SMALL_ROOM
from tests.unit.messaging.rooms.room_fixture import BLUE, NOW, RED, RoomFixture, caller

LIFETIME = 300


class Talk(RoomFixture):
    """Connections that say something in rooms."""

    def __init__(self) -> None:
        super().__init__()
        self.broadcasts, self.topic = MemoryBroadcastStore(), MemoryTopic()
        self.sent = MemorySentStore()
        self.closing = MemoryQueue()
        self.requests = 0
        self.seconds_later = 0
        self.monotonic = 0.0
        self.said_in: dict[int, SendToRoom] = {}
        self.caller: dict[str, Any] = {}

    def say(self, one: ConnectionKey, **frame: Any) -> Any:
        """Return the answer to the frame's sender: None, or an error frame."""
        return self.say_text(
            one, codec.json_text({"action": "sendmessage", "roomKey": "red", "content": "hello", **frame})
        )

    def say_text(self, one: ConnectionKey, text: str) -> Any:
        """The answer to a frame of this text."""
        announce = Announcer(self.broadcasts, self.topic, lifetime_seconds=LIFETIME, clock=lambda: NOW)
        once = Once(self.sent, clock=lambda: NOW + self.seconds_later)
        say = self.said_in.setdefault(
            id(self.sender),
            SendToRoom(
                self.rooms,
                SmallRoom(
                    self.rooms,
                    self.sender,
                    self.closing,
                    endpoint=ENDPOINT,
                    pause=self.pause,
                    monotonic=lambda: self.monotonic,
                ),
                self.posts,
                self.broadcasts,
                announce,
                once=once,
            ),
        )
        sender = caller(one, **self.caller)
        if "clientMessageId" in text:
            self.requests += 1
            sender = replace(sender, request_id=f"r{self.requests}")
        answer = say(sender, codec.decode_object(text, verbatim=VERBATIM_MEMBERS))
        return None if answer is None else codec.decode(answer)

    def pause(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self.monotonic += seconds

    @property
    def announced(self) -> list[Announcement]:
        """Messages on the topic."""
        return [Announcement.from_wire(body) for body in self.topic.bodies]


@pytest.fixture
def talk() -> Talk:
    """Empty rooms."""
    return Talk()


def message_frame(nickname: str, content: str = "hello") -> dict[str, Any]:
    """The frame that the room sees."""
    room = {"action": "sendmessage", "roomKey": "red", "nickName": nickname}
    return room | {"content": content, "sentAt": NOW * 1000, "connectionId": f"{nickname}="}


def test_every_member_of_the_room_receives_a_message(talk: Talk, counted: Counter[str]) -> None:
    """The sender receives it, too; connections in another room, or in none, do not."""
    ann, _ = talk.join("ann", "bob")
    talk.join("cid", room=BLUE)
    talk.connect("dan")
    assert talk.say(ann) is None
    assert talk.posted == {"ann": [message_frame("ann")], "bob": [message_frame("ann")]}
    assert talk.announced == []
    assert counted["RoomMessageSent"] == 1
    assert talk.sender.calls == [(ENDPOINT, 3.0)]


def test_the_nickname_is_that_of_the_row(talk: Talk) -> None:
    """The nickname in the frame is not trusted."""
    ann, _ = talk.join("ann", "bob")
    talk.say(ann, nickName="bob")
    assert talk.posted["bob"] == [message_frame("ann")]


def test_a_message_from_outside_the_room_is_refused(talk: Talk, counted: Counter[str]) -> None:
    """Not from another room, from none, from another tenant's room of the same name, nor once its row is gone."""
    (bob,) = talk.join("bob")
    (cid,) = talk.join("cid", room=BLUE)
    (dan,) = talk.connect("dan")
    (eve,) = talk.join("eve", tenant="acme2")
    assert [talk.say(one)["error"]["code"] for one in (cid, dan)] == ["NOT_IN_ROOM"] * 2
    assert talk.say(eve) is None
    assert talk.posted == {"eve": [message_frame("eve")]}
    talk.connections.delete(bob)
    assert talk.say(bob)["error"] == {"code": "NOT_IN_ROOM", "message": "join the room before you speak in it"}
    assert counted["FrameRefused"] == 3


@pytest.mark.parametrize("blank", ["", "  ", "\n\t ", "\u3000"])
def test_blank_text_is_ignored(talk: Talk, blank: str) -> None:
    """No member gets a frame, and the sender gets no answer, even if it is not in the room."""
    (ann,) = talk.join("ann")
    (bob,) = talk.connect("bob")
    assert talk.say(ann, content=blank) is None
    assert talk.say(bob, content=blank) is None
    assert talk.posted == {}


def test_text_is_forwarded_unchanged(talk: Talk) -> None:
    """With its blanks, its lines and its markup, up to the longest."""
    (ann,) = talk.join("ann")
    texts = [" a\n<b>&amp;\u0000 ", "👩\u200d🚀" * (MAX_CONTENT // 3), "\x01" * (MAX_CONTENT - 1) + "x"]
    for text in texts:
        assert talk.say(ann, content=text) is None
    assert [frame["content"] for frame in talk.posted["ann"]] == texts


def test_escapes_in_text_are_forwarded_unchanged(talk: Talk) -> None:
    """With its escapes, which say the same as the characters that they stand for."""
    (ann,) = talk.join("ann")
    text = r'"\u00e9\/\ud83d\ude00 18446744073709551616"'
    assert talk.say_text(ann, f'{{"roomKey":"red","content": {text} }}') is None
    ((_, frame),) = talk.sender.delivered
    assert f'"content":{text},'.encode() in frame


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"roomKey": "a/b"}, "roomKey"),
        ({"roomKey": 5}, "roomKey"),
        ({"content": None}, "content"),
        ({"content": 5}, "content"),
        ({"content": ["hello"]}, "content"),
        ({"content": "x" * (MAX_CONTENT + 1)}, "content"),
    ],
)
def test_a_bad_field_is_refused_with_its_name(talk: Talk, frame: dict[str, Any], field: str) -> None:
    """No member gets anything."""
    (ann,) = talk.join("ann")
    with pytest.raises(InvalidFieldError) as refusal:
        talk.say(ann, **frame)
    assert refusal.value.field == field
    if field == "content":
        assert refusal.value.reason == "must be a text of at most 4096 characters"
    assert talk.posted == {}


@pytest.mark.parametrize("slow", [Outcome.THROTTLED, Outcome.SLOW, Outcome.FAILED, Outcome.UNSENT])
def test_a_stale_member_is_removed_and_the_others_receive_the_message(
    slow: Outcome, talk: Talk, counted: Counter[str]
) -> None:
    """Its row is deleted, which the stream announces as a leave; slow ones are to be closed."""
    ann, bob, cid, dan = talk.join("ann", "bob", "cid", "dan")
    talk.ends({bob: Outcome.GONE, cid: slow})
    assert talk.say(ann) is None
    assert talk.closing.bodies == [End(cid, close=True).to_body()]
    assert talk.posted == {"ann": [message_frame("ann")], "dan": [message_frame("ann")]}
    assert set(talk.connections.rows) == {ann, cid, dan}
    assert (counted["StaleConnectionDeleted"], counted["RoomPostFailed"]) == (1, 1)


def test_a_member_throttled_for_a_moment_stays_and_receives_the_message(talk: Talk, counted: Counter[str]) -> None:
    """It reads, and the account is throttled: it is posted to once more, a second later, in the rest of the time."""
    ann, bob, cid = talk.join("ann", "bob", "cid")
    talk.sender = MemoryOrderedSender(
        {
            bob.connection_id: [Outcome.THROTTLED, Outcome.DELIVERED],
            cid.connection_id: [Outcome.THROTTLED, Outcome.GONE],
        }
    )
    assert talk.say(ann) is None
    assert talk.posted == {"ann": [message_frame("ann")], "bob": [message_frame("ann")]}
    assert talk.closing.bodies == []
    assert set(talk.connections.rows) == {ann, bob}
    assert talk.sender.calls == [(ENDPOINT, 3.0), (ENDPOINT, 2.0)]
    assert counted["RoomPostFailed"] == 0


@pytest.mark.parametrize(
    ("first", "seconds", "attempts"),
    [(Outcome.THROTTLED, 0.0, 2), (Outcome.THROTTLED, 2.5, 1), (Outcome.SLOW, 0.0, 1), (Outcome.UNSENT, 3.0, 1)],
)
def test_a_member_that_stays_throttled_is_closed(first: Outcome, seconds: float, attempts: int, talk: Talk) -> None:
    """At once if it is known to be slow, or if the time for posts is almost over."""
    ann, bob = talk.join("ann", "bob")
    talk.ends({bob: first})
    talk.sender.before = lambda: talk.pause(seconds)
    assert talk.say(ann) is None
    assert talk.closing.bodies == [End(bob, close=True).to_body()]
    assert len(talk.sender.calls) == attempts


def test_a_message_is_not_finished_until_members_that_miss_it_are_closed(talk: Talk) -> None:
    """The speaker gets an error that asks for another try."""
    ann, bob = talk.join("ann", "bob")
    talk.ends({bob: Outcome.SLOW})
    talk.closing.down = True
    with pytest.raises(TransientError):
        talk.say(ann)


def test_a_member_that_the_gateway_refuses_permanently_is_not_closed(talk: Talk) -> None:
    """It would refuse the next one, too."""
    ann, bob = talk.join("ann", "bob")
    talk.ends({bob: Outcome.REJECTED})
    assert talk.say(ann) is None
    assert talk.closing.bodies == []


def test_a_stale_row_that_cannot_be_deleted_is_no_failure(talk: Talk) -> None:
    """A delivered message is not reported as failed."""
    ann, bob = talk.join("ann", "bob")
    talk.ends({bob: Outcome.GONE})
    talk.rooms.down.add("remove")
    assert talk.say(ann) is None
    assert talk.posted == {"ann": [message_frame("ann")]}


def test_a_speaker_missing_from_the_index_receives_its_own_message(talk: Talk) -> None:
    """The index lags behind the rows."""
    (ann,) = talk.join("ann")
    del talk.connections.rooms[ann]
    assert talk.say(ann) is None
    assert talk.posted == {"ann": [message_frame("ann")]}


def test_a_room_is_small_up_to_a_hundred(talk: Talk) -> None:
    """Each of them is posted the frame directly."""
    everyone = talk.crowd(SMALL_ROOM)
    assert talk.say(everyone[0]) is None
    assert len(talk.posted) == SMALL_ROOM
    assert talk.announced == []


def test_a_large_room_is_served_by_a_broadcast(talk: Talk) -> None:
    """Its audience is the room, its frame is the message, and its report can be followed."""
    everyone = talk.crowd(SMALL_ROOM + 1)
    assert talk.say(everyone[0]) is None
    assert talk.posted == {}
    (announcement,) = talk.announced
    assert announcement.audience == InRoom(TenantId("acme"), RED)
    assert codec.decode(announcement.payload.open()) == message_frame("c0000")
    assert (announcement.published_at, announcement.expires_at) == (NOW * 1000, NOW + LIFETIME)
    summary = talk.broadcasts.summary(announcement.broadcast_id)
    assert summary is not None
    assert (summary.audience, summary.announced) == (announcement.audience, True)


def test_each_message_to_a_large_room_is_a_separate_broadcast(talk: Talk) -> None:
    """Also when two messages are equal."""
    everyone = talk.crowd(SMALL_ROOM + 1)
    for _ in range(2):
        talk.say(everyone[0])
    first, second = talk.announced
    assert first.broadcast_id != second.broadcast_id


def test_a_message_that_the_topic_refused_is_an_error(talk: Talk) -> None:
    """The speaker gets the error, and may try again."""
    everyone = talk.crowd(SMALL_ROOM + 1)
    talk.topic.down = True
    with pytest.raises(TransientError):
        talk.say(everyone[0])


MESSAGE_ID = f"{NOW * 1000:013d}-r1"
ACK = {"status": "Message sent!", "messageId": MESSAGE_ID, "roomKey": "red", "clientMessageId": "m1"}


def test_a_message_with_an_id_is_acknowledged_and_sent_once(talk: Talk) -> None:
    """A retry over another connection of the session, too; the frame says by which id a duplicate is known."""
    ann, bob = talk.join("ann", "bob")
    assert [talk.say(one, clientMessageId="m1") for one in (ann, ann, bob)] == [ACK] * 3
    heard = [message_frame("ann") | {"messageId": MESSAGE_ID}]
    assert talk.posted == {"ann": heard, "bob": heard}


def test_a_retry_in_a_large_room_makes_no_second_broadcast(talk: Talk) -> None:
    """It is acknowledged like the first."""
    everyone = talk.crowd(SMALL_ROOM + 1)
    assert [talk.say(everyone[0], clientMessageId="m1") for _ in range(3)] == [ACK] * 3
    (announcement,) = talk.announced
    assert codec.decode(announcement.payload.open()) == message_frame("c0000") | {"messageId": MESSAGE_ID}


@pytest.mark.parametrize("announced", [False, True], ids=["before the topic has it", "after the topic has it"])
def test_an_abandoned_attempt_in_a_large_room_leaves_one_broadcast(talk: Talk, *, announced: bool) -> None:
    """The attempt that takes it over finds the broadcast of the first one by its id."""
    everyone = talk.crowd(SMALL_ROOM + 1)
    talk.sent.finish = _killed  # type: ignore[method-assign]  # it dies here at the latest
    talk.topic.down = not announced
    with pytest.raises((TransientError, KeyboardInterrupt)):
        talk.say(everyone[0], clientMessageId="m1")
    talk.topic.down = False
    del talk.sent.finish
    talk.seconds_later = 15
    assert talk.say(everyone[0], clientMessageId="m1") == ACK
    assert len({announcement.broadcast_id for announcement in talk.announced}) == 1
    assert len(talk.announced) == 1


def _killed(attempt: Attempt) -> None:  # noqa: ARG001  # as the store has it
    raise KeyboardInterrupt


def test_a_refusal_uses_no_id(talk: Talk) -> None:
    """A sender that was not in the room may join it and send the same frame."""
    (ann,) = talk.connect("ann")
    assert talk.say(ann, clientMessageId="m1")["error"]["code"] == "NOT_IN_ROOM"
    talk.rooms.join(ann, Membership(RED, nickname("ann")))
    assert talk.say(ann, clientMessageId="m1") == ACK | {"messageId": f"{NOW * 1000:013d}-r2"}


TOO_MANY = {"message": "Too Many Requests", "connectionId": "c0000=", "requestId": "request"}


def test_seventy_frames_to_a_large_room_keep_to_the_budget(talk: Talk, counted: Counter[str]) -> None:
    """108 members, 70 frames, 2,160 posts a minute: the tenant says 20 things, however many sessions say them."""
    members = talk.crowd(108)
    answers = []
    for number in range(70):
        talk.caller = {"session": f"s{number % 7}", "posts_per_minute": 2_160}
        answers.append(talk.say(members[0]))
    assert (answers.count(None), answers.count(TOO_MANY)) == (20, 50)
    assert len(talk.announced) == 20
    assert talk.limits.minutes[posts_of_tenant(TenantId("acme")).key(NOW)] == 2_160
    assert counted["RoomMessageSent"] == 20


def test_a_session_stops_at_its_share_of_the_posts(talk: Talk) -> None:
    """A half of 400 here: 20 frames to ten members; another session is let through with the rest."""
    members = talk.crowd(10)
    talk.caller = {"posts_per_minute": 400}
    assert [talk.say(members[0]) for _ in range(21)] == [None] * 20 + [TOO_MANY]
    talk.caller = {"posts_per_minute": 400, "session": "s2"}
    assert talk.say(members[0]) is None
    assert len(talk.posted["c0000"]) == 21


def test_messages_to_a_large_room_have_a_low_priority(talk: Talk) -> None:
    """In the lanes they are never before anyone's broadcast."""
    talk.say(talk.crowd(SMALL_ROOM + 1)[0])
    assert [announced.priority for announced in talk.announced] == [Priority.LOW]
    assert talk.topic.groups == ["acme"]


def test_a_large_rooms_size_is_counted_every_ten_seconds(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each count reads the whole room; no further than a session's share of the budget reaches."""
    counted: list[int] = []
    size = talk.rooms.size

    def watched(tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        counted.append(limit)
        return size(tenant, room, limit=limit)

    monkeypatch.setattr(talk.rooms, "size", watched)
    talk.caller = {"posts_per_minute": 10_000}
    members = talk.crowd(SMALL_ROOM + 1)
    for received_at in (NOW, NOW + 9, NOW + 10):
        talk.caller["received_at"] = received_at * 1_000
        talk.say(members[0])
    assert counted == [5_001] * 2


def test_members_of_a_large_room_are_read_when_its_size_is_counted(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each that speaks in between: a hundred keys are most of the cost of a frame."""
    read: list[int] = []
    members = talk.rooms.members

    def watched(tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        read.append(limit)
        return members(tenant, room, limit=limit)

    monkeypatch.setattr(talk.rooms, "members", watched)
    speakers = talk.crowd(SMALL_ROOM + 1)
    for received_at, speaker in zip((NOW, NOW + 9, NOW + 10), speakers, strict=False):
        talk.caller["received_at"] = received_at * 1_000
        assert talk.say(speaker) is None
    assert read.count(SMALL_ROOM + 1) == 2
    assert len(talk.announced) == 3


def test_the_sizes_of_few_rooms_are_remembered(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or rooms without end would use up the memory: with room for one, the other has to be counted again."""
    monkeypatch.setattr(say_in_room, "_SIZES", 1)
    counted: list[RoomKey] = []
    size = talk.rooms.size

    def watched(tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        counted.append(room)
        return size(tenant, room, limit=limit)

    monkeypatch.setattr(talk.rooms, "size", watched)
    (red, *_), (blue, *_) = (
        talk.join(*(f"{room}{number}" for number in range(SMALL_ROOM + 1)), room=room) for room in (RED, BLUE)
    )
    for one, room in ((red, RED), (red, RED), (blue, BLUE), (red, RED)):
        assert talk.say(one, roomKey=room) is None
    assert counted == [RED, BLUE, RED]


def test_a_room_larger_than_the_budget_accepts_one_message_a_minute(talk: Talk) -> None:
    """It would be silent for ever otherwise."""
    members = talk.crowd(SMALL_ROOM + 50)
    talk.caller = {"posts_per_minute": 100}
    assert [talk.say(members[0]) for _ in range(3)] == [None, TOO_MANY, TOO_MANY]


def test_a_message_over_the_budget_uses_no_id(talk: Talk) -> None:
    """The client may send the frame again in the next minute; an accepted message costs nothing again."""
    ann, _ = talk.join("ann", "bob")
    talk.caller = {"posts_per_minute": 4}
    assert talk.say(ann, clientMessageId="m0") == ACK | {"clientMessageId": "m0"}
    refused = talk.say(ann, clientMessageId="m1")
    assert (refused["message"], refused["requestId"]) == ("Too Many Requests", "r2")
    assert talk.say(ann, clientMessageId="m0") == ACK | {"clientMessageId": "m0"}
    talk.caller, talk.limits.minutes = {}, Counter()
    talk.posts = PostBudget(talk.limits, session_share=0.5, clock=lambda: NOW)
    talk.said_in.clear()
    assert talk.say(ann, clientMessageId="m1") == ACK | {"messageId": f"{NOW * 1000:013d}-r2"}

"""Delivery of an inbox."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import override

import pytest

from functions.messaging.relay_message.players_cell import AlwaysHere
from functions.messaging.relay_message.relay_message import RelayMessage
from loudhailer.codec import decode, json_text
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId, nth_partition
from loudhailer.inbox.model import DirectMessage, Inbox, Wake, message_id
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.fakes.queues import MemoryFifoQueue
from tests.support.limits import MESSAGES_AT_ONCE, YOUNG_SECONDS

NOW = 1_780_000_000
TENANT, ALICE = TenantId("acme"), PlayerId("1")
INBOX = Inbox(TENANT, PlayerId("2"))
PHONE, LAPTOP = ConnectionId("phone="), ConnectionId("laptop=")
OLD, YOUNG = NOW - 1_000, NOW - 1
GONE, THROTTLED, DELIVERED = Outcome.GONE, Outcome.THROTTLED, Outcome.DELIVERED
FAILED, UNSENT = Outcome.FAILED, Outcome.UNSENT


class Sender(MemoryOrderedSender):
    """The twin; it notes how long each call may take."""

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]]) -> None:
        super().__init__(ends)
        self.seconds: list[float] = []

    @override
    def post_in_order(
        self, endpoint: str, frames: Mapping[ConnectionId, Sequence[bytes]], *, seconds: float
    ) -> dict[ConnectionId, list[Outcome]]:
        assert endpoint == "https://api/live"
        self.seconds.append(seconds)
        return super().post_in_order(endpoint, frames, seconds=seconds)


class RelayMessageFixture:
    """`relay_message` on twins, and a clock that pauses move on; `in_pause` is what happens in each of them."""

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]] | None = None) -> None:
        self.inboxes = MemoryInboxStore()
        self.connections = MemoryConnectionStore()
        self.devices = MemoryDeviceStore(self.connections)
        self.sender = Sender(ends or {})
        self.queue = MemoryFifoQueue()
        self.elapsed = 0.0
        self.in_pause: Callable[[], None] = lambda: None
        self._times = count(NOW * 1_000)

    def connect(self, connection: ConnectionId, at: int = OLD) -> ConnectionKey:
        """Put the row of a connection of the receiver."""
        key = ConnectionKey(nth_partition(TENANT, 0), connection)
        self.connections.rows[key] = Connection(key, SessionId("s"), at, NOW + 7_000, INBOX.player_id)
        return key

    def store(self, texts: Iterable[object], *, inbox: Inbox = INBOX, expires_at: int = NOW + 100) -> None:
        """Append messages to the inbox."""
        for text in texts:
            at = next(self._times)
            self.inboxes.put(DirectMessage(inbox, message_id(at, "r="), json_text(text), ALICE, at, expires_at))

    def wake(self, *, behind: ConnectionKey | None = None, seconds: float = 7.0) -> None:
        """Handle a wake, with so many seconds to do it in."""
        relay = RelayMessage(
            self.inboxes,
            self.connections,
            self.devices,
            self.sender,
            self.queue,
            players_cell=AlwaysHere(),
            endpoint="https://api/live",
            clock=lambda: NOW + self.elapsed,
            pause=self._pause,
        )
        relay(Wake(INBOX, behind), wake_id="w1", deadline=Deadline.after(seconds, lambda: self.elapsed))

    def wakes(self) -> list[Wake]:
        """The wakes that were sent since this was last asked."""
        sent, self.queue.messages = self.queue.messages, []
        return [Wake.of_body(message.body) for message in sent]

    def got(self, connection: ConnectionId) -> list[object]:
        """The messages that a connection was sent."""
        return [decode(frame)["message"] for one, frame in self.sender.delivered if one == connection]

    @property
    def waiting(self) -> list[object]:
        """The messages that are in the inboxes."""
        return [decode(self.inboxes.rows[key].message) for key in sorted(self.inboxes.rows)]

    def _pause(self, seconds: float) -> None:
        self.elapsed += seconds
        self.in_pause()


def test_an_inbox_is_delivered_in_order_to_all_the_players_connections(counted: Counter[str]) -> None:
    """More than is read at once; nothing is left, and nothing of another inbox is touched."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    texts = list(range(2 * MESSAGES_AT_ONCE + 1))
    receiver.store(texts)
    receiver.store(["another's"], inbox=Inbox(TENANT, PlayerId("3")))
    receiver.wake()
    assert receiver.got(PHONE) == receiver.got(LAPTOP) == texts
    assert receiver.waiting == ["another's"]
    assert (receiver.queue.messages, counted["MessageDelivered"]) == ([], len(texts))


def test_a_frame_names_its_sender_message_and_time() -> None:
    """The message is as it was sent."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.store([{"text": "Hello"}])
    (message,) = receiver.inboxes.rows.values()
    receiver.wake()
    assert decode(receiver.sender.delivered[0][1]) == {
        "message": {"text": "Hello"},
        "messageId": message.message_id,
        "srcPlayerId": ALICE,
        "sentAt": message.sent_at,
    }


def test_messages_wait_without_a_connection() -> None:
    """The wake is done; the player's next connection brings another one."""
    receiver = RelayMessageFixture()
    receiver.store("ab")
    receiver.wake()
    assert receiver.waiting == ["a", "b"]
    receiver.connect(PHONE, YOUNG)
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["a", "b"], [])


def test_closed_devices_are_removed_and_not_posted_to() -> None:
    """Their rows are gone, whatever made them go; a few at a time, since messages wait for it."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    gone = {ConnectionKey(nth_partition(TENANT, 0), ConnectionId(f"gone{number}=")) for number in range(30)}
    receiver.devices.gone[INBOX] = gone
    receiver.store("a")
    receiver.wake()
    assert [to for to, _ in receiver.sender.delivered] == [PHONE]
    assert len(receiver.devices.gone[INBOX]) == 5


def test_a_device_that_cannot_be_removed_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next wake meets it again."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)

    def fail(*_: object) -> None:
        raise TransientError("throttled")

    monkeypatch.setattr(receiver.devices, "forget", fail)
    receiver.store("a")
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["a"], [])


def test_expired_messages_are_never_delivered(counted: Counter[str]) -> None:
    """However many; they go, and the others are delivered."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.store(range(MESSAGES_AT_ONCE + 5), expires_at=NOW)
    receiver.store(["fresh"])
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["fresh"], [])
    assert counted["MessageExpired"] == MESSAGES_AT_ONCE + 5


def test_messages_that_arrive_during_a_wake_are_delivered_by_it() -> None:
    """The inbox is read until it is empty."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.store("a")
    later = iter("bc")
    receiver.sender.before = lambda: receiver.store(next(later, ""))
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["a", "b", "c"], [])


def test_an_inbox_that_fills_faster_than_it_is_emptied_is_handed_over(counted: Counter[str]) -> None:
    """The wake ends in time, and another one continues behind the waiting ones."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.store("a")

    def fill() -> None:
        receiver.elapsed += 3
        receiver.store("x")

    receiver.sender.before = fill
    receiver.wake()
    assert [(Wake.of_body(one.body), one.deduplication) for one in receiver.queue.messages] == [(Wake(INBOX), "w1.on")]
    assert receiver.waiting == ["x"]
    assert counted["WakeHandedOn"] == 1


def test_a_message_that_api_gateway_rejects_holds_up_no_other(counted: Counter[str]) -> None:
    """Such as one that is too long; it stayed first in its inbox, so that no later message was delivered."""
    receiver = RelayMessageFixture({PHONE: [Outcome.REJECTED, DELIVERED]})
    receiver.connect(PHONE)
    receiver.store("ab")
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["b"], [])
    assert (counted["MessageRejected"], counted["MessageDelivered"]) == (1, 1)


def test_a_rejected_message_is_kept_while_another_connection_may_take_it() -> None:
    """The wake is delivered again, and then the connection that rejects it is behind the other one."""
    receiver = RelayMessageFixture({PHONE: [Outcome.REJECTED], LAPTOP: [FAILED, DELIVERED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("a")
    with pytest.raises(TransientError):
        receiver.wake()
    assert receiver.waiting == ["a"]
    receiver.wake()
    assert (receiver.got(LAPTOP), receiver.waiting) == (["a"], [])


def test_closed_connections_are_skipped() -> None:
    """One that is there is enough; if none is, the messages wait."""
    receiver = RelayMessageFixture({PHONE: [GONE]})
    receiver.connect(PHONE)
    receiver.store("a")
    receiver.wake()
    assert (receiver.waiting, receiver.elapsed) == (["a"], 0)
    receiver.connect(LAPTOP)
    receiver.wake()
    assert (receiver.got(LAPTOP), receiver.waiting) == (["a"], [])


def test_the_row_of_a_connection_that_is_gone_is_deleted(counted: Counter[str]) -> None:
    """Its `$disconnect` got lost; one that is young, or only refuses, keeps its row."""
    receiver = RelayMessageFixture({PHONE: [GONE], LAPTOP: [GONE], ConnectionId("watch="): [Outcome.REJECTED]})
    receiver.connect(PHONE)
    young, watch = receiver.connect(LAPTOP, YOUNG), receiver.connect(ConnectionId("watch="))
    receiver.store("a")
    receiver.wake(seconds=1)
    assert set(receiver.connections.rows) == {young, watch}
    assert counted["StaleConnectionDeleted"] == 1


def test_the_row_of_a_connection_that_is_gone_before_it_is_closed_is_deleted() -> None:
    """It was left behind, and went."""
    receiver = RelayMessageFixture({LAPTOP: [FAILED, GONE]})
    phone = receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("a")
    receiver.wake()
    assert set(receiver.connections.rows) == {phone}


def test_a_connection_still_in_its_handshake_is_retried() -> None:
    """Its row exists before it is open; no other wake would come then."""
    receiver = RelayMessageFixture({PHONE: [GONE, GONE, GONE, DELIVERED]})
    receiver.connect(PHONE, YOUNG)
    receiver.store("ab")
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting, receiver.queue.messages) == (["a", "b"], [], [])


def test_a_long_handshake_is_left_to_another_wake() -> None:
    """Until the connection is not young any more: then it is gone indeed."""
    receiver = RelayMessageFixture({PHONE: [GONE]})
    receiver.connect(PHONE, YOUNG)
    receiver.store("a")
    receiver.wake()
    assert len(receiver.queue.messages) == 1
    receiver.elapsed += 30
    receiver.wake()
    assert (len(receiver.queue.messages), receiver.waiting) == (1, ["a"])


@pytest.mark.parametrize("outcome", [THROTTLED, Outcome.SLOW, Outcome.FAILED, Outcome.UNSENT])
def test_a_wake_that_delivered_nothing_is_redelivered(outcome: Outcome) -> None:
    """SQS brings it, after a while; the messages wait in their order."""
    receiver = RelayMessageFixture({PHONE: [outcome]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.sender = Sender({PHONE: [outcome], LAPTOP: [GONE]})
    receiver.store("ab")
    with pytest.raises(TransientError):
        receiver.wake()
    assert (receiver.waiting, receiver.queue.messages) == (["a", "b"], [])


def test_a_wake_that_delivered_a_part_is_handed_over() -> None:
    """Messages that the gateway took are not posted again; the rest need not wait for SQS."""
    receiver = RelayMessageFixture({PHONE: [DELIVERED, THROTTLED]})
    receiver.connect(PHONE)
    receiver.store("abc")
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["a"], ["b", "c"])
    assert len(receiver.queue.messages) == 1


@pytest.mark.parametrize("outcome", [FAILED, UNSENT, Outcome.REJECTED])
def test_a_connection_that_refuses_a_message_another_one_took_is_closed(
    outcome: Outcome, counted: Counter[str]
) -> None:
    """It is waited for once, for longer than one request may take, and gets nothing more."""
    receiver = RelayMessageFixture({LAPTOP: [DELIVERED, outcome, DELIVERED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store(range(MESSAGES_AT_ONCE + 10))
    receiver.wake()
    assert receiver.got(PHONE) == list(range(MESSAGES_AT_ONCE + 10))
    assert (receiver.got(LAPTOP), receiver.sender.closed, receiver.waiting) == ([0], [LAPTOP], [])
    assert (receiver.queue.messages, counted["ConnectionClosed"]) == ([], 1)
    assert receiver.sender.seconds == [5.0, 7.0]
    assert counted["ConnectionClosed"] == 1


@pytest.mark.parametrize("outcome", [THROTTLED, Outcome.SLOW])
def test_a_device_that_does_not_read_is_tried_once_more_and_then_closed(
    outcome: Outcome, counted: Counter[str]
) -> None:
    """At the wake's next delivery; the messages that the other one took leave the inbox, and are not sent twice."""
    receiver = RelayMessageFixture({LAPTOP: [DELIVERED, outcome]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("abc")
    closer = Sender({})
    receiver.sender.close = closer.close  # type: ignore[method-assign]  # a close needs no buffer
    with pytest.raises(TransientError):
        receiver.wake()
    assert (closer.closed, receiver.waiting, receiver.wakes()) == ([], ["b", "c"], [])
    receiver.wake()
    assert (receiver.got(PHONE), receiver.got(LAPTOP)) == (["a", "b", "c"], ["a"])
    assert (closer.closed, receiver.waiting, receiver.wakes()) == ([LAPTOP], [], [])
    assert receiver.elapsed == 0
    assert counted["ConnectionClosed"] == 1
    assert counted["MessageDelivered"] == 3


@pytest.mark.parametrize("outcome", [THROTTLED, Outcome.SLOW])
def test_a_device_that_resumes_reading_gets_the_rest(outcome: Outcome) -> None:
    """From the message that it was refused on; nobody is closed, and a third device gets what it missed meanwhile."""
    receiver = RelayMessageFixture({LAPTOP: [DELIVERED, outcome, DELIVERED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("abc")
    with pytest.raises(TransientError):
        receiver.wake()
    receiver.store("d")
    receiver.connect(ConnectionId("watch="))
    receiver.wake()
    assert receiver.got(PHONE) == receiver.got(LAPTOP) == ["a", "b", "c", "d"]
    assert receiver.got(ConnectionId("watch=")) == ["b", "c", "d"]
    assert (receiver.sender.closed, receiver.waiting, receiver.wakes()) == ([], [], [])


def test_a_players_only_device_that_does_not_read_blocks_no_worker() -> None:
    """The wake fails at once, and SQS brings it again later; the messages wait in their order."""
    receiver = RelayMessageFixture({PHONE: [DELIVERED, Outcome.SLOW]})
    receiver.connect(PHONE)
    receiver.store("abc")
    receiver.wake()
    assert (receiver.waiting, len(receiver.wakes()), receiver.elapsed) == (["b", "c"], 1, 0)
    with pytest.raises(TransientError):
        receiver.wake()
    assert (receiver.waiting, receiver.elapsed, receiver.sender.closed) == (["b", "c"], 0, [])


def test_a_handshake_is_awaited_beside_an_open_connection() -> None:
    """A message that comes while a laptop connects reaches it, too, and the phone gets it once."""
    receiver = RelayMessageFixture({LAPTOP: [GONE, GONE, GONE, DELIVERED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP, YOUNG)
    receiver.store("ab")
    receiver.wake()
    assert receiver.got(PHONE) == receiver.got(LAPTOP) == ["a", "b"]
    assert (receiver.sender.closed, receiver.waiting, receiver.queue.messages) == ([], [], [])


def test_a_long_handshake_beside_an_open_connection_is_closed() -> None:
    """The phone's messages continue after two seconds; a wake of its own closes the laptop once it is open."""
    receiver = RelayMessageFixture({LAPTOP: [GONE]})
    receiver.connect(PHONE)
    laptop = receiver.connect(LAPTOP, YOUNG)
    receiver.store("ab")
    receiver.wake()
    assert (receiver.got(PHONE), receiver.waiting) == (["a", "b"], [])
    assert 1.5 < receiver.elapsed <= 2
    assert receiver.wakes() == [Wake(INBOX, behind=laptop)]
    receiver.sender = Sender({LAPTOP: [GONE, GONE, GONE, DELIVERED]})
    later = iter("cd")
    receiver.in_pause = lambda: receiver.store(next(later, ""))
    receiver.wake(behind=laptop)
    assert (receiver.got(PHONE), receiver.waiting) == (["c", "d"], [])
    assert (receiver.got(LAPTOP), receiver.sender.closed) == ([], [LAPTOP])
    assert receiver.wakes() == []


def test_a_connection_that_is_already_gone_is_not_closed() -> None:
    """It took something and went, or its row goes while it is waited for, or it is young no more."""
    receiver = RelayMessageFixture({LAPTOP: [DELIVERED, GONE]})
    receiver.connect(PHONE)
    laptop = receiver.connect(LAPTOP, YOUNG)
    receiver.store("ab")
    receiver.wake()
    assert (receiver.elapsed, receiver.waiting, receiver.wakes()) == (0, [], [])
    receiver.in_pause = lambda: receiver.connections.delete(laptop)
    receiver.store("c")
    receiver.wake()
    assert (receiver.elapsed, receiver.waiting, receiver.wakes()) == (0.1, [], [])
    receiver.connect(LAPTOP, YOUNG)
    receiver.wake(behind=laptop, seconds=3)
    assert receiver.wakes() == []
    receiver.connect(LAPTOP, YOUNG)
    receiver.in_pause = lambda: None
    receiver.wake(behind=laptop, seconds=3)
    assert receiver.wakes() == [Wake(INBOX, behind=laptop)]
    receiver.elapsed += YOUNG_SECONDS
    receiver.wake(behind=laptop, seconds=3)
    assert (receiver.wakes(), receiver.sender.closed) == ([], [])


def test_a_failed_close_is_repeated_by_a_separate_wake() -> None:
    """The wake is delivered again if it cannot, either; wakes of several connections are not taken for one another."""
    receiver = RelayMessageFixture({PHONE: [UNSENT, FAILED], LAPTOP: [UNSENT, FAILED]})
    phone, laptop = receiver.connect(PHONE), receiver.connect(LAPTOP)
    receiver.connect(ConnectionId("watch="))
    receiver.store("a")
    receiver.wake()
    assert receiver.waiting == []
    assert len({message.deduplication for message in receiver.queue.messages}) == 2
    assert receiver.wakes() == [Wake(INBOX, behind=laptop), Wake(INBOX, behind=phone)]
    with pytest.raises(TransientError):
        receiver.wake(behind=laptop)
    receiver.sender = Sender({LAPTOP: [FAILED, DELIVERED]})
    receiver.store("b")
    receiver.wake(behind=laptop)
    assert (receiver.sender.closed, receiver.got(LAPTOP)) == ([LAPTOP], [])
    assert (receiver.got(ConnectionId("watch=")), receiver.waiting) == (["b"], [])


def test_closing_a_lagging_connection_releases_the_others() -> None:
    """The same wake does it."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    laptop = receiver.connect(LAPTOP)
    receiver.store("a")
    receiver.wake(behind=laptop)
    assert (receiver.sender.closed, receiver.got(LAPTOP), receiver.got(PHONE)) == ([LAPTOP], [], ["a"])
    assert (receiver.waiting, receiver.wakes()) == ([], [])


def test_a_lagging_connection_is_closed_by_another_wake_when_time_runs_out() -> None:
    """Messages come faster than they are delivered, and the connection cannot be closed meanwhile."""
    receiver = RelayMessageFixture({LAPTOP: [UNSENT, FAILED]})
    receiver.connect(PHONE)
    laptop = receiver.connect(LAPTOP)
    receiver.store("a")

    def fill() -> None:
        receiver.elapsed += 3
        receiver.store("x")

    receiver.sender.before = fill
    receiver.wake(behind=laptop)
    assert receiver.sender.closed == []
    assert receiver.wakes() == [Wake(INBOX, behind=laptop)]


def test_messages_missed_by_a_connection_are_kept_until_its_close_is_certain() -> None:
    """While it is neither closed nor named in a wake, the messages stay, and the wake is delivered again."""
    receiver = RelayMessageFixture({LAPTOP: [THROTTLED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("a")
    receiver.queue.down = True
    with pytest.raises(TransientError):
        receiver.wake()
    assert receiver.waiting == ["a"]


def test_connections_that_advance_together_are_not_closed() -> None:
    """When nobody took everything, what all of them took is done with; who took nothing beside them is closed."""
    receiver = RelayMessageFixture({PHONE: [DELIVERED, DELIVERED, THROTTLED], LAPTOP: [DELIVERED, THROTTLED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("abc")
    receiver.wake()
    assert (receiver.sender.closed, receiver.waiting) == ([], ["b", "c"])
    assert receiver.wakes() == [Wake(INBOX)]
    receiver = RelayMessageFixture({PHONE: [DELIVERED, DELIVERED, THROTTLED], LAPTOP: [THROTTLED, DELIVERED]})
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store("abc")
    receiver.wake()
    assert (receiver.sender.closed, receiver.got(LAPTOP), receiver.waiting) == ([LAPTOP], [], ["c"])


def test_no_connection_is_closed_for_lack_of_time() -> None:
    """Messages that several connections cannot be given enough time for are left to another wake."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.connect(LAPTOP)
    receiver.store(range(MESSAGES_AT_ONCE + 1))

    def pass_time() -> None:
        receiver.elapsed += 2.5

    receiver.sender.before = pass_time
    receiver.wake()
    assert (receiver.waiting, receiver.wakes()) == ([MESSAGES_AT_ONCE], [Wake(INBOX)])


def test_no_message_is_deleted_before_a_device_took_it() -> None:
    """An inbox that cannot be read now is read again by the same wake."""
    receiver = RelayMessageFixture()
    receiver.connect(PHONE)
    receiver.store("a")
    receiver.inboxes.down = True
    with pytest.raises(TransientError):
        receiver.wake()
    receiver.inboxes.down = False
    assert (receiver.sender.delivered, receiver.waiting) == ([], ["a"])

"""Effects of changes of the connections and of the inboxes."""

from collections import Counter
from typing import Any

import pytest

from functions.messaging.presence.ends import SubscriptionEnds
from functions.messaging.presence.presence import Presence
from functions.messaging.presence.wakes import Wakes
from loudhailer.channels.leaving import Ended, from_wire
from loudhailer.channels.model import SETTLED_SECONDS, SubscriberKey
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, TenantId, nth_partition
from loudhailer.inbox.model import Inbox, Wake
from tests.support.fakes.queues import MemoryFifoQueue, MemoryQueue
from tests.unit.messaging.streams import PresenceRecord, connection_record, message_record

TENANT = TenantId("acme")
ONE, TWO = Inbox(TENANT, PlayerId("1")), Inbox(TENANT, PlayerId("2"))
KEY, OTHER_KEY = (ConnectionKey(nth_partition(TENANT, 0), ConnectionId(name)) for name in ("a=", "b="))


class PresenceFixture:
    """`presence` on a twin of the inbox queue; `left` is what `leaves` was given."""

    def __init__(self) -> None:
        self.queue = MemoryFifoQueue()
        self.records: list[PresenceRecord] = []
        self.sent_before: int | None = None
        self.leave = MemoryQueue()
        self._presence = Presence(Wakes(self.queue), SubscriptionEnds(self.leave), self._leaves)

    def handle(self, *records: PresenceRecord) -> Any:
        """The response to a batch."""
        return self._presence({"Records": list(records)})

    @property
    def wakes(self) -> list[Wake]:
        """Messages that the queue was sent."""
        return [Wake.of_body(message.body) for message in self.queue.messages]

    def _leaves(self, records: Any) -> None:
        self.sent_before = len(self.queue.messages)
        self.records += records


@pytest.fixture
def stream() -> PresenceFixture:
    """Nothing has happened yet."""
    return PresenceFixture()


DONE: dict[str, list[Any]] = {"batchItemFailures": []}


def test_a_new_message_wakes_its_inbox(stream: PresenceFixture) -> None:
    """Each inbox that has one."""
    assert stream.handle(message_record("INSERT", 1, ONE), message_record("INSERT", 2, TWO)) == DONE
    assert stream.wakes == [Wake(ONE), Wake(TWO)]


def test_the_messages_of_a_batch_share_their_inboxs_wake(stream: PresenceFixture) -> None:
    """A wake reads the whole inbox; it has the last event's id, so that no earlier one hides it."""
    stream.handle(*(message_record("INSERT", number, ONE) for number in range(5)))
    assert stream.wakes == [Wake(ONE)]
    assert stream.queue.messages[0].deduplication == "e4"


@pytest.mark.parametrize("event", ["MODIFY", "REMOVE"])
def test_only_a_new_message_wakes_its_inbox(stream: PresenceFixture, event: Any) -> None:
    """One that was delivered, or that expired, is removed."""
    assert stream.handle(message_record(event, 1, ONE)) == DONE
    assert stream.wakes == []


def test_a_players_new_connection_wakes_the_players_inbox(stream: PresenceFixture) -> None:
    """Two of a batch wake it once; the wake says why, whatever else it is for."""
    stream.handle(connection_record("INSERT", 1, KEY, "1"), connection_record("INSERT", 2, OTHER_KEY, "1"))
    assert stream.wakes == [Wake(ONE, connected=True)]
    stream.handle(connection_record("INSERT", 3, KEY, "2"), message_record("INSERT", 4, TWO))
    assert stream.wakes[1:] == [Wake(TWO, connected=True)]


@pytest.mark.parametrize(
    "record",
    [
        connection_record("INSERT", 1, KEY),
        connection_record("MODIFY", 1, KEY, "1"),
        connection_record("REMOVE", 1, KEY, "1"),
    ],
)
def test_other_changes_of_a_connection_wake_no_inbox(stream: PresenceFixture, record: PresenceRecord) -> None:
    """A connection without a player has no inbox; one that joins a room or goes has had its wake."""
    assert stream.handle(record) == DONE
    assert stream.wakes == []


def test_a_batch_with_unsent_wakes_is_redelivered_unchanged(stream: PresenceFixture) -> None:
    """Nothing of it counts as done; when it is delivered again the queue keeps each wake once."""
    batch = [connection_record("INSERT", 7, KEY, "1"), message_record("INSERT", 8, TWO)]
    stream.queue.down = True
    assert stream.handle(*batch) == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    assert stream.records == []
    stream.queue.down = False
    assert stream.handle(*batch) == stream.handle(*batch) == DONE
    assert stream.wakes == [Wake(ONE, connected=True), Wake(TWO)]


def subscriber_record(event: Any, number: int, key: ConnectionKey) -> PresenceRecord:
    """A change of a connection that may have subscriptions."""
    record = connection_record(event, number, key)
    for image in ("OldImage", "NewImage"):
        if image in record["dynamodb"]:
            record["dynamodb"][image]["subscribes"] = {"BOOL": True}
    return record


def test_the_end_of_a_marked_connection_is_sent_twice(stream: PresenceFixture) -> None:
    """At once, and when no function can put a member for it any more; a hundred share a message."""
    keys = [KEY._replace(connection_id=ConnectionId(f"c{number}=")) for number in range(130)]
    assert stream.handle(*(subscriber_record("REMOVE", place, key) for place, key in enumerate(keys, 1))) == DONE
    ended = [SubscriberKey.of(key) for key in keys]
    assert [from_wire(body) for body in stream.leave.bodies] == [
        Ended(ended[:100], is_last=False),
        Ended(ended[100:], is_last=False),
        Ended(ended[:100], is_last=True),
        Ended(ended[100:], is_last=True),
    ]
    assert stream.leave.delays == [0, 0, SETTLED_SECONDS, SETTLED_SECONDS]


def test_other_changes_end_no_subscription(stream: PresenceFixture) -> None:
    """Neither the end of a connection without the mark, nor the mark itself."""
    stream.handle(connection_record("REMOVE", 1, KEY), subscriber_record("MODIFY", 2, KEY))
    assert stream.leave.bodies == []


def test_a_batch_with_unsent_ends_is_redelivered(stream: PresenceFixture) -> None:
    """Leaves wait for them; telling an end again does no harm."""
    batch = [subscriber_record("REMOVE", 7, KEY)]
    stream.leave.down = True
    assert stream.handle(*batch) == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    assert stream.records == []
    stream.leave.down = False
    assert stream.handle(*batch) == DONE
    assert stream.records == batch


def test_wakes_are_sent_before_leaves(stream: PresenceFixture) -> None:
    """Leaves, which get every record, wait for all the batch's wakes."""
    batch = [connection_record("REMOVE", 1, OTHER_KEY, "2"), connection_record("INSERT", 2, KEY, "1")]
    assert stream.handle(*batch) == DONE
    assert (stream.records, stream.sent_before) == (batch, 1)


@pytest.mark.parametrize("part", ["eventID", "dynamodb"])
def test_a_malformed_record_is_skipped(stream: PresenceFixture, counted: Counter[str], part: str) -> None:
    """Its neighbours continue."""
    broken = message_record("INSERT", 1, ONE)
    del broken[part]
    foreign = message_record("INSERT", 2, Inbox(TenantId("no tenant"), PlayerId("1")))
    assert stream.handle(broken, foreign, message_record("INSERT", 3, TWO)) == DONE
    assert stream.wakes == [Wake(TWO)]
    assert counted["RecordSkipped"] == 2

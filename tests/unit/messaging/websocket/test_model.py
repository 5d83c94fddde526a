"""Messages, inboxes and wakes."""

import pytest

from loudhailer.codec import decode, encode_text
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import InvalidFieldError, MalformedMessageError
from loudhailer.ids import ConnectionId, PlayerId, TenantId, nth_partition
from loudhailer.inbox.model import Inbox, Wake, message_id

INBOX = Inbox(TenantId("acme"), PlayerId("a.b@c-d"))
KEY = ConnectionKey(nth_partition(INBOX.tenant_id, 7), ConnectionId("a+b/c="))


def test_messages_are_ordered_by_the_gateways_time() -> None:
    """Milliseconds decide, whatever their requests are called."""
    times = [0, 9, 10, 999_999_999_999, 1_000_000_000_000, 9_999_999_999_999]
    ids = [message_id(time, request) for time, request in zip(times, "fedcba", strict=True)]
    assert sorted(ids) == ids


def test_messages_of_one_millisecond_are_distinguished() -> None:
    """The ids of their requests differ."""
    assert message_id(1, "r1") != message_id(1, "r2")


def test_an_inbox_is_found_by_its_key() -> None:
    """It leads with the tenant, as every key of a tenant's rows does."""
    assert INBOX.key == "acme#a.b@c-d"
    assert Inbox.of_key(INBOX.key) == INBOX


@pytest.mark.parametrize("key", ["", "acme", "acme#", "#1", "acme#1#2", "ac me#1", "None"])
def test_a_malformed_inbox_key_is_refused(key: str) -> None:
    """Nobody's inbox is made up of it."""
    with pytest.raises(InvalidFieldError):
        Inbox.of_key(key)


@pytest.mark.parametrize("wake", [Wake(INBOX), Wake(INBOX, behind=KEY)])
def test_a_wake_is_read_as_it_was_sent(wake: Wake) -> None:
    """With the connection that it names, if it names one."""
    body = wake.to_message("e1").body
    assert decode(body)["v"] == 1
    assert Wake.of_body(body) == wake


def test_a_wake_of_an_earlier_release_closes_no_connection() -> None:
    """It named a connection that was new."""
    wire = {"v": 1, "inbox": INBOX.key, "partition": KEY.partition, "connectionId": KEY.connection_id}
    assert Wake.of_body(encode_text(wire)) == Wake(INBOX)


def test_an_inboxs_wakes_are_one_group_and_known_by_their_events() -> None:
    """A group's id is short enough for SQS, however long the ids are."""
    longest = Inbox(TenantId("t" * 64), PlayerId("@" * 128))
    first, second = Wake(longest).to_message("e1"), Wake(longest, KEY).to_message("e2")
    assert first.group == second.group != Wake(INBOX).to_message("e1").group
    assert first.group.isalnum()
    assert len(first.group) <= 128
    assert (first.deduplication, second.deduplication) == ("e1", "e2")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        encode_text({"inbox": INBOX.key}),
        encode_text({"v": 2, "inbox": INBOX.key}),
        encode_text({"v": 1}),
        encode_text({"v": 1, "inbox": 7}),
        encode_text({"v": 1, "inbox": "acme"}),
        encode_text({"v": 1, "inbox": INBOX.key, "behind": True}),
        encode_text({"v": 1, "inbox": INBOX.key, "behind": True, "partition": "acme"}),
        encode_text({"v": 1, "inbox": INBOX.key, "behind": True, "partition": KEY.partition}),
    ],
)
def test_a_malformed_wake_is_refused(body: str) -> None:
    """No retry can help."""
    with pytest.raises(MalformedMessageError):
        Wake.of_body(body)


def test_a_wake_that_only_fetches_does_not_hold_up_its_inbox() -> None:
    """It has another group, in which it may fail and are delivered again."""
    wake = Wake(INBOX, only_fetches=True)
    message = wake.to_message("e1")
    assert Wake.of_body(message.body) == wake
    assert message.group != Wake(INBOX).to_message("e1").group

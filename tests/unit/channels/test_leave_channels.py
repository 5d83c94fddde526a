"""Subscriptions end with their connection, and unsubscriptions are finished."""

from collections import Counter

import pytest

from loudhailer.channels.leaving import Ended, Gone, Left, from_wire
from loudhailer.channels.model import SubscriberKey
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import ConnectionId, Partition, Pattern
from tests.unit.channels.channel_fixture import KEY, NEWS, SUBSCRIBER, ChannelFixture

OTHER = ConnectionKey(KEY.partition, ConnectionId("b="))


@pytest.fixture
def clients() -> ChannelFixture:
    """Two clients that are subscribed to the same two channels since two minutes."""
    found = ChannelFixture()
    found.connect(OTHER)
    for key in (KEY, OTHER):
        found.frame("subscribe", "news/*", "sport", key=key)
    found.now += 120
    return found


def test_the_end_of_a_connection_ends_its_subscriptions(clients: ChannelFixture, counted: Counter[str]) -> None:
    """Nothing is left of them, and others keep theirs; a repetition changes nothing."""
    for _ in range(2):
        assert clients.leave(Ended([SUBSCRIBER], is_last=False).to_wire()) == {}
        assert clients.members_of("news/*") == clients.members_of("sport") == ["b="]
        assert {subscriber for subscriber, _ in clients.subscriptions.rows} == {SubscriberKey.of(OTHER)}
    assert counted["MemberRemoved"] == 2


def test_a_young_subscription_stays_while_a_function_may_put_its_member(clients: ChannelFixture) -> None:
    """Its `subscribe` may be at work; the last message, a minute later, finds what that has put."""
    clients.frame("subscribe", "a/1")
    clients.leave(Ended([SUBSCRIBER], is_last=False).to_wire())
    assert [pattern for subscriber, pattern in clients.subscriptions.rows if subscriber == SUBSCRIBER] == ["a/1"]
    assert clients.members_of("a/1") == []
    clients.frame("subscribe", "a/1")  # by a function that found the connection's row before
    clients.now += 30
    clients.leave(Ended([SUBSCRIBER], is_last=True).to_wire())
    assert clients.members_of("a/1") == []
    assert {subscriber for subscriber, _ in clients.subscriptions.rows} == {SubscriberKey.of(OTHER)}


def test_a_gone_member_ends_its_connection(clients: ChannelFixture) -> None:
    """Its row is found by the subscriptions, and its other members go, too."""
    member = clients.subscriptions.rows[SUBSCRIBER, NEWS].member
    assert clients.leave(Gone([member]).to_wire()) == {}
    assert clients.connections.rows.keys() == {OTHER}
    assert clients.members_of("news/*") == clients.members_of("sport") == ["b="]


def test_a_gone_member_without_a_subscription_is_deleted(clients: ChannelFixture) -> None:
    """A subscription may have been deleted before."""
    member = clients.subscriptions.rows[SUBSCRIBER, NEWS].member
    clients.subscriptions.rows.clear()
    clients.leave(Gone([member]).to_wire())
    assert clients.members_of("news/*") == ["b="]
    assert clients.connections.rows.keys() == {KEY, OTHER}


def test_an_unsubscription_is_forgotten_when_it_is_settled(clients: ChannelFixture) -> None:
    """A message that comes sooner leaves the row, and one for a subscription that began again leaves all."""
    clients.frame("unsubscribe", "sport")
    (body,) = clients.queue.bodies
    clients.leave(body)
    assert (SUBSCRIBER, Pattern("sport")) in clients.subscriptions.rows
    clients.now += 60
    clients.leave(body)
    assert (SUBSCRIBER, Pattern("sport")) not in clients.subscriptions.rows
    clients.frame("subscribe", "sport")
    clients.leave(body)
    assert clients.members_of("sport") == ["a=", "b="]


def test_an_unsubscription_that_was_killed_is_finished(clients: ChannelFixture) -> None:
    """Its member was not deleted any more."""
    row = clients.subscriptions.rows[SUBSCRIBER, NEWS]
    clients.subscriptions.leave(row, int(clients.now))
    clients.now += 90
    clients.leave(Left.of([row]).to_wire())
    assert clients.members_of("news/*") == ["b="]
    assert (SUBSCRIBER, NEWS) not in clients.subscriptions.rows


def test_connections_without_time_are_sent_again(clients: ChannelFixture, counted: Counter[str]) -> None:
    """At least one connection is handled each time."""
    both = [SUBSCRIBER, SubscriberKey.of(OTHER)]
    assert clients.leave(Ended(both, is_last=True).to_wire(), seconds=0) == {}
    assert [from_wire(body) for body in clients.queue.bodies] == [Ended(both[1:], is_last=True)]
    members = [clients.subscriptions.rows[SubscriberKey.of(OTHER), NEWS].member] * 2
    clients.leave(Gone(members).to_wire(), seconds=0)
    assert from_wire(clients.queue.bodies[-1]) == Gone(members[1:])
    assert counted["LeavingHandedBack"] == 2


def test_messages_without_time_are_sent_again(clients: ChannelFixture, counted: Counter[str]) -> None:
    """One message of the batch is begun each time; the reserve is enough for one connection."""
    ended = [Ended([SUBSCRIBER], is_last=True), Ended([SubscriberKey.of(OTHER)], is_last=True)]
    left = Left(SUBSCRIBER, {NEWS: "e1"})
    bodies = [*(one.to_wire() for one in ended), left.to_wire()]
    assert clients.leave(*bodies, seconds=0) == {}
    assert [from_wire(body) for body in clients.queue.bodies] == [ended[1], left]
    assert {subscriber for subscriber, _ in clients.subscriptions.rows} == {SubscriberKey.of(OTHER)}
    assert counted["LeavingHandedBack"] == 2


def test_a_message_that_fails_is_named(clients: ChannelFixture) -> None:
    """The others of its batch are handled."""

    def failing(subscriber: SubscriberKey) -> list[object]:
        if subscriber == SUBSCRIBER:
            raise TransientError("throttled")
        return []

    clients.subscriptions.of = failing  # type: ignore[assignment,method-assign]
    failures = clients.leave(
        *(Ended([one], is_last=True).to_wire() for one in (SUBSCRIBER, SubscriberKey.of(OTHER))), '{"v":2}'
    )
    assert {name: type(error) for name, error in failures.items()} == {"0": TransientError, "2": MalformedMessageError}


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "{}", '{"v":1}', '{"v":2,"gone":[]}', '{"v":1,"ended":["acme"],"last":true}'),
        *('{"v":1,"ended":[1],"last":true}', '{"v":1,"ended":["acme#a="]}', '{"v":1,"gone":["acme#news a b"]}'),
        *('{"v":1,"gone":["acme#news#00000"]}', '{"v":1,"left":{"subscriber":"acme#a="}}', '{"v":1,"gone":[null]}'),
    ],
)
def test_a_malformed_message_is_refused(body: str) -> None:
    """It goes to the dead letters."""
    with pytest.raises(MalformedMessageError):
        from_wire(body)


def test_messages_are_read_as_they_were_written() -> None:
    """Each of the three kinds."""
    for message in (
        Left(SUBSCRIBER, {NEWS: "e1", Pattern("sport"): "e2"}),
        Ended([SUBSCRIBER, SubscriberKey.of(OTHER)], is_last=False),
        Gone([ConnectionKey(Partition("acme#news/*#00000"), ConnectionId("a="))]),
    ):
        assert from_wire(message.to_wire()) == message

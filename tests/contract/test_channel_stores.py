"""Promises of `SubscriptionStore` and `MemberStore`, kept by the twins and by DynamoDB."""

from dataclasses import dataclass, replace

import pytest

from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.channels.model import ChannelMember, SubscriberKey, Subscription
from loudhailer.channels.port import MemberStore, SubscriptionStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, Pattern
from tests.contract.conftest import REPEATED, WITHOUT_MOTO, dynamodb_of, table_of
from tests.support.fakes.channels import MemoryMemberStore, MemoryRecipientStore, MemorySubscriptionStore

KEY = ConnectionKey(Partition("acme#00003"), ConnectionId("a+/="))
SUBSCRIBER = SubscriberKey.of(KEY)
NEWS = Subscription(
    connection=KEY, pattern=Pattern("news/*"), number=2, era="e1", turn=0, changed_at=100, expires_at=900
)
SPORT = replace(NEWS, pattern=Pattern("sport"), number=0)
MEMBER = ChannelMember(NEWS.member, "e1", 1, connected_at=90, expires_at=900)


@dataclass
class Case:
    """The stores; `is_repeated` if each write is carried out twice, so that turns grow by two."""

    subscriptions: SubscriptionStore
    members: MemberStore
    rows: ConnectionStore
    is_repeated: bool = False

    def member(self) -> int | None:
        """When the member's connection was made; None if there is no member."""
        return self.rows.connected_at([MEMBER.key]).get(MEMBER.key)


@pytest.fixture(params=WITHOUT_MOTO)
def case(request: pytest.FixtureRequest) -> Case:
    """Empty tables."""
    if request.param == "memory":
        members = MemoryMemberStore()
        return Case(MemorySubscriptionStore(), members, MemoryRecipientStore(members))
    client, table = dynamodb_of(request), table_of(request)
    rows = table("members")
    return Case(
        DynamoSubscriptionStore(client, table("subscriptions")),
        DynamoMemberStore(client, rows),
        DynamoConnectionStore(client, rows),
        request.param == REPEATED,
    )


def test_a_subscription_begins_with_its_first_turn(case: Case) -> None:
    """Or with the second, if the SDK has repeated the call."""
    begun = case.subscriptions.begin(NEWS)
    assert begun == replace(NEWS, turn=2 if case.is_repeated else 1)
    assert case.subscriptions.get(SUBSCRIBER, NEWS.pattern) == begun
    assert case.subscriptions.get(SUBSCRIBER, SPORT.pattern) is None


def test_a_subscription_that_begins_again_keeps_its_number_and_its_era(case: Case) -> None:
    """Its connection and its time are the last frame's."""
    first = case.subscriptions.begin(NEWS)
    again = replace(NEWS, number=5, era="e2", changed_at=150, expires_at=950)
    begun = case.subscriptions.begin(again)
    assert begun == replace(again, number=2, era="e1", turn=begun.turn)
    assert begun.turn > first.turn
    assert case.subscriptions.get(SUBSCRIBER, NEWS.pattern) == begun


def test_a_subscription_that_was_left_is_gone_and_can_begin_again(case: Case) -> None:
    """In the same era, and turns continue."""
    first = case.subscriptions.begin(NEWS)
    gone = case.subscriptions.leave(first, 160)
    assert gone is not None
    assert gone == replace(first, turn=gone.turn, changed_at=160, is_gone=True)
    assert case.subscriptions.get(SUBSCRIBER, NEWS.pattern) == gone
    begun = case.subscriptions.begin(replace(NEWS, era="e2"))
    assert (begun.era, begun.is_gone) == ("e1", False)
    assert begun.turn > gone.turn > first.turn


def test_a_subscription_of_another_era_is_not_left(case: Case) -> None:
    """Nor is one that does not exist."""
    assert case.subscriptions.leave(NEWS, 160) is None
    begun = case.subscriptions.begin(NEWS)
    assert case.subscriptions.leave(replace(begun, era="e0"), 160) is None
    assert case.subscriptions.get(SUBSCRIBER, NEWS.pattern) == begun


def test_a_subscription_is_left_in_the_turn_that_was_read(case: Case) -> None:
    """A limit ends what one frame began, and nothing that another has begun again."""
    first = case.subscriptions.begin(NEWS)
    second = case.subscriptions.begin(NEWS)
    assert case.subscriptions.leave(first, 160, of_turn=True) is None
    assert case.subscriptions.get(SUBSCRIBER, NEWS.pattern) == second
    case.subscriptions.leave(second, 160, of_turn=True)
    gone = case.subscriptions.get(SUBSCRIBER, NEWS.pattern)
    assert gone == replace(second, turn=second.turn + 1, changed_at=160, is_gone=True)


def test_the_subscriptions_of_a_connection_are_listed(case: Case) -> None:
    """Gone ones, too; those of a connection whose id begins with its id are others."""
    other = replace(NEWS, connection=KEY._replace(connection_id=ConnectionId("a+/=x")))
    begun = [case.subscriptions.begin(one) for one in (SPORT, NEWS, other)]
    gone = case.subscriptions.leave(begun[0], 160)
    assert case.subscriptions.of(SUBSCRIBER) == [begun[1], gone]
    assert case.subscriptions.of(SubscriberKey.of_key("acme#nobody")) == []


def test_a_subscription_with_a_later_turn_is_not_deleted(case: Case) -> None:
    """Neither singly nor together with others; a missing row is ignored."""
    sport = case.subscriptions.begin(SPORT)
    news = case.subscriptions.begin(NEWS)
    later = case.subscriptions.begin(NEWS)
    case.subscriptions.delete(news)
    case.subscriptions.delete_all([news, sport, replace(NEWS, pattern=Pattern("absent"))])
    assert case.subscriptions.of(SUBSCRIBER) == [later]
    case.subscriptions.delete(later)
    assert case.subscriptions.of(SUBSCRIBER) == []


def test_many_subscriptions_are_deleted_together(case: Case) -> None:
    """More than one call takes."""
    begun = [case.subscriptions.begin(replace(NEWS, pattern=Pattern(f"a/{number:02d}"))) for number in range(60)]
    assert case.subscriptions.of(SUBSCRIBER) == begun
    case.subscriptions.delete_all(begun)
    assert case.subscriptions.of(SUBSCRIBER) == []


def test_a_member_of_an_earlier_turn_does_not_replace_a_later_one(case: Case) -> None:
    """One of the same or a later turn does, and one of another era."""
    assert case.members.put(replace(MEMBER, turn=3))
    assert not case.members.put(replace(MEMBER, turn=2, connected_at=80))
    assert case.member() == 90
    assert case.members.put(replace(MEMBER, turn=12, connected_at=91))
    assert case.members.put(replace(MEMBER, era="e2", connected_at=92))
    assert case.member() == 92


def test_a_member_is_deleted_by_its_era_and_its_turn(case: Case) -> None:
    """One of another era, or of that turn or a later one, is left alone."""
    case.members.delete(MEMBER.key, era="e1", before=9)
    case.members.put(replace(MEMBER, turn=3))
    case.members.delete(MEMBER.key, era="e2", before=9)
    case.members.delete(MEMBER.key, era="e1", before=3)
    assert case.member() == 90
    case.members.delete(MEMBER.key, era="e1", before=4)
    assert case.member() is None


def test_members_are_read_and_deleted_as_connections_are(case: Case) -> None:
    """The store of connections works on their table."""
    case.members.put(MEMBER)
    case.rows.delete_all([MEMBER.key])
    assert case.member() is None


def test_an_erased_tenants_rows_are_forgotten(case: Case) -> None:
    """A tenant whose id begins with its id keeps its own."""
    other = Subscription(
        connection=KEY._replace(partition=Partition("acme2#00000")),
        pattern=NEWS.pattern,
        number=0,
        era="e1",
        turn=0,
        changed_at=100,
        expires_at=900,
    )
    theirs = case.subscriptions.begin(other)
    case.members.put(replace(MEMBER, key=theirs.member))
    for one in (NEWS, SPORT):
        begun = case.subscriptions.begin(one)
        case.members.put(replace(MEMBER, key=begun.member))
    tenant = SUBSCRIBER.tenant
    assert (case.subscriptions.forget(tenant), case.members.forget(tenant)) == (2, 2)
    assert (case.subscriptions.forget(tenant), case.members.forget(tenant)) == (0, 0)
    assert case.subscriptions.of(SUBSCRIBER) == []
    assert case.subscriptions.of(theirs.subscriber) == [theirs]
    assert case.rows.connected_at([NEWS.member, SPORT.member, theirs.member]) == {theirs.member: 90}

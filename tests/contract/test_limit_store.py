"""Promises of `LimitStore`, kept by the twin and by DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from loudhailer.ids import ClientMessageId, PlayerId, ProbeId, SessionId, TenantId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.model import (
    Inquiry,
    TenantTotal,
    connects_of_session,
    connects_of_tenant,
    frames_of_session,
    messages_of_player,
    messages_of_tenant,
    others_of_session,
    posts_of_session,
    posts_of_tenant,
    queued_of_session,
)
from loudhailer.limits.port import LimitStore
from loudhailer.websocket.sent.dynamodb import DynamoSentStore
from loudhailer.websocket.sent.model import Attempt, Progress
from tests.support.fakes.limits import MemoryLimitStore

ACME, OTHER = TenantId("acme"), TenantId("acme-2")


def never(_: float) -> None:
    """No call of these tests is throttled."""
    pytest.fail("throttled")


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> LimitStore:
    """The twin, then the adapter."""
    if request.param == "memory":
        return MemoryLimitStore()
    return DynamoLimitStore(
        request.getfixturevalue("aws")("dynamodb"), request.getfixturevalue("table")("limits"), pause=never
    )


def test_a_total_is_reserved_up_to_its_maximum(store: LimitStore) -> None:
    """Then it is refused, until one is given back."""
    assert [store.reserve(ACME, 2) for _ in range(3)] == [True, True, False]
    store.release(ACME, 1)
    assert store.total(ACME).count == 1
    assert store.reserve(ACME, 2)


def test_a_maximum_of_zero_admits_no_connection(store: LimitStore) -> None:
    """The first connection of a tenant is no exception."""
    assert not store.reserve(ACME, 0)
    assert store.total(ACME) == TenantTotal()


def test_a_total_does_not_go_below_zero(store: LimitStore) -> None:
    """More released than reserved leaves nothing reserved; a tenant without a total stays without."""
    store.reserve(ACME, 5)
    store.release(ACME, 3)
    assert store.total(ACME).count == 0
    store.release(TenantId("nobody"), 1)
    assert store.total(TenantId("nobody")) == TenantTotal()
    store.reserve(ACME, 5)
    store.release(ACME, 1)
    assert store.total(ACME).count == 0


@pytest.mark.parametrize("meanwhile", [2, 3])
def test_a_total_that_rises_during_its_release_is_kept(aws: Any, table: Any, meanwhile: int) -> None:
    """It was lower than what is released, and no more a moment later: reservations made by then stay."""
    client, name = aws("dynamodb"), table("limits")
    rival = DynamoLimitStore(client, name, pause=never)
    rival.reserve(ACME, 5)

    class Slow:
        """The client; after its first call another environment reserves."""

        calls = 0

        def update_item(self, **request: Any) -> Any:
            """As DynamoDB does."""
            self.calls += 1
            if self.calls == 2:
                for _ in range(meanwhile - 1):
                    rival.reserve(ACME, 5)
            return client.update_item(**request)

    slow: Any = Slow()
    DynamoLimitStore(slow, name, pause=never).release(ACME, 2)
    assert rival.total(ACME).count == meanwhile


def test_two_hundred_concurrent_reservations_stop_exactly_at_the_maximum(store: LimitStore) -> None:
    """The check and the reservation are one."""
    with ThreadPoolExecutor(32) as pool:
        reserved = sum(pool.map(lambda _: store.reserve(ACME, 50), range(200)))
    assert reserved == 50
    assert store.total(ACME).count == 50


def test_every_reservation_is_counted(store: LimitStore) -> None:
    """Reservations that are given back count, too; one that is refused is none."""
    for _ in range(3):
        store.reserve(ACME, 2)
    store.release(ACME, 2)
    store.reserve(ACME, 2)
    assert store.total(ACME) == TenantTotal(1, reserved=3)


FIRST_LOOK, SECOND_LOOK = Inquiry(60, 5), Inquiry(120, 5, 3, ProbeId("p"))


@pytest.mark.parametrize("inquiry", [FIRST_LOOK, SECOND_LOOK])
def test_a_total_is_repaired_and_the_inquiry_ends(store: LimitStore, inquiry: Inquiry) -> None:
    """One that would fall below zero is left alone, and one into which another run has looked further."""
    for _ in range(5):
        store.reserve(ACME, 10)
    store.keep_inquiry(ACME, inquiry)
    assert store.total(ACME) == TenantTotal(5, 5, inquiry)
    assert not store.repair(ACME, -6, seen=inquiry)
    assert not store.repair(ACME, -3, seen=inquiry._replace(at=61))
    assert store.total(ACME) == TenantTotal(5, 5, inquiry)
    assert store.repair(ACME, -3, seen=inquiry)
    assert not store.repair(ACME, -1, seen=inquiry)
    assert store.total(ACME) == TenantTotal(2, 5)
    store.keep_inquiry(ACME, inquiry)
    assert store.repair(ACME, -2, seen=inquiry)
    assert store.total(ACME) == TenantTotal(0, 5)
    store.keep_inquiry(ACME, inquiry)
    assert store.repair(ACME, 4, seen=inquiry)
    assert not store.repair(ACME, 4, seen=inquiry)
    assert store.total(ACME) == TenantTotal(4, 5)


def test_an_inquiry_may_end_without_a_repair(store: LimitStore) -> None:
    """The total was right."""
    store.reserve(ACME, 10)
    store.keep_inquiry(ACME, FIRST_LOOK)
    store.keep_inquiry(ACME, SECOND_LOOK)
    store.keep_inquiry(ACME, None)
    assert store.total(ACME) == TenantTotal(1, 1)


def test_an_inquiry_does_not_make_a_total(store: LimitStore) -> None:
    """A tenant that never had a connection has no row."""
    store.keep_inquiry(ACME, FIRST_LOOK)
    store.keep_inquiry(ACME, None)
    assert store.total(ACME) == TenantTotal()
    assert not store.repair(ACME, 1, seen=FIRST_LOOK)
    assert store.total(ACME) == TenantTotal()


def test_attempts_are_counted_in_their_minute(store: LimitStore) -> None:
    """The answer is the counter with them; the next minute starts again."""
    counter = connects_of_tenant(ACME)
    assert [store.count_in_minute(counter, now) for now in (120, 150, 179)] == [1, 2, 3]
    assert store.count_in_minute(counter, 180) == 1
    assert store.count_in_minute(counter, 179, times=40) == 43


def test_counters_are_independent(store: LimitStore) -> None:
    """Even if sessions and players are named alike, or like a part of a key; and the total is none of theirs."""
    names = ("s1", "minute", "minutemsg", "frames", "queued", "others", "posts")
    counters = [
        connects_of_tenant(ACME),
        messages_of_tenant(ACME),
        *(connects_of_session(ACME, SessionId(name)) for name in names),
        posts_of_tenant(ACME),
        *(
            of_session(ACME, SessionId(name))
            for of_session in (frames_of_session, queued_of_session, others_of_session, posts_of_session)
            for name in names
        ),
        *(messages_of_player(ACME, PlayerId(name)) for name in names),
        *(connects_of_tenant(TenantId(name)) for name in names),
    ]
    assert {store.count_in_minute(counter, 60) for counter in counters} == {1}
    assert store.total(ACME) == TenantTotal()


def test_two_hundred_concurrent_attempts_are_all_counted(store: LimitStore) -> None:
    """Each gets another count."""
    with ThreadPoolExecutor(32) as pool:
        counts = pool.map(lambda _: store.count_in_minute(connects_of_tenant(ACME), 60), range(200))
        assert sorted(counts) == list(range(1, 201))


def test_an_amount_over_the_maximum_takes_nothing(store: LimitStore) -> None:
    """Up to the maximum, in its minute; a smaller amount may still fit."""
    counter = posts_of_tenant(ACME)
    taken = [store.take_in_minute(counter, 120, amount, maximum=100) for amount in (60, 41, 30, 11, 10, 1)]
    assert taken == [True, False, True, False, True, False]
    assert store.count_in_minute(counter, 179, times=0) == 100
    assert store.take_in_minute(counter, 180, 100, maximum=100)


def test_a_returned_amount_can_be_taken_again(store: LimitStore) -> None:
    """It is no longer the first amount of the minute, though, and must fit."""
    counter = posts_of_tenant(ACME)
    assert store.take_in_minute(counter, 120, 101, maximum=100)
    assert store.count_in_minute(counter, 120, times=-101) == 0
    assert [store.take_in_minute(counter, 120, amount, maximum=100) for amount in (101, 100, 1)] == [False, True, False]


def test_the_first_amount_of_a_minute_is_always_taken(store: LimitStore) -> None:
    """Nothing fits behind it."""
    counter = posts_of_tenant(ACME)
    assert [store.take_in_minute(counter, 120, amount, maximum=100) for amount in (5_000, 1)] == [True, False]


def test_two_hundred_concurrent_takers_stop_at_the_maximum(store: LimitStore) -> None:
    """The check and the taking are one."""
    counter = posts_of_tenant(ACME)
    with ThreadPoolExecutor(32) as pool:
        taken = sum(pool.map(lambda _: store.take_in_minute(counter, 120, 3, maximum=150), range(200)))
    assert taken == 50


def test_the_row_of_a_minute_has_the_documented_form(aws: Any, table: Any) -> None:
    """Its key leads with the tenant and ends with the minute's first second; it outlives the minute by a second."""
    client, name = aws("dynamodb"), table("limits")
    store = DynamoLimitStore(client, name, pause=never)
    counters = {
        "acme:minute:120": connects_of_tenant(ACME),
        "acme:s1:minute:120": connects_of_session(ACME, SessionId("s1")),
        "acme:minutemsg:120": messages_of_tenant(ACME),
        "acme:ann:minutemsg:120": messages_of_player(ACME, PlayerId("ann")),
        "acme:s1:frames:120": frames_of_session(ACME, SessionId("s1")),
        "acme:s1:queued:120": queued_of_session(ACME, SessionId("s1")),
        "acme:s1:others:120": others_of_session(ACME, SessionId("s1")),
        "acme:s1:posts:120": posts_of_session(ACME, SessionId("s1")),
        "acme:posts:120": posts_of_tenant(ACME),
    }
    for counter in counters.values():
        store.count_in_minute(counter, 179)
    rows = {row.pop("key")["S"]: row for row in client.scan(TableName=name)["Items"]}
    assert rows == {key: {"itemCount": {"N": "1"}, "itemTTL": {"N": "181"}} for key in counters}


def test_all_rows_of_a_tenant_are_deleted(aws: Any, table: Any) -> None:
    """An id that is used again starts empty: a message under an id of the former tenant's client is a new one."""
    client, name = aws("dynamodb"), table("limits")
    store, sent = DynamoLimitStore(client, name, pause=never), DynamoSentStore(client, name)
    for tenant in (ACME, OTHER):
        store.reserve(tenant, 5)
        for number in range(30):
            store.count_in_minute(connects_of_session(tenant, SessionId(f"s{number}")), 179)
        attempt = Attempt(tenant, "player 1", ClientMessageId("m1"), "hash", "r1", 1)
        sent.begin(attempt, now=100)
        sent.finish(attempt)
    store.forget(ACME)
    remaining_keys = {row["key"]["S"].partition(":")[0] for row in client.scan(TableName=name)["Items"]}
    assert remaining_keys == {OTHER}
    assert sent.begin(Attempt(ACME, "player 1", ClientMessageId("m1"), "other", "r2", 2), now=101).progress is (
        Progress.OPEN
    )


def test_the_first_refusal_of_a_minute_is_kept(store: LimitStore) -> None:
    """It belongs to its counter alone, and does not change the count."""
    counter, other = queued_of_session(ACME, SessionId("s1")), queued_of_session(ACME, SessionId("s2"))
    assert store.refused_from(counter, 120) is None
    store.count_in_minute(counter, 120)
    assert store.refused_from(counter, 120) is None
    store.refuse_from(counter, 150, "005")
    store.refuse_from(counter, 179, "004")
    assert store.refused_from(counter, 121) == "005"
    assert (store.refused_from(counter, 180), store.refused_from(other, 120)) == (None, None)
    assert store.count_in_minute(counter, 130) == 2


def test_a_recorded_refusal_outlives_its_minute(aws: Any, table: Any) -> None:
    """The message that was refused may be delivered again for a day: without the note, others would get it then."""
    client, name = aws("dynamodb"), table("limits")
    DynamoLimitStore(client, name, pause=never).refuse_from(queued_of_session(ACME, SessionId("s1")), 150, "005")
    (row,) = client.scan(TableName=name)["Items"]
    assert row == {"key": {"S": "acme:s1:queued:120:refused"}, "refusedFrom": {"S": "005"}, "itemTTL": {"N": "86580"}}


def test_a_total_is_forgotten(store: LimitStore) -> None:
    """Once more is fine; a release that comes late makes no new one."""
    store.reserve(ACME, 5)
    counter, others = queued_of_session(ACME, SessionId("s1")), queued_of_session(OTHER, SessionId("s1"))
    for each in (counter, others):
        store.count_in_minute(each, 120)
        store.refuse_from(each, 120, "005")
    for _ in range(2):
        store.forget(ACME)
        assert store.total(ACME) == TenantTotal()
    assert (store.refused_from(counter, 120), store.refused_from(others, 120)) == (None, "005")
    assert [store.count_in_minute(each, 120) for each in (counter, others)] == [1, 2]
    store.release(ACME, 1)
    assert store.total(ACME) == TenantTotal()
    assert store.reserve(ACME, 1)

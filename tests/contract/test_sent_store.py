"""`SentStore`: the twin and DynamoDB remember what clients may send again."""

from dataclasses import replace
from typing import Any

import pytest

from loudhailer.ids import ClientMessageId, TenantId
from loudhailer.websocket.sent.dynamodb import DynamoSentStore
from loudhailer.websocket.sent.model import Attempt, Progress, Sent
from loudhailer.websocket.sent.port import SentStore
from tests.contract.conftest import ADAPTERS, SIMULATED, dynamodb_of, table_of
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.dynamodb.overtaken import OvertakenWrites
from tests.support.fakes.sent import MemorySentStore

NOW = 1_780_000_000
FIRST = Attempt(TenantId("acme"), "player 1", ClientMessageId("m1"), "a" * 64, "r1=", NOW * 1_000)
AGAIN = replace(FIRST, request_id="r2=", received_at=NOW * 1_000 + 500)


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> SentStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemorySentStore()
    client, table = dynamodb_of(request), table_of(request)("limits")
    return DynamoSentStore(client, table)


def sent(progress: Progress, first: Attempt = FIRST) -> Sent:
    """The store's answer about a message."""
    return Sent(progress, first.content_hash, first.request_id, first.received_at)


def test_the_first_attempt_carries_the_message_out(store: SentStore) -> None:
    """Another one meanwhile is not."""
    assert store.begin(FIRST, now=NOW) == sent(Progress.OPEN)
    assert store.begin(AGAIN, now=NOW) == sent(Progress.IN_PROGRESS)
    assert store.begin(AGAIN, now=NOW + 14) == sent(Progress.IN_PROGRESS)


def test_the_same_request_again_is_the_same_attempt(store: SentStore) -> None:
    """The SDK repeats a write whose answer was lost."""
    assert store.begin(FIRST, now=NOW) == sent(Progress.OPEN)
    assert store.begin(FIRST, now=NOW) == sent(Progress.OPEN)
    assert store.begin(AGAIN, now=NOW) == sent(Progress.IN_PROGRESS)


def test_a_finished_message_is_accepted(store: SentStore) -> None:
    """For an hour, and as the first attempt came."""
    store.begin(FIRST, now=NOW)
    store.finish(FIRST)
    assert store.begin(AGAIN, now=NOW + 1) == sent(Progress.ACCEPTED)
    assert store.begin(AGAIN, now=NOW + 3_599) == sent(Progress.ACCEPTED)


def test_an_hour_later_the_id_is_free(store: SentStore) -> None:
    """DynamoDB may not have deleted the row yet, and the message may be finished or not."""
    store.begin(FIRST, now=NOW)
    store.finish(FIRST)
    other = replace(AGAIN, content_hash="b" * 64)
    assert store.begin(other, now=NOW + 3_600) == sent(Progress.OPEN, other)
    assert store.begin(FIRST, now=NOW + 3_601) == sent(Progress.IN_PROGRESS, other)


def test_one_retry_takes_over_an_abandoned_attempt(store: SentStore) -> None:
    """After the time that a function may take; the time and the request stay those of the first attempt."""
    store.begin(FIRST, now=NOW)
    assert store.begin(AGAIN, now=NOW + 15) == sent(Progress.OPEN)
    assert store.begin(replace(AGAIN, request_id="r3="), now=NOW + 16) == sent(Progress.IN_PROGRESS)
    store.finish(AGAIN)
    assert store.begin(FIRST, now=NOW + 17) == sent(Progress.ACCEPTED)


def test_one_of_two_retries_takes_over_an_abandoned_attempt() -> None:
    """The other one comes between what the first one has read and what it writes."""
    client: Any = OvertakenWrites(client_of_any_table())
    store = DynamoSentStore(client, f"limits-{SIMULATED}")
    store.begin(FIRST, now=NOW)
    other = replace(AGAIN, request_id="r3=")
    found: list[Sent] = []
    client.overtake(lambda: found.append(store.begin(other, now=NOW + 15)), at=2)
    found.append(store.begin(AGAIN, now=NOW + 15))
    assert found == [sent(Progress.OPEN), sent(Progress.IN_PROGRESS)]


def test_a_released_message_can_be_attempted_at_once(store: SentStore) -> None:
    """As of its first attempt; an accepted message stays accepted."""
    store.begin(FIRST, now=NOW)
    store.release(FIRST)
    assert store.begin(AGAIN, now=NOW) == sent(Progress.OPEN)
    store.finish(AGAIN)
    store.release(AGAIN)
    assert store.begin(AGAIN, now=NOW + 1) == sent(Progress.ACCEPTED)


def test_a_used_id_with_other_content_is_refused(store: SentStore) -> None:
    """Its sender gets the error that the id was used."""
    store.begin(FIRST, now=NOW)
    other = replace(AGAIN, content_hash="b" * 64)
    assert store.begin(other, now=NOW + 20) == sent(Progress.IN_PROGRESS)
    assert store.begin(AGAIN, now=NOW + 20) == sent(Progress.OPEN)
    store.finish(AGAIN)
    assert store.begin(other, now=NOW + 21) == sent(Progress.ACCEPTED)


@pytest.mark.parametrize(
    "other",
    [{"tenant_id": TenantId("acme2")}, {"sender": "player 2"}, {"client_message_id": ClientMessageId("m2")}],
    ids=["tenant", "sender", "id"],
)
def test_ids_of_different_senders_are_independent(store: SentStore, other: dict[str, Any]) -> None:
    """Ids of another tenant are, too."""
    theirs = replace(FIRST, **other)
    store.begin(FIRST, now=NOW)
    assert store.begin(theirs, now=NOW) == sent(Progress.OPEN, theirs)


def test_finishing_an_unknown_message_has_no_effect(store: SentStore) -> None:
    """The row may have expired meanwhile, and none is made."""
    store.finish(FIRST)
    assert store.begin(AGAIN, now=NOW) == sent(Progress.OPEN, AGAIN)

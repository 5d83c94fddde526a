"""One suite for the inboxes: the in-memory twin and DynamoDB."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from loudhailer.codec import JsonText, json_text
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, PlayerId, TenantId
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.inbox.model import DirectMessage, Inbox, message_id
from loudhailer.inbox.port import InboxStore
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.tables import TableKind

NOW = 1_780_000_000
TENANT = TenantId("acme")
INBOX = Inbox(TENANT, PlayerId("2"))
OTHERS = [Inbox(TENANT, PlayerId("22")), Inbox(TenantId("acme2"), PlayerId("2"))]


def direct(number: int, message: object = "Hello", inbox: Inbox = INBOX) -> DirectMessage:
    """The message that API Gateway took so many milliseconds after NOW."""
    at = NOW * 1_000 + number
    return DirectMessage(inbox, message_id(at, f"r/{number}+="), json_text(message), PlayerId("1"), at, NOW + 600)


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> InboxStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemoryInboxStore()
    return DynamoInboxStore(dynamodb_of(request), table_of(request)("messages"))


def test_an_inbox_without_messages_is_empty(store: InboxStore) -> None:
    """An inbox needs not be made."""
    assert store.oldest(INBOX, 10) == []


def test_messages_are_read_in_the_order_of_their_ids(store: InboxStore) -> None:
    """In whatever order they were put; the first ones, where there are more."""
    for number in (3, 1, 10, 2):
        store.put(direct(number))
    assert store.oldest(INBOX, 10) == [direct(1), direct(2), direct(3), direct(10)]
    assert store.oldest(INBOX, 2) == [direct(1), direct(2)]


def test_each_inbox_has_its_own_messages(store: InboxStore) -> None:
    """However alike the names are."""
    for inbox in (INBOX, *OTHERS):
        store.put(direct(1, inbox.key, inbox))
    for inbox in (INBOX, *OTHERS):
        assert [message.message for message in store.oldest(inbox, 10)] == [json_text(inbox.key)]


@pytest.mark.parametrize(
    "text",
    [
        '""',
        "null",
        "1.50",
        "-1E+2",
        "18446744073709551616",
        '{ "b" : [{"a": "é\u2028😀\\u0000\\u00e9"}] , "a":0}',
        f'"{"x" * 32_000}"',
    ],
)
def test_a_message_is_read_as_it_was_written(store: InboxStore, text: str) -> None:
    """Any JSON text, to the last digit and blank."""
    message = replace(direct(1), message=JsonText(text))
    store.put(message)
    assert store.oldest(INBOX, 10) == [message]


def test_a_stored_message_is_not_overwritten(store: InboxStore) -> None:
    """A call that is repeated puts nothing twice."""
    store.put(direct(1, "first"))
    store.put(direct(1, "second"))
    assert store.oldest(INBOX, 10) == [direct(1, "first")]


def test_messages_are_deleted(store: InboxStore) -> None:
    """More than one call takes, missing ones too; the others stay."""
    for number in range(60):
        store.put(direct(number))
    store.delete([direct(number) for number in range(55)])
    store.delete([direct(number) for number in range(50, 57)])
    store.delete([])
    assert store.oldest(INBOX, 100) == [direct(number) for number in range(57, 60)]


def test_an_inbox_of_several_pages_is_emptied_from_the_front(store: InboxStore) -> None:
    """A page of DynamoDB holds 1 MB: some of the messages come, in order, and then the next ones."""
    wanted = [direct(number, "x" * 32_000) for number in range(50)]
    for message in wanted:
        store.put(message)
    read: list[DirectMessage] = []
    while found := store.oldest(INBOX, 100):
        read += found
        store.delete(found)
    assert read == wanted


def test_a_table_that_does_not_answer_is_a_transient_error(aws: Callable[[str], Any]) -> None:
    """Whatever is called."""
    store = DynamoInboxStore(aws("dynamodb"), f"missing-{uuid4().hex}")
    calls: list[Callable[[], object]] = [
        lambda: store.put(direct(1)),
        lambda: store.oldest(INBOX, 10),
        lambda: store.delete([direct(1)]),
    ]
    for call in calls:
        with pytest.raises(TransientError):
            call()


def test_a_row_has_the_documented_form(aws: Callable[[str], Any], table: Callable[[TableKind], str]) -> None:
    """The table has the design's names; `expiresAt` in epoch seconds, as DynamoDB's TTL wants it."""
    name = table("messages")
    DynamoInboxStore(aws("dynamodb"), name).put(direct(5, {"a": 1}))
    assert aws("dynamodb").scan(TableName=name)["Items"] == [
        {
            "inbox": {"S": "acme#2"},
            "messageId": {"S": "1780000000005-r/5+="},
            "message": {"S": '{"a":1}'},
            "srcPlayerId": {"S": "1"},
            "sentAt": {"N": "1780000000005"},
            "expiresAt": {"N": "1780000600"},
        }
    ]


def test_the_recipients_of_a_message_are_recorded_on_it(store: InboxStore) -> None:
    """Twice is as good as once, and a message that was deleted meanwhile does not come back."""
    store.put(direct(1))
    store.note_taken(direct(1), [ConnectionId("a="), ConnectionId("b=")])
    store.note_taken(direct(1), [ConnectionId("b="), ConnectionId("c=")])
    (message,) = store.oldest(INBOX, 5)
    assert message.taken_by == {"a=", "b=", "c="}
    store.note_taken(direct(2), [ConnectionId("a=")])
    store.delete([message])
    assert store.oldest(INBOX, 5) == []


def test_messages_are_counted(store: InboxStore) -> None:
    """Only one inbox counts, and its expired messages do, too."""
    assert sum(store.count(INBOX)) == 0
    for number in range(3):
        store.put(direct(number))
        store.put(direct(number, inbox=OTHERS[0]))
    assert sum(store.count(INBOX)) == 3


def test_a_message_is_identified_by_its_inbox_and_its_id(store: InboxStore) -> None:
    """Another inbox may have one of the same id."""
    store.put(direct(1))
    assert store.has(INBOX, direct(1).message_id)
    assert not store.has(INBOX, direct(2).message_id)
    assert not store.has(OTHERS[0], direct(1).message_id)


def test_a_message_that_was_moved_is_a_row_of_its_own(store: InboxStore) -> None:
    """It keeps its id and its place; when either row is deleted, the other one stays."""
    message = replace(direct(1), taken_by=frozenset({ConnectionId("a=")}))
    moved = message.moved()
    assert (moved.message_id, moved.moves, moved.taken_by) == (message.message_id, 1, frozenset())
    store.put(direct(1))
    store.put(moved)
    store.put(direct(2))
    assert store.oldest(INBOX, 10) == [direct(1), moved, direct(2)]
    store.delete([direct(1)])
    assert not store.has(INBOX, moved.message_id)
    store.note_taken(moved, [ConnectionId("b=")])
    assert store.oldest(INBOX, 10) == [replace(moved, taken_by=frozenset({ConnectionId("b=")})), direct(2)]
    store.delete([moved])
    assert store.oldest(INBOX, 10) == [direct(2)]

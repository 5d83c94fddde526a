"""The DynamoDB adapters and answers that the local AWS never gives: conflicts, and rows that go meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.connections.connect.dynamodb import DynamoRegister
from functions.connections.connect.port import Entry
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.connections.dynamodb import DynamoConnectionStore, parse_pages_fast
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, RoomKey, SessionId, TenantId, nth_partition
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.rooms.model import Membership, NickName
from loudhailer.rooms.port import Joined
from loudhailer.sessions.dynamodb import DynamoSessionStore, session_key
from tests.support.broadcasts import BROADCAST, NOW, chunk, source, summary
from tests.support.limits import BATCH_ATTEMPTS

ACME, S1, S2 = TenantId("acme"), SessionId("s1"), SessionId("s2")
FIRST = nth_partition(ACME, 0)
A, B, C = (ConnectionKey(FIRST, ConnectionId(name)) for name in "abc")


class Client:
    """Answers each call as the test says, and notes it."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls.append((name, request))
            answer = self._answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refused() -> ClientError:
    """A condition that does not hold."""
    return ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "Call")


def cancelled(*reasons: dict[str, Any]) -> ClientError:
    """A transaction that was cancelled, with a reason for each item."""
    answer: Any = {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "CancellationReasons": [*reasons]}
    return ClientError(answer, "TransactWriteItems")


CONFLICT = {"Code": "TransactionConflict"}
NONE = {"Code": "None"}
REFUSED = {"Code": "ConditionalCheckFailed"}
SOURCE_ROW = {"part": {"S": "source#0"}, "scope": {"S": '{"partitions":["acme#00000"]}'}, "dispatched": {"N": "0"}}
SOURCE_ROW |= {"queriedAt": {"N": "1"}}


def moved_to(room: str) -> ClientError:
    """A condition that does not hold, because another frame has put the connection into the room."""
    answer: Any = {
        "Error": {"Code": "ConditionalCheckFailedException", "Message": ""},
        "Item": {"roomKey": {"S": room}, "nickName": {"S": "Ann"}},
    }
    return ClientError(answer, "UpdateItem")


class Moving(Client):
    """A row whose room other frames of the connection change between its read and its update, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def get_item(self, **_: Any) -> Any:
        """As the last frame left it."""
        return {"Item": {"roomKey": {"S": f"room-{self._times}"}, "nickName": {"S": "Ann"}}}

    def update_item(self, **_: Any) -> Any:
        """Refused as long as others come in between."""
        if self._times:
            self._times -= 1
            raise moved_to(f"room-{self._times}")
        return {}


IN_RED = Membership(RoomKey("red"), NickName("Ann"))


def test_a_join_between_other_joins_reports_the_room_it_left() -> None:
    """It is read again each time, so no room is announced that another frame has left before."""
    store = DynamoRoomStore(Moving(3), "connections")  # type: ignore[arg-type]
    assert store.join(A, IN_RED) == Joined(Membership(RoomKey("room-0"), NickName("Ann")))


def test_a_join_that_loses_every_race_is_a_transient_error() -> None:
    """Its caller gets an error."""
    store = DynamoRoomStore(Moving(99), "connections")  # type: ignore[arg-type]
    with pytest.raises(TransientError, match="changed its room"):
        store.join(A, IN_RED)


def test_a_renewal_that_loses_every_race_is_a_transient_error() -> None:
    """The session lives, and is another's or over whenever it is written."""
    row = {"tenantId": {"S": ACME}, "sessionId": {"S": S1}, "sessionTTL": {"N": "500"}}
    client: Any = Client(update_item=refused(), get_item={"Item": row})
    with pytest.raises(TransientError, match="created and ended"):
        DynamoSessionStore(client, "sessions").renew(ACME, S1, player=None, expires_at=600, now=100)


@pytest.mark.parametrize("group", [None, "tenant-a"])
def test_a_message_without_a_group_has_no_group_id(group: str | None) -> None:
    """SNS refuses an empty one."""
    client: Any = Client(publish={})
    SnsTopic(client, "arn").publish("body", group=group)
    named = {} if group is None else {"MessageGroupId": group}
    assert client.calls == [("publish", {"TopicArn": "arn", "Message": "body"} | named)]


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.fix_sources(BROADCAST, [source(0), source(1)]),
        lambda store: store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW),
        lambda store: store.reopen_source(BROADCAST, 0, "letter"),
    ],
    ids=["fix sources", "complete a source", "reopen a source"],
)
def test_a_conflicting_transaction_of_a_broadcast_is_retried(
    write: Callable[[DynamoBroadcastStore], object],
) -> None:
    """Its existence is unknown, so it is neither done nor refused: in the end its message is delivered again."""
    client: Any = Client(get_item={"Item": SOURCE_ROW}, transact_write_items=cancelled(REFUSED, CONFLICT))
    store = DynamoBroadcastStore(client, "broadcasts", clock=lambda: NOW, pause=lambda _: None)
    client.get_paginator = lambda _: Client(paginate=[])
    with pytest.raises(TransientError, match="TransactWriteItems failed"):
        write(store)
    assert [name for name, _ in client.calls].count("transact_write_items") == BATCH_ATTEMPTS


class Redriven(Client):
    """A source that other letters reopen before a transaction, so many times; each time it gets a chunk more."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left, self._chunks = times, 0

    def get_item(self, **_: Any) -> Any:
        """As it was completed last."""
        return {"Item": SOURCE_ROW | {"queriedAt": {"N": str(self._chunks)}}}

    def get_paginator(self, _: str) -> Any:
        """The chunks that it has now."""
        rows = [{"part": {"S": f"chunk#0.{number}"}, "chunkSize": {"N": "3"}} for number in range(self._chunks)]
        return Client(paginate=[{"Items": rows}])

    def transact_write_items(self, **request: Any) -> Any:
        """Refused if it is of an earlier completion."""
        if self._left:
            self._left, self._chunks = self._left - 1, self._chunks + 1
        self.calls.append(("transact_write_items", request))
        values = request["TransactItems"][0]["Update"]["ExpressionAttributeValues"]
        if values.get(":queriedAt") != {"N": str(self._chunks)}:
            raise cancelled(REFUSED, NONE)
        return {}


def test_a_letter_reopens_a_source_as_it_was_completed_last() -> None:
    """The chunk that ended it before has recipients now, and is not deleted."""
    client: Any = Redriven(2)
    DynamoBroadcastStore(client, "broadcasts", clock=lambda: NOW, pause=lambda _: None).reopen_source(
        BROADCAST, 0, "letter"
    )
    _, request = client.calls[-1]
    assert len(client.calls) == 3
    assert request["TransactItems"][1]["Delete"]["Key"]["part"] == {"S": "chunk#0.2"}


def test_a_source_that_loses_every_race_is_a_transient_error() -> None:
    """The letter stays in its queue, and the operator runs the command again."""
    store = DynamoBroadcastStore(Redriven(99), "broadcasts", clock=lambda: NOW)  # type: ignore[arg-type]
    with pytest.raises(TransientError, match="reopened by others"):
        store.reopen_source(BROADCAST, 0, "letter")


def test_a_row_deleted_between_put_and_read_is_a_transient_error() -> None:
    """It was there when it was put and is not when it is read: next time there is one or the other."""
    client: Any = Client(put_item=refused(), get_item={})
    store = DynamoBroadcastStore(client, "broadcasts", clock=lambda: NOW)
    with pytest.raises(TransientError, match="a broadcast's summary was deleted while it was recorded"):
        store.record(summary())
    with pytest.raises(TransientError, match="a chunk's row was deleted while it was fixed"):
        store.fix_chunk(BROADCAST, chunk())


@pytest.mark.parametrize(
    ("row", "session", "entry"),
    [
        (CONFLICT, NONE, Entry.CONTENDED),
        (NONE, CONFLICT, Entry.CONTENDED),
        (NONE, {"Code": "ThrottlingError"}, Entry.THROTTLED),
        ({"Code": "ProvisionedThroughputExceeded"}, CONFLICT, Entry.THROTTLED),
        ({"Code": "ThrottlingError"}, REFUSED | {"Item": {"sessionTTL": {"N": "101"}}}, Entry.SESSION_FULL),
        (CONFLICT, REFUSED | {"Item": {"sessionTTL": {"N": "100"}}}, Entry.SESSION_OVER),
        (CONFLICT, REFUSED | {"Item": {"sessionTTL": {"N": "101"}}}, Entry.SESSION_FULL),
        (NONE, REFUSED, Entry.SESSION_OVER),
        (REFUSED | {"Item": {"sessionId": {"S": "s1"}}}, REFUSED, Entry.RECORDED_BEFORE),
        (REFUSED | {"Item": {"sessionId": {"S": "s2"}}}, NONE, Entry.SESSION_OVER),
        (REFUSED, CONFLICT, Entry.SESSION_OVER),
    ],
)
def test_an_unrecorded_connection_has_a_reason(row: Any, session: Any, entry: Entry) -> None:
    """A refusal counts before a conflict, and of two refusals that of the connection's own row."""
    client: Any = Client(transact_write_items=cancelled(row, session))
    register = DynamoRegister(client, "connections", "sessions", "devices")
    wanted = Connection(A, S1, 100, 7_600, None)
    assert register.record(wanted, connections_per_session=2, session_expires_at=500) is entry


def test_a_deletion_refused_in_a_batch_is_repeated_alone() -> None:
    """Rows of the batch that were deleted or are not there need none."""
    refused = {"Error": {"Code": "TransactionConflict"}}
    client: Any = Client(batch_execute_statement={"Responses": [{}, {}, refused]}, delete_item={})
    DynamoConnectionStore(client, "connections").delete_all([A, B, C])
    (_, (name, request)) = client.calls
    assert name == "delete_item"
    assert request == {"TableName": "connections", "Key": {"partition": {"S": FIRST}, "connectionId": {"S": "c"}}}


def test_a_session_in_doubt_is_updated_by_a_separate_call() -> None:
    """Sessions of the batch that were written or are not there need none."""
    gone = {(ACME, S1): [A], (ACME, SessionId("none")): [B], (ACME, S2): [C]}
    answers = [{}, {"Error": {"Code": "ConditionalCheckFailed"}}, {"Error": {"Code": "ThrottlingError"}}]
    client: Any = Client(
        batch_execute_statement={"Responses": answers}, update_item={}, batch_get_item={"Responses": {}}
    )
    DynamoSessionStore(client, "sessions").forget_all(gone)
    (_, (name, request), _) = client.calls
    assert name == "update_item"
    assert request["Key"] == session_key(ACME, S2)
    assert request["ExpressionAttributeValues"] == {":gone": {"SS": ["00000#c"]}}


def test_a_contended_session_does_not_block_the_others() -> None:
    """It is reported, so that its connections are counted later; the batch of the others continues."""
    conflict = {"Error": {"Code": "TransactionConflict"}}
    busy = ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, "UpdateItem")
    client: Any = Client(batch_execute_statement={"Responses": [conflict, {}]}, update_item=busy, get_item={})
    not_forgotten = DynamoSessionStore(client, "sessions").forget_all({(ACME, S1): [A], (ACME, S2): [C]})
    assert not_forgotten == {(ACME, S1)}


def test_a_session_deleted_during_its_renewal_stays_deleted() -> None:
    """It is never brought back."""
    row = {"tenantId": {"S": ACME}, "sessionId": {"S": S1}, "sessionTTL": {"N": "200"}}
    client: Any = Client(get_item={"Item": row}, update_item=refused())
    assert DynamoSessionStore(client, "sessions").keep_alive(ACME, S1, session_seconds=200, now=100) is None


def test_error_responses_are_parsed_by_the_sdk() -> None:
    """The codec takes the items of pages that are answers."""
    registered: list[Any] = []
    client: Any = Client()
    client.meta = Client()
    client.meta.events = Client()
    client.meta.events.register = lambda *event_and_handler: registered.append(event_and_handler)
    assert parse_pages_fast(client) is client
    ((event, take),) = registered
    assert event == "before-parse.dynamodb.Query"
    refusal, parsed = {"status_code": 400, "body": b'{"__type":"ValidationException"}'}, dict[str, Any]()
    take(response_dict=refusal, customized_response_dict=parsed)
    assert (refusal["body"], parsed) == (b'{"__type":"ValidationException"}', {})
    page = {"status_code": 200, "body": b'{"Items":[{"a":{"S":"b"}}],"Count":1}'}
    take(response_dict=page, customized_response_dict=parsed)
    assert (page["body"], parsed) == (b'{"Count":1}', {"Items": [{"a": {"S": "b"}}]})

"""Promises of `ConnectionStore`, kept by the twin and by DynamoDB."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pytest

from loudhailer.connections.dynamodb import DynamoConnectionStore, connection_to_item, parse_pages_fast
from loudhailer.connections.model import PROBE, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, PlayerId, ProbeId, RoomKey, SessionId, TenantId
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, WITHOUT_MOTO, dynamodb_of, table_of
from tests.support.aws import aws_client
from tests.support.fakes.connections import MemoryConnectionStore

ACME = TenantId("acme")
FIRST, SECOND = Partition("acme#00000"), Partition("acme#00001")


def key(connection: str, partition: Partition = FIRST) -> ConnectionKey:
    """The key of a connection in a partition."""
    return ConnectionKey(partition, ConnectionId(connection))


def connection(
    name: str,
    partition: Partition = FIRST,
    *,
    connected_at: int = 100,
    expires_at: int = 900,
    player: str | None = None,
) -> Connection:
    """A connection of session s1."""
    return Connection(
        key(name, partition), SessionId("s1"), connected_at, expires_at, None if player is None else PlayerId(player)
    )


def flat(pages: Iterable[list[tuple[ConnectionId, int]]]) -> list[tuple[ConnectionId, int]]:
    """The rows of all pages; no page is empty."""
    read = list(pages)
    assert all(read)
    return list(chain.from_iterable(read))


@dataclass
class Case:
    """A store, and how a test puts rows into it."""

    store: ConnectionStore
    add: Callable[[Connection], None]
    join: Callable[[ConnectionKey, RoomKey], None]


def _memory() -> Case:
    store = MemoryConnectionStore()
    return Case(store, lambda row: store.rows.__setitem__(row.key, row), store.rooms.__setitem__)


def _dynamodb(client: Any, table: str, reader: Any = None) -> Case:
    def add(row: Connection) -> None:
        # Wide rows, so that a few hundred of them are more than a page.
        client.put_item(TableName=table, Item={**connection_to_item(row), "nickName": {"S": "x" * 5_000}})

    def join(row: ConnectionKey, room: RoomKey) -> None:
        client.update_item(
            TableName=table,
            Key={"partition": {"S": row.partition}, "connectionId": {"S": row.connection_id}},
            UpdateExpression="SET roomKey = :room, roomIndexKey = :index",
            ExpressionAttributeValues={":room": {"S": room}, ":index": {"S": f"{ACME}#{room}"}},
        )

    return Case(DynamoConnectionStore(reader or client, table), add, join)


PARSED_FAST = "dynamodb, parsed fast"


@pytest.fixture(params=["memory", *ADAPTERS, PARSED_FAST])
def case(request: pytest.FixtureRequest) -> Case:
    """The twin, then the adapter, then the adapter as `query` has it."""
    if request.param == "memory":
        return _memory()
    client, table = dynamodb_of(request), table_of(request)("connections")
    if request.param != PARSED_FAST:
        return _dynamodb(client, table)
    return _dynamodb(client, table, parse_pages_fast(aws_client("dynamodb", request.getfixturevalue("aws_endpoint"))))


def test_a_connection_is_read_as_it_was_recorded(case: Case) -> None:
    """All that a row says survives the table."""
    rows = [connection("a=", player="ann"), connection("b=")]
    for row in rows:
        case.add(row)
    assert [case.store.get(row.key) for row in rows] == rows
    assert case.store.get(key("c=")) is None


def test_a_partition_is_read_in_the_order_of_ids(case: Case) -> None:
    """Only its own rows, ascending, with the time each connected."""
    for name in ("c", "a", "b"):
        case.add(connection(name, connected_at=ord(name)))
    case.add(connection("a", SECOND))
    found = flat(case.store.in_partition(FIRST, after=None, not_expired_at=0))
    assert found == [(ConnectionId("a"), 97), (ConnectionId("b"), 98), (ConnectionId("c"), 99)]


def test_reading_continues_after_a_given_id(case: Case) -> None:
    """The id itself is not read again, and it need not exist any more."""
    for name in ("a", "c", "d"):
        case.add(connection(name))
    found = flat(case.store.in_partition(FIRST, after=ConnectionId("b"), not_expired_at=0))
    assert [name for name, _ in found] == ["c", "d"]
    found = flat(case.store.in_partition(FIRST, after=ConnectionId("c"), not_expired_at=0))
    assert [name for name, _ in found] == ["d"]


def test_expired_connections_are_not_recipients(case: Case) -> None:
    """A row whose time is over at that moment is left out, whatever TTL has got round to."""
    case.add(connection("over", expires_at=500))
    case.add(connection("live", expires_at=501))
    found = flat(case.store.in_partition(FIRST, after=None, not_expired_at=500))
    assert [name for name, _ in found] == ["live"]


def test_a_partition_without_recipients_has_no_page(case: Case) -> None:
    """A page that its filter has emptied is not returned."""
    case.add(connection("over", expires_at=500))
    assert list(case.store.in_partition(FIRST, after=None, not_expired_at=500)) == []


def test_a_partition_may_be_read_in_part(case: Case) -> None:
    """The iterator is lazy: a caller that wants one page reads one."""
    for name in ("a", "b", "c"):
        case.add(connection(name))
    page = next(case.store.in_partition(FIRST, after=None, not_expired_at=0))
    assert page[0] == (ConnectionId("a"), 100)


def test_a_partition_larger_than_a_page_is_read_whole(case: Case) -> None:
    """DynamoDB answers with at most a megabyte at once."""
    names = [f"{number:03d}" for number in range(250)]
    for name in names:
        case.add(connection(name))
    found = flat(case.store.in_partition(FIRST, after=None, not_expired_at=0))
    assert [name for name, _ in found] == names
    assert case.store.size(FIRST) == 250


def test_a_probe_leaves_no_row(case: Case) -> None:
    """It is there for the stream alone."""
    case.add(connection("a"))
    case.store.probe(FIRST, ProbeId("p"), 100)
    assert case.store.size(FIRST) == 1
    assert case.store.get(ConnectionKey(FIRST, PROBE)) is None


def test_a_leftover_probe_is_not_a_recipient(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """`reconcile` may be killed before it deletes the row, which a clock that is behind takes for one that lives."""
    case.add(connection("a"))
    with monkeypatch.context() as killed:
        killed.setattr(case.store, "delete", lambda _key: None)
        case.store.probe(FIRST, ProbeId("p"), 100)
    assert [name for name, _ in flat(case.store.in_partition(FIRST, after=None, not_expired_at=0))] == ["a"]


def test_a_room_contains_the_connections_that_joined_it(case: Case) -> None:
    """The index is sparse: a connection without a room is not in it."""
    for name in ("a", "b", "c"):
        case.add(connection(name))
    case.join(key("a"), RoomKey("red"))
    case.join(key("b"), RoomKey("blue"))
    assert case.store.in_room(ACME, RoomKey("red")) == [key("a")]


def test_no_more_of_a_room_is_read_than_is_asked_for(case: Case) -> None:
    """A room that is too large is not read to its end."""
    for name in ("a", "b", "c"):
        case.add(connection(name))
        case.join(key(name), RoomKey("red"))
    for most, found in ((1, 1), (3, 3), (4, 3)):
        assert len(case.store.in_room(ACME, RoomKey("red"), most=most)) == found


def test_connection_times_are_returned_for_existing_connections(case: Case) -> None:
    """More keys than one call takes, repeated keys and unknown ones are all fine."""
    rows = [connection(f"c{number:03d}", connected_at=number) for number in range(130)]
    for row in rows:
        case.add(row)
    wanted = [row.key for row in rows] + [key("gone"), rows[0].key]
    assert case.store.connected_at(wanted) == {row.key: row.connected_at for row in rows}
    assert case.store.connected_at([]) == {}


def test_deleting_a_row_twice_has_no_further_effect(case: Case) -> None:
    """A row that is not there is no error, and its neighbours stay."""
    case.add(connection("a"))
    case.add(connection("b"))
    case.store.delete(key("a"))
    case.store.delete(key("a"))
    assert case.store.get(key("a")) is None
    assert case.store.get(key("b")) is not None


@pytest.mark.parametrize("case", [*WITHOUT_MOTO, PARSED_FAST], indirect=True)
def test_many_rows_are_deleted_at_once(case: Case) -> None:
    """Exactly the named ones, however many; one may be absent, and one named twice."""
    names = [f"a{number:02}" for number in range(60)]
    for name in names:
        case.add(connection(name))
    wanted = [key(name) for name in (*names[::2], "absent", names[0])]
    case.store.delete_all(wanted)
    assert [name for name in names if case.store.get(key(name))] == names[1::2]
    case.store.delete_all(wanted)
    case.store.delete_all([])
    assert case.store.size(FIRST) == 30


def test_many_rows_are_deleted_in_few_calls(aws_endpoint: str, table: Callable[[str], str]) -> None:
    """One for each 25 rows, and no other: calls grow as rows do."""
    client = aws_client("dynamodb", aws_endpoint)
    stale = _dynamodb(client, table("connections"))
    names = [f"a{number:03}" for number in range(225)]
    for name in names:
        stale.add(connection(name))
    calls: Counter[str] = Counter()
    client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))
    stale.store.delete_all(list(map(key, names)))
    assert calls == {"BatchExecuteStatement": 9}
    assert stale.store.size(FIRST) == 0


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
def test_a_connection_is_deleted_only_if_it_is_older_than_a_given_time(case: Case) -> None:
    """It connected before the time; a younger one stays, and one that is absent is none."""
    case.add(connection("a", connected_at=100))
    assert not case.store.delete_if_older(key("a"), 100)
    assert case.store.delete_if_older(key("a"), 101)
    assert not case.store.delete_if_older(key("a"), 101)
    assert case.store.get(key("a")) is None


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
def test_only_an_expired_connection_is_swept(case: Case) -> None:
    """A listed row is deleted on condition that it is still expired."""
    case.add(connection("over", expires_at=500))
    case.add(connection("live", expires_at=501))
    assert case.store.size_and_expired(FIRST, 500) == (2, [key("over")])
    assert case.store.delete_if_expired(key("over"), 500)
    assert not case.store.delete_if_expired(key("over"), 500)
    assert not case.store.delete_if_expired(key("live"), 500)
    assert case.store.size(FIRST) == 1


def test_a_connection_is_marked_before_its_subscriptions(case: Case) -> None:
    """A missing row is not made, and neither is a probe marked."""
    assert not case.store.mark_subscriber(key("a="))
    case.add(connection("a="))
    case.add(replace(connection("b="), subscribes=True))
    assert case.store.mark_subscriber(key("a="))
    assert [row and row.subscribes for row in map(case.store.get, [key("a="), key("b=")])] == [True, True]
    case.store.probe(FIRST, ProbeId("p"), 100)
    assert not case.store.mark_subscriber(key(PROBE))

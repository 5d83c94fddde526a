"""Promises of `RoomStore`, kept by the twin and by DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from loudhailer.connections.dynamodb import DynamoConnectionStore, connection_to_item
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.ids import ConnectionId, Partition, PlayerId, RoomKey, SessionId, TenantId, tenant_of
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.rooms.model import Membership, NickName
from loudhailer.rooms.port import Joined, RoomStore
from tests.contract.conftest import ADAPTERS, SIMULATED, dynamodb_of, table_of
from tests.support.aws import aws_client
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.dynamodb.overtaken import OvertakenWrites
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.rooms import MemoryRoomStore

ACME, ACME2 = TenantId("acme"), TenantId("acme2")
RED, BLUE = RoomKey("red"), RoomKey("blue")
ANN_IN_RED = Membership(RED, NickName("Ann"))
PAGE = 2


def key(name: str, partition: str = "acme#00000") -> ConnectionKey:
    """The key of a connection."""
    return ConnectionKey(Partition(partition), ConnectionId(name))


@dataclass
class Case:
    """The rooms, the connections that are in them, and how a test records one."""

    rooms: RoomStore
    connections: ConnectionStore
    record: Callable[[Connection], None]

    def connection(self, name: str, partition: str = "acme#00000") -> ConnectionKey:
        """A connection that is recorded."""
        connection = Connection(key(name, partition), SessionId("s1"), 100, 900, PlayerId("ann"))
        self.record(connection)
        return connection.key

    def members(self, room: RoomKey, tenant: TenantId = ACME, limit: int = 100) -> list[ConnectionKey]:
        """Return those in a room, sorted."""
        return sorted(self.rooms.members(tenant, room, limit=limit))


@pytest.fixture(params=["memory", *ADAPTERS])
def case(request: pytest.FixtureRequest) -> Case:
    """The twin, then the adapter, whose pages are short."""
    if request.param == "memory":
        connections = MemoryConnectionStore()
        return Case(MemoryRoomStore(connections), connections, lambda row: connections.rows.__setitem__(row.key, row))
    table, client = table_of(request)("connections"), dynamodb_of(request)
    if request.param == "dynamodb":
        client = aws_client("dynamodb", request.getfixturevalue("aws_endpoint"))
        client.meta.events.register("provide-client-params.dynamodb.Query", _shorten)
    return Case(
        DynamoRoomStore(client, table),
        DynamoConnectionStore(client, table),
        lambda row: client.put_item(TableName=table, Item=connection_to_item(row)) and None,
    )


def _shorten(params: dict[str, Any], **_: object) -> None:
    params["Limit"] = min(PAGE, params.get("Limit", PAGE))


def test_a_connection_joins_a_room(case: Case) -> None:
    """Its row says so from then on, and it is among the members."""
    ann = case.connection("a=")
    assert case.rooms.membership(ann) is None
    assert case.rooms.join(ann, ANN_IN_RED) == Joined(former=None)
    assert case.rooms.membership(ann) == ANN_IN_RED
    assert case.members(RED) == [ann]


def test_joining_leaves_the_rest_of_the_row_as_it_was(case: Case) -> None:
    """Its session, its times, its player."""
    ann = case.connection("a=")
    before = case.connections.get(ann)
    case.rooms.join(ann, ANN_IN_RED)
    assert case.connections.get(ann) == before


def test_a_connection_is_in_one_room_at_a_time(case: Case) -> None:
    """Joining another leaves the former one, which is returned to the caller."""
    ann, bob = case.connection("a="), case.connection("b=", "acme#00001")
    for one in (ann, bob):
        case.rooms.join(one, ANN_IN_RED)
    in_blue = Membership(BLUE, NickName("Ännchen 👩\u200d🚀"))
    assert case.rooms.join(ann, in_blue) == Joined(former=ANN_IN_RED)
    assert case.rooms.membership(ann) == in_blue
    assert (case.members(RED), case.members(BLUE)) == ([bob], [ann])


def test_a_repeated_join_is_recognised(case: Case) -> None:
    """The former membership is the same, or differs in the nickname alone."""
    ann = case.connection("a=")
    case.rooms.join(ann, ANN_IN_RED)
    assert case.rooms.join(ann, ANN_IN_RED) == Joined(former=ANN_IN_RED)
    assert case.rooms.join(ann, Membership(RED, NickName("Anna"))) == Joined(former=ANN_IN_RED)
    assert case.members(RED) == [ann]


@pytest.mark.parametrize(
    ("before", "between"),
    [
        (None, ANN_IN_RED),
        (ANN_IN_RED, Membership(BLUE, ANN_IN_RED.nickname)),
        (ANN_IN_RED, Membership(RED, NickName("Anna"))),
    ],
    ids=["its first room", "another room", "another nickname"],
)
def test_a_join_that_is_overtaken_leaves_the_room_that_was_joined_meanwhile(
    before: Membership | None, between: Membership
) -> None:
    """Otherwise nobody would announce the leave of that room."""
    table, ann = f"connections-{SIMULATED}", key("a=")
    client: Any = OvertakenWrites(client_of_any_table())
    rooms = DynamoRoomStore(client, table)
    client.put_item(TableName=table, Item=connection_to_item(Connection(ann, SessionId("s1"), 100, 900)))
    if before is not None:
        rooms.join(ann, before)
    client.overtake(lambda: rooms.join(ann, between))
    assert rooms.join(ann, Membership(BLUE, NickName("Zoë"))) == Joined(former=between)


def test_joining_does_not_restore_a_deleted_connection(case: Case) -> None:
    """A row that is gone stays gone."""
    ann = case.connection("a=")
    case.connections.delete(ann)
    assert case.rooms.join(ann, ANN_IN_RED) is None
    assert case.connections.get(ann) is None
    assert case.rooms.membership(ann) is None
    assert case.members(RED) == []


def test_a_room_is_read_over_pages_up_to_a_limit(case: Case) -> None:
    """Five members are three pages; a limit below that is kept to."""
    everyone = [case.connection(f"{number}=", f"acme#{number:05d}") for number in range(5)]
    for one in everyone:
        case.rooms.join(one, ANN_IN_RED)
    assert case.members(RED) == everyone
    for limit in (1, 3, 4, 5):
        assert len(set(case.members(RED, limit=limit)) & set(everyone)) == limit


def test_the_size_of_a_room_is_counted_over_pages_up_to_a_limit(case: Case) -> None:
    """Nobody is in a room that nobody has joined."""
    for number in range(5):
        case.rooms.join(case.connection(f"{number}=", f"acme#{number:05d}"), ANN_IN_RED)
    assert [case.rooms.size(ACME, RED, limit=limit) for limit in (1, 4, 5, 6, 100)] == [1, 4, 5, 5, 5]
    assert case.rooms.size(ACME, BLUE, limit=5) == 0


def test_rooms_of_one_name_in_two_tenants_are_two_rooms(case: Case) -> None:
    """Also where one tenant's id begins with the other's."""
    ours, theirs = case.connection("a="), case.connection("a=", "acme2#00000")
    for one in (ours, theirs):
        case.rooms.join(one, ANN_IN_RED)
    assert case.members(RED, tenant_of(ours.partition)) == [ours]
    assert case.members(RED, ACME2) == [theirs]


def test_a_member_that_is_gone_is_removed(case: Case) -> None:
    """Twice is as good as once, and its neighbour stays."""
    ann, bob = case.connection("a="), case.connection("b=")
    for one in (ann, bob):
        case.rooms.join(one, ANN_IN_RED)
    case.rooms.remove(ann)
    case.rooms.remove(ann)
    assert case.connections.get(ann) is None
    assert case.members(RED) == [bob]

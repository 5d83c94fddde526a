"""Promises of `connect`'s `Register`, kept by the twin and by DynamoDB."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from time import sleep
from typing import Any

import pytest

from functions.connections.connect.connect import Connect
from functions.connections.connect.dynamodb import DynamoRegister
from functions.connections.connect.port import Entry, Register
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId, nth_partition
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.port import LimitStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.sessions.port import SessionStore
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, dynamodb_of, table_of
from tests.support.broadcasts import ENDPOINT
from tests.support.dynamodb.engine import EngineClient, client_of_any_table
from tests.support.fakes.admission import MemoryRegister
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.devices import MemoryDeviceStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore

ACME, S1 = TenantId("acme"), SessionId("s1")
ANN, BOB = PlayerId("ann"), PlayerId("bob")


@dataclass
class Case:
    """A register, and the stores that show its writes."""

    register: Register
    connections: ConnectionStore
    sessions: SessionStore
    devices: DeviceStore
    limits: LimitStore

    def record(self, connection: Connection, limit: int = 2) -> Entry:
        """Records the connection; its session then lives until 500."""
        return self.register.record(connection, connections_per_session=limit, session_expires_at=500)


FORMER = "dynamodb, simulated, with a session of a former release"


@pytest.fixture(params=["memory", *ADAPTERS, FORMER])
def case(request: pytest.FixtureRequest) -> Case:
    """The twins, then the adapters, with a session s1 that lives until 200."""
    if request.param == "memory":
        connections, sessions = MemoryConnectionStore(), MemorySessionStore()
        devices = MemoryDeviceStore(connections)
        made = Case(MemoryRegister(connections, sessions), connections, sessions, devices, MemoryLimitStore())
    else:
        is_former = request.param == FORMER
        client: Any = client_of_any_table() if is_former else dynamodb_of(request)
        table = "{}-simulated".format if is_former else table_of(request)
        names = table("connections"), table("sessions"), table("devices")
        made = Case(
            DynamoRegister(client, *names, spread=not is_former),
            DynamoConnectionStore(client, names[0]),
            DynamoSessionStore(client, names[1], spread=not is_former),
            DynamoDeviceStore(client, names[2]),
            # Its client tries each call once.
            DynamoLimitStore(
                request.getfixturevalue("aws")("dynamodb"), request.getfixturevalue("table")("limits"), pause=sleep
            ),
        )
    made.sessions.renew(ACME, S1, player=None, expires_at=200, now=0)
    return made


def connection(name: str, *, session: SessionId = S1, at: int = 100, player: PlayerId | None = None) -> Connection:
    """A connection of the tenant's third partition."""
    return Connection(ConnectionKey(nth_partition(ACME, 2), ConnectionId(name)), session, at, at + 7500, player)


def test_a_connection_and_its_session_are_written_together(case: Case) -> None:
    """The row exists, the session knows it and lives on."""
    case.sessions.renew(ACME, S1, player=PlayerId("ann"), expires_at=200, now=0)
    row = connection("a=", player=PlayerId("ann"))
    assert case.record(row) is Entry.RECORDED
    assert case.connections.get(row.key) == row
    assert case.devices.of_player(ACME, ANN) == [row.key]
    session = case.sessions.get(ACME, S1)
    assert session is not None
    assert (session.expires_at, session.connections) == (500, frozenset({row.key}))


def test_a_player_is_found_on_all_devices(case: Case) -> None:
    """In every partition, and nobody else's; until gone ones are removed, which may be done twice."""
    for name, player in (("s1", ANN), ("s2", ANN), ("s3", BOB), ("s4", None)):
        case.sessions.renew(ACME, SessionId(name), player=player, expires_at=200, now=0)
        row = connection(name, session=SessionId(name), player=player)
        assert case.record(replace(row, key=row.key._replace(partition=nth_partition(ACME, int(name[1]))))) is (
            Entry.RECORDED
        )
    first, second = (ConnectionKey(nth_partition(ACME, number), ConnectionId(f"s{number}")) for number in (1, 2))
    assert sorted(case.devices.of_player(ACME, ANN)) == [first, second]
    assert case.devices.of_player(TenantId("acme2"), ANN) == []
    case.connections.delete(first)
    case.devices.forget(ACME, ANN, [first.connection_id, ConnectionId("unknown")])
    case.devices.forget(ACME, ANN, [first.connection_id])
    assert case.devices.of_player(ACME, ANN) == [second]


def test_an_unrecorded_connection_is_not_found_as_a_device(case: Case) -> None:
    """All of it is written, or nothing."""
    case.sessions.renew(ACME, S1, player=ANN, expires_at=400, now=200)
    assert case.record(connection("a", player=ANN, at=201), limit=0) is Entry.SESSION_FULL
    assert case.record(connection("a", player=BOB, at=201)) is Entry.SESSION_OVER
    assert case.devices.of_player(ACME, ANN) == case.devices.of_player(ACME, BOB) == []


def test_a_full_session_refuses_a_connection(case: Case) -> None:
    """Nothing is written for the one too many."""
    assert [case.record(connection(name)) for name in "abc"] == [Entry.RECORDED, Entry.RECORDED, Entry.SESSION_FULL]
    assert case.connections.get(connection("c").key) is None
    assert case.record(connection("d"), limit=0) is Entry.SESSION_FULL


@pytest.mark.parametrize(("session", "at"), [("s1", 200), ("s1", 900), ("unknown", 100)])
def test_an_expired_or_unknown_session_refuses_a_connection(case: Case, session: str, at: int) -> None:
    """Expired though its row is still there, or never made; and it is not made by trying."""
    row = connection("a", session=SessionId(session), at=at)
    assert case.record(row) is Entry.SESSION_OVER
    assert case.connections.get(row.key) is None
    assert case.sessions.get(ACME, SessionId("unknown")) is None


@pytest.mark.parametrize(("bound", "player"), [(ANN, BOB), (ANN, None), (None, ANN)])
def test_a_connection_authorized_as_another_player_is_not_recorded(
    case: Case, bound: PlayerId | None, player: PlayerId | None
) -> None:
    """The session was recreated for another player between the authorizer's read and the transaction."""
    case.sessions.renew(ACME, S1, player=bound, expires_at=400, now=200)
    row = connection("a", player=player, at=201)
    assert case.record(row) is Entry.SESSION_OVER
    assert case.connections.get(row.key) is None


def test_a_repeated_connect_is_recorded_once(case: Case) -> None:
    """Even if its session is full by then; but not for another session."""
    case.sessions.renew(ACME, SessionId("s2"), player=None, expires_at=200, now=0)
    assert case.record(connection("a"), limit=1) is Entry.RECORDED
    assert case.record(connection("a", at=101), limit=1) is Entry.RECORDED_BEFORE
    assert case.record(connection("a", session=SessionId("s2"))) is Entry.SESSION_OVER
    assert case.connections.get(connection("a").key) == connection("a")


@pytest.mark.parametrize("spread", [True, False])
def test_a_connection_under_the_current_session_key_takes_one_transaction(*, spread: bool) -> None:
    """A transaction that finds no session is paid for; before, each connect beside a former release took two."""
    rows: Any = client_of_any_table()
    calls: Counter[str] = Counter()

    def counted(operation: str, request: Any) -> Any:
        calls[operation] += 1
        return getattr(rows, operation)(**request)

    client: Any = EngineClient(counted)
    names = "connections-x", "sessions-x", "devices-x"
    DynamoSessionStore(rows, names[1], spread=spread).renew(ACME, S1, player=None, expires_at=200, now=0)
    register = DynamoRegister(client, *names, spread=spread)
    assert register.record(connection("a"), connections_per_session=2, session_expires_at=500) is Entry.RECORDED
    assert calls == {"transact_write_items": 1}


@pytest.mark.parametrize("spread", [True, False])
def test_a_session_under_the_former_key_is_found(*, spread: bool) -> None:
    """It was made before the deployment changed."""
    client: Any = client_of_any_table()
    names = "connections-x", "sessions-x", "devices-x"
    DynamoSessionStore(client, names[1], spread=not spread).renew(ACME, S1, player=None, expires_at=200, now=0)
    register = DynamoRegister(client, *names, spread=spread)
    assert register.record(connection("a"), connections_per_session=2, session_expires_at=500) is Entry.RECORDED


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
def test_two_hundred_concurrent_connects_stop_exactly_at_the_limit(case: Case) -> None:
    """Two hundred connects of one session race for twenty places."""

    def attempt(number: int) -> Entry:
        entry = Entry.CONTENDED
        while entry is Entry.CONTENDED:
            entry = case.record(connection(f"c{number}"), limit=20)
            sleep(Random(number).uniform(0, 0.01))  # noqa: S311  # jitter
        return entry

    with ThreadPoolExecutor(32) as pool:
        entries = Counter(pool.map(attempt, range(200)))
    assert entries == {Entry.RECORDED: 20, Entry.SESSION_FULL: 180}
    session = case.sessions.get(ACME, S1)
    assert session is not None
    assert len(session.connections) == case.connections.size(nth_partition(ACME, 2)) == 20


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
@pytest.mark.parametrize(
    ("tenant_connections", "connections_per_session", "tenant_per_minute", "session_per_minute", "admitted"),
    [(50, 200, 200, 200, 50), (200, 50, 200, 200, 50), (200, 200, 50, 200, 50), (200, 200, 200, 50, 50)],
    ids=["tenant", "session", "tenant-minute", "session-minute"],
)
def test_two_hundred_concurrent_clients_are_admitted_up_to_each_limit(
    *,
    case: Case,
    tenant_connections: int,
    connections_per_session: int,
    tenant_per_minute: int,
    session_per_minute: int,
    admitted: int,
) -> None:
    """Whichever limit it is, the answers, the rows and the reserved total agree."""
    connect = Connect(
        case.limits,
        case.register,
        case.connections,
        case.sessions,
        MemoryOrderedSender(),
        endpoint=ENDPOINT,
        session_share=1.0,
        clock=lambda: 100,
        pause=sleep,
        random=SystemRandom(),
    )

    def handshake(number: int) -> int:
        context: dict[str, Any] = {
            "tenantId": ACME,
            "sessionId": S1,
            "partition": nth_partition(ACME, number % 3),
            "tenantConnections": str(tenant_connections),
            "connectionsPerSession": str(connections_per_session),
            "tenantPerMinute": str(tenant_per_minute),
            "sessionPerMinute": str(session_per_minute),
            "sessionTTL": "200",
            "messagesPerMinute": "60",
            "sessionConnections": str(number % 2 * connections_per_session),
        }
        event = {"requestContext": {"connectionId": f"c{number}", "authorizer": context}}
        answer = connect(event, Deadline.after(60, lambda: 100))
        status: int = answer["statusCode"]
        return status

    with ThreadPoolExecutor(32) as pool:
        statuses = Counter(pool.map(handshake, range(200)))
    assert statuses == {200: admitted, 429: 200 - admitted}
    assert sum(case.connections.size(nth_partition(ACME, number)) for number in range(3)) == admitted
    assert case.limits.total(ACME).count == admitted

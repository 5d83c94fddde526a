"""How a connection is recorded within its limits."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from functions.connect.connect import Connect
from functions.connect.memory import MemoryRegister
from functions.connect.port import Entry
from loudhailer.codec import decode
from loudhailer.connections.memory import MemoryConnectionStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import ConnectionId, Partition, PlayerId, SessionId, TenantId
from loudhailer.tenancy.memory import MemoryLimitStore, MemorySessionStore

NOW = 1000
ACME, S1 = TenantId("acme"), SessionId("s1")
PARTITION = Partition("acme#00002")


class World:
    """The stores behind one `connect`, with session s1."""

    def __init__(self) -> None:
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.sessions = MemorySessionStore()
        self.sessions.renew(ACME, S1, player=None, expires_at=NOW + 1, now=NOW)
        self.register = MemoryRegister(self.connections, self.sessions)
        self.pauses: list[float] = []
        self.connect = Connect(
            self.limits,
            self.register,
            self.connections,
            clock=lambda: NOW + 0.9,
            pause=self.pauses.append,
            random=Random(0),  # noqa: S311  # a test repeats itself
        )

    @property
    def reserved(self) -> int:
        """Connections of the tenant, as its limit sees them."""
        return self.limits.total(ACME).count


@pytest.fixture
def world() -> World:
    """A fresh one."""
    return World()


def event(connection: str = "a=", **context: object) -> dict[str, Any]:
    """API Gateway's `$connect` event; it turns the context's values into strings."""
    authorizer = {
        "tenantId": "acme",
        "sessionId": "s1",
        "partition": PARTITION,
        "connectionsPerSession": "2",
        "tenantConnections": "3",
        "sessionTTL": "200",
        **context,
    }
    return {"requestContext": {"routeKey": "$connect", "connectionId": connection, "authorizer": authorizer}}


def test_a_connection_is_recorded(world: World, counted: Counter[str]) -> None:
    """Its row, its session and its tenant's total all know it."""
    assert world.connect(event(playerId="ann")) == {"statusCode": 200}
    key = ConnectionKey(PARTITION, ConnectionId("a="))
    assert world.connections.get(key) == Connection(key, S1, NOW, NOW + 7500, PlayerId("ann"))
    session = world.sessions.get(ACME, S1)
    assert session is not None
    assert (session.expires_at, session.connections) == (NOW + 200, frozenset({key}))
    assert world.reserved == 1
    assert counted["ConnectionRecorded"] == 1


def test_over_the_tenants_total_is_refused_first(world: World) -> None:
    """429 names the limit, and nothing is reserved for it."""
    for name in ("a", "b"):
        world.connect(event(name))
    reply = world.connect(event("c", tenantConnections="2"))
    assert reply["statusCode"] == 429
    assert decode(reply["body"]) == {"message": "Too Many Requests", "limit": "tenantConnections"}
    assert world.reserved == 2


def test_over_the_sessions_connections_is_refused(world: World, counted: Counter[str]) -> None:
    """What was reserved for it is given back."""
    for name in ("a", "b"):
        world.connect(event(name))
    reply = world.connect(event("c"))
    assert reply["statusCode"] == 429
    assert decode(reply["body"]) == {"message": "Too Many Requests", "limit": "connectionsPerSession"}
    assert world.reserved == 2
    assert counted["ConnectionRefused"] == 1


def test_a_session_that_ended_since_it_was_authorized_is_refused(world: World) -> None:
    """403, as the authorizer would have answered a moment later."""
    world.sessions.delete(ACME, S1)
    assert world.connect(event())["statusCode"] == 403
    assert world.reserved == 0
    assert world.connections.rows == {}


def test_a_repeated_connect_counts_once(world: World) -> None:
    """API Gateway may call twice for one client."""
    assert world.connect(event())["statusCode"] == 200
    assert world.connect(event())["statusCode"] == 200
    assert world.reserved == 1
    assert len(world.connections.rows) == 1


def test_contention_is_waited_out(world: World) -> None:
    """Another writer at the session is no reason to turn a client away."""
    world.register.contended = 4
    assert world.connect(event())["statusCode"] == 200
    assert len(world.pauses) == 4
    assert all(0 <= pause <= 0.1 for pause in world.pauses)


def test_contention_without_end_fails_and_gives_back(world: World) -> None:
    """Nothing was recorded, for certain."""
    world.register.contended = 5
    assert world.connect(event())["statusCode"] == 500
    assert world.reserved == 0


def test_an_unknown_outcome_keeps_the_reservation_and_takes_the_row_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was written, the answer was lost: `accounting` releases the total when the row goes, nobody else."""
    record = world.register.record

    def lose_the_answer(connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        record(connection, connections_per_session=connections_per_session, session_expires_at=session_expires_at)
        raise TransientError("timed out")

    monkeypatch.setattr(world.register, "record", lose_the_answer)
    assert world.connect(event())["statusCode"] == 500
    assert world.connections.rows == {}
    assert world.reserved == 1


def test_a_reservation_that_cannot_be_given_back_does_not_change_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The total is too high until `reconcile` has seen it."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    monkeypatch.setattr(world.limits, "release", fail)
    assert world.connect(event(connectionsPerSession="0"))["statusCode"] == 429
    assert world.reserved == 1
    assert counted["ReservationKept"] == 1


def test_a_limit_that_cannot_be_read_lets_nobody_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """500: the client tries again."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    monkeypatch.setattr(world.limits, "reserve", fail)
    assert world.connect(event())["statusCode"] == 500
    assert world.connections.rows == {}


def test_a_context_without_a_partition_is_an_error(world: World) -> None:
    """The route is wired without its authorizer: nothing may be recorded."""
    with pytest.raises(InvalidFieldError):
        world.connect(event(partition=""))
    assert world.reserved == 0

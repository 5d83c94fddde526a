"""Recording of a connection within its limits."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from functions.connections.connect.connect import LONGEST_WAIT_SECONDS, Connect
from functions.connections.connect.port import Entry
from loudhailer.codec import decode
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import ConnectionId, Partition, PlayerId, SessionId, TenantId
from loudhailer.limits.model import connects_of_tenant
from tests.support.broadcasts import ENDPOINT
from tests.support.fakes.admission import MemoryRegister
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.limits import YOUNG_SECONDS

NOW = 1000
ACME, S1 = TenantId("acme"), SessionId("s1")
PARTITION = Partition("acme#00002")


class ConnectFixture:
    """The stores behind one `connect`, with session s1, and API Gateway, which so answers for `a` and `b`."""

    def __init__(self, answer: Outcome = Outcome.DELIVERED) -> None:
        self.now = NOW
        self.seconds_left = 8.0
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.sessions = MemorySessionStore()
        self.sessions.renew(ACME, S1, player=None, expires_at=NOW + 100, now=NOW)
        self.register = MemoryRegister(self.connections, self.sessions)
        self.pauses: list[float] = []
        self.gateway = MemoryOrderedSender({ConnectionId(name): [answer] for name in ("a", "b")})
        self._connect = Connect(
            self.limits,
            self.register,
            self.connections,
            self.sessions,
            self.gateway,
            endpoint=ENDPOINT,
            session_share=0.5,
            clock=self.clock,
            pause=self.pauses.append,
            random=Random(0),  # noqa: S311  # a test repeats itself
        )

    def clock(self) -> float:
        """The time, pauses included."""
        return self.now + 0.9 + sum(self.pauses)

    def connect(self, event: dict[str, Any]) -> dict[str, Any]:
        """The answer of a function that has some seconds left."""
        return self._connect(event, Deadline.after(self.seconds_left, self.clock))

    def handshake(self, connection: str = "a=", **context: object) -> dict[str, Any]:
        """The answer to a client that the authorizer has let in a moment ago."""
        session = self.sessions.get(ACME, S1)
        seen = len(session.connections) if session else 0
        return self.connect(event(connection, **{"sessionConnections": str(seen)} | context))

    @property
    def reserved(self) -> int:
        """Connections of the tenant, as its limit sees them."""
        return self.limits.total(ACME).count


@pytest.fixture
def handshakes() -> ConnectFixture:
    """A fresh one."""
    return ConnectFixture()


def event(connection: str = "a=", **context: object) -> dict[str, Any]:
    """API Gateway's `$connect` event; it turns the context's values into strings."""
    authorizer = {
        "tenantId": "acme",
        "sessionId": "s1",
        "partition": PARTITION,
        "connectionsPerSession": "2",
        "tenantConnections": "3",
        "tenantPerMinute": "50",
        "sessionPerMinute": "40",
        "sessionTTL": "200",
        "messagesPerMinute": "60",
        "sessionConnections": "0",
        **context,
    }
    return {"requestContext": {"routeKey": "$connect", "connectionId": connection, "authorizer": authorizer}}


def test_a_connection_is_recorded(handshakes: ConnectFixture, counted: Counter[str]) -> None:
    """Its row, its session and its tenant's total all know it."""
    handshakes.sessions.renew(ACME, S1, player=PlayerId("ann"), expires_at=NOW + 100, now=NOW)
    assert handshakes.handshake(playerId="ann") == {"statusCode": 200}
    key = ConnectionKey(PARTITION, ConnectionId("a="))
    assert handshakes.connections.get(key) == Connection(key, S1, NOW, NOW + 7500, PlayerId("ann"))
    session = handshakes.sessions.get(ACME, S1)
    assert session is not None
    assert (session.expires_at, session.connections) == (NOW + 200, frozenset({key}))
    assert handshakes.reserved == 1
    assert counted["ConnectionRecorded"] == 1


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ({"Sec-WebSocket-Protocol": ["loudhailer.v1"]}, True),
        ({"sec-websocket-protocol": ["chat,loudhailer.v1 , a.secret.token"]}, True),
        ({"SEC-WEBSOCKET-PROTOCOL": ["a.secret.token", "loudhailer.v1"]}, True),
        ({"Sec-WebSocket-Protocol": ["a.secret.token"]}, False),
        ({"Sec-WebSocket-Protocol": ["loudhailer.v2, Loudhailer.v1, loudhailer"]}, False),
        ({"Sec-WebSocket-Protocol": [""]}, False),
        ({"X-Protocol": ["loudhailer.v1"]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_the_known_subprotocol_is_echoed(
    handshakes: ConnectFixture, headers: dict[str, list[str]] | None, *, chosen: bool
) -> None:
    """A browser that offers any needs one back; a token that a client puts there never comes back."""
    answer = handshakes.connect({**event(), "multiValueHeaders": headers})
    assert answer == {"statusCode": 200} | ({"headers": {"Sec-WebSocket-Protocol": "loudhailer.v1"}} if chosen else {})


def test_a_partition_of_another_tenant_is_refused(handshakes: ConnectFixture) -> None:
    """The key is the authorizer's word, and `connect` may write every tenant's: both of its words must agree."""
    with pytest.raises(InvalidFieldError, match="partition: must be one of the tenant's"):
        handshakes.handshake(partition="other#00002")
    assert (handshakes.reserved, handshakes.connections.rows) == (0, {})


def test_a_refusal_chooses_no_subprotocol(handshakes: ConnectFixture) -> None:
    """There is no connection that it would be for."""
    offer = {"multiValueHeaders": {"Sec-WebSocket-Protocol": ["loudhailer.v1"]}}
    assert handshakes.connect({**event(tenantConnections="0"), **offer}).keys() == {"statusCode", "body"}


def test_a_connection_over_the_tenants_total_is_refused(handshakes: ConnectFixture) -> None:
    """429 names the limit, and nothing is reserved for it."""
    for name in ("a", "b"):
        handshakes.handshake(name)
    reply = handshakes.handshake("c", tenantConnections="2", connectionsPerSession="3")
    assert reply["statusCode"] == 429
    assert decode(reply["body"]) == {"message": "Too Many Requests", "limit": "tenantConnections"}
    assert handshakes.reserved == 2


def test_a_connection_over_the_sessions_limit_is_refused(handshakes: ConnectFixture, counted: Counter[str]) -> None:
    """Its reservation is given back."""
    for name in ("a", "b"):
        handshakes.handshake(name)
    reply = handshakes.handshake("c")
    assert reply["statusCode"] == 429
    assert decode(reply["body"]) == {"message": "Too Many Requests", "limit": "connectionsPerSession"}
    assert handshakes.reserved == 2
    assert counted["ConnectionRefused"] == 1


LIMITS = ("sessionPerMinute", "connectionsPerSession", "tenantPerMinute", "tenantConnections")


@pytest.mark.parametrize("place", range(4), ids=LIMITS)
def test_limits_are_checked_in_order(handshakes: ConnectFixture, counted: Counter[str], place: int) -> None:
    """The first limit that is reached is named, by the answer and by a metric of its own."""
    handshakes.handshake("a")
    reached = dict.fromkeys(LIMITS[place:], "1")
    if reached.pop("tenantPerMinute", None):
        handshakes.limits.count_in_minute(connects_of_tenant(ACME), NOW, 50)  # by other sessions
    reply = handshakes.handshake("b", **reached)
    assert reply["statusCode"] == 429
    assert decode(reply["body"]) == {"message": "Too Many Requests", "limit": LIMITS[place]}
    assert {name for name in counted if name.endswith("Reached")} == {
        f"{LIMITS[place][0].upper()}{LIMITS[place][1:]}Reached"
    }
    assert handshakes.reserved == 1
    assert len(handshakes.connections.rows) == 1


@pytest.mark.parametrize("limit", ["tenantPerMinute", "sessionPerMinute"])
def test_attempts_are_limited_by_the_minute(handshakes: ConnectFixture, limit: str) -> None:
    """As many as the limit says get in; in the next minute others do."""
    handshakes.now = 1_019
    statuses = [handshakes.handshake(name, **{limit: "1"})["statusCode"] for name in "ab"]
    handshakes.now = 1_020
    statuses.append(handshakes.handshake("c", **{limit: "1"})["statusCode"])
    assert statuses == [200, 429, 200]


def test_refused_attempts_count_for_their_session_only(handshakes: ConnectFixture) -> None:
    """Its attempts all count; the tenant's minute has the ones within its limit."""
    for name in ("a", "b", "c"):
        handshakes.handshake(name, sessionPerMinute="1")
    assert handshakes.limits.minutes == {"acme:minute:960": 1, "acme:s1:minute:960": 3}


def test_refused_attempts_of_a_full_session_count_for_it_only(handshakes: ConnectFixture) -> None:
    """Its tenant may connect as often as before; attempts that the tenant's total refuses count for the tenant, too."""
    handshakes.handshake("a")
    handshakes.handshake("b", connectionsPerSession="1")
    assert handshakes.limits.minutes == {"acme:minute:960": 1, "acme:s1:minute:960": 2}
    handshakes.handshake("c", tenantConnections="1")
    assert handshakes.limits.minutes == {"acme:minute:960": 2, "acme:s1:minute:960": 3}


def test_one_session_does_not_block_its_tenant(handshakes: ConnectFixture) -> None:
    """70 attempts of a session that may connect 5 times leave 55 of the tenant's 60; before, they left none."""
    limits = {"tenantPerMinute": "60", "connectionsPerSession": "100", "tenantConnections": "100"}
    own = limits | {"sessionPerMinute": "5"}
    assert Counter(handshakes.handshake(f"a{number}", **own)["statusCode"] for number in range(50)) == {200: 5, 429: 45}
    others = [SessionId(f"other-{number}") for number in range(60)]
    for session in others:
        handshakes.sessions.renew(ACME, session, player=None, expires_at=NOW + 100, now=NOW)
    statuses = [
        handshakes.handshake(f"b{number}", **limits, sessionId=session)["statusCode"]
        for number, session in enumerate(others)
    ]
    assert statuses == [200] * 55 + [429] * 5


def test_a_session_gets_a_share_of_its_tenants_minute(handshakes: ConnectFixture) -> None:
    """A half here, whatever it may do by its own limit."""
    limits = {"tenantPerMinute": "20", "connectionsPerSession": "100", "tenantConnections": "100"}
    replies = [handshakes.handshake(f"a{number}", **limits) for number in range(11)]
    assert [reply["statusCode"] for reply in replies] == [200] * 10 + [429]
    assert decode(replies[-1]["body"])["limit"] == "sessionPerMinute"


def test_refused_handshakes_of_a_full_session_cost_little_and_end_it(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """120 at 5 a minute: looked into while they are within the limit, then one write each, then none."""
    asked: Counter[str] = Counter()

    def watch(owner: Any, method: str) -> None:
        asks = getattr(owner, method)

        def ask(*arguments: Any, **named: Any) -> Any:
            asked[method] += 1
            return asks(*arguments, **named)

        monkeypatch.setattr(owner, method, ask)

    limits = {"sessionPerMinute": "5", "tenantPerMinute": "60"}
    for name in ("a", "b"):
        handshakes.handshake(name, **limits)
    for owner, methods in {
        handshakes.limits: ("reserve", "release", "count_in_minute"),
        handshakes.sessions: ("get", "delete"),
        handshakes.connections: ("connected_at",),
        handshakes.register: ("record",),
    }.items():
        for method in methods:
            watch(owner, method)
    statuses = [
        handshakes.connect(event(f"c{number}", **limits, sessionConnections="2"))["statusCode"] for number in range(120)
    ]
    assert statuses == [429] * 120
    assert asked == {"count_in_minute": 49, "get": 3, "connected_at": 3, "delete": 1}
    assert handshakes.sessions.get(ACME, S1) is None
    assert handshakes.limits.minutes == {"acme:minute:960": 2, "acme:s1:minute:960": 51}
    assert counted["SessionFlooded"] == 1


def test_a_full_session_is_checked_ten_times_a_minute(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its limit is, what it is refused stays cheap; the next minute looks again, and who leaves makes room."""
    reads: list[int] = []
    connected_at = handshakes.connections.connected_at

    def read(keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        reads.append(len(keys))
        return connected_at(keys)

    monkeypatch.setattr(handshakes.connections, "connected_at", read)
    for number in range(30):
        handshakes.handshake(f"a{number}")
    assert len(reads) == 8
    handshakes.sessions.forget(ACME, S1, [ConnectionKey(PARTITION, ConnectionId("a0"))])
    assert handshakes.connect(event("next", sessionConnections="2", tenantPerMinute="200"))["statusCode"] == 200
    handshakes.now += 60
    handshakes.handshake("late")
    assert len(reads) == 9


def test_a_connection_without_a_row_takes_no_place(handshakes: ConnectFixture, counted: Counter[str]) -> None:
    """Its record was given up on the way to `accounting`: the full session is repaired, and the attempt continues."""
    for name in ("a", "b"):
        handshakes.handshake(name)
    dead = ConnectionKey(PARTITION, ConnectionId("a"))
    handshakes.connections.delete(dead)
    assert handshakes.handshake("c")["statusCode"] == 200
    session = handshakes.sessions.get(ACME, S1)
    assert session is not None
    assert {key.connection_id for key in session.connections} == {"b", "c"}
    assert counted["SessionHealed"] == 1


def test_an_expired_connection_takes_no_place(handshakes: ConnectFixture) -> None:
    """Its `$disconnect` was lost, and its row not swept yet."""
    for name in ("a", "b"):
        handshakes.handshake(name)
    handshakes.sessions.renew(ACME, S1, player=None, expires_at=NOW + 8000, now=NOW)
    handshakes.now = NOW + 7499
    assert handshakes.handshake("c")["statusCode"] == 429
    handshakes.now = NOW + 7500
    assert handshakes.handshake("c")["statusCode"] == 200


def test_two_tabs_with_lost_disconnects_do_not_block_the_session(counted: Counter[str]) -> None:
    """The rows stand for two hours, and API Gateway does not know the connections: they are deleted, and make room."""
    handshakes = ConnectFixture(Outcome.GONE)
    handshakes.sessions.renew(ACME, S1, player=None, expires_at=NOW + 1_000, now=NOW)
    for name in ("a", "b"):
        handshakes.handshake(name)
    handshakes.now = NOW + YOUNG_SECONDS + 1
    answers = [handshakes.handshake(name, tenantConnections="9")["statusCode"] for name in ("c", "d", "e")]
    assert answers == [200, 200, 429]
    assert {key.connection_id for key in handshakes.connections.rows} == {"c", "d"}
    session = handshakes.sessions.get(ACME, S1)
    assert session is not None
    assert session.connections == set(handshakes.connections.rows)
    assert counted["StaleConnectionDeleted"] == 2


def test_api_gateway_is_not_asked_about_a_young_connection() -> None:
    """Its handshake may not be over: it would be taken for gone."""
    handshakes = ConnectFixture(Outcome.GONE)
    for name in ("a", "b"):
        handshakes.handshake(name)
    handshakes.now = NOW + YOUNG_SECONDS
    assert handshakes.handshake("c")["statusCode"] == 429
    assert (handshakes.gateway.looked_up, len(handshakes.connections.rows)) == ([], 2)


@pytest.mark.parametrize("answer", [Outcome.FAILED, Outcome.THROTTLED, Outcome.UNSENT])
def test_a_connection_with_an_unknown_state_counts_as_open(answer: Outcome) -> None:
    """An error says nothing about the connection: it keeps its row and its place."""
    handshakes = ConnectFixture(answer)
    for name in ("a", "b"):
        handshakes.handshake(name)
    handshakes.now = NOW + YOUNG_SECONDS + 1
    assert handshakes.handshake("c")["statusCode"] == 429
    assert (sorted(handshakes.gateway.looked_up), len(handshakes.connections.rows)) == (["a", "b"], 2)


def test_api_gateway_is_asked_rarely_and_only_if_the_rows_are_inconclusive(handshakes: ConnectFixture) -> None:
    """For ten connections an attempt, ten times a minute, whatever the session's limit: the quota is that of posts."""
    limits = dict.fromkeys(LIMITS, "9999") | {"connectionsPerSession": "50"}
    handshakes.sessions.renew(ACME, S1, player=None, expires_at=NOW + 1_000, now=NOW)
    for number in range(50):
        handshakes.handshake(f"c{number}", **limits)
    handshakes.now += 120
    for number in range(12):
        assert handshakes.handshake(f"late{number}", **limits)["statusCode"] == 429
    assert len(handshakes.gateway.looked_up) == 100
    handshakes.now += 60
    handshakes.connections.delete(ConnectionKey(PARTITION, ConnectionId("c7")))
    assert handshakes.handshake("last", **limits)["statusCode"] == 200
    assert len(handshakes.gateway.looked_up) == 100


def test_a_session_with_room_is_not_checked(handshakes: ConnectFixture, counted: Counter[str]) -> None:
    """A dead connection in a session with room costs no read."""
    handshakes.handshake("a")
    handshakes.connections.delete(ConnectionKey(PARTITION, ConnectionId("a")))
    assert handshakes.handshake("b")["statusCode"] == 200
    assert "SessionHealed" not in counted


def test_a_large_full_session_is_checked_in_random_parts(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal costs one batch of reads at most; sooner or later each dead connection is met."""
    limits = dict.fromkeys(LIMITS, "9999") | {"connectionsPerSession": "300"}
    for number in range(300):
        handshakes.handshake(f"c{number}", **limits)
    reads: list[int] = []
    connected_at = handshakes.connections.connected_at

    def read(keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        reads.append(len(keys))
        return connected_at(keys)

    monkeypatch.setattr(handshakes.connections, "connected_at", read)
    handshakes.connections.delete(ConnectionKey(PARTITION, ConnectionId("c7")))
    handshakes.sessions.renew(ACME, S1, player=None, expires_at=NOW + 1_000, now=NOW)
    statuses = []
    for number in range(40):
        handshakes.now += 0 if number % 10 else 60
        statuses.append(handshakes.handshake(f"late{number}", **limits)["statusCode"])
    assert statuses.count(200) == 1
    assert set(reads) == {100}


@pytest.mark.parametrize("store", ["limits.count_in_minute", "sessions.get", "connections.connected_at"])
def test_a_check_that_fails_reserves_nothing(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """Nothing was recorded, for certain; 500: the client tries again."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    handshakes.handshake("a")
    owner, method = store.split(".")
    monkeypatch.setattr(getattr(handshakes, owner), method, fail)
    seen = "0" if owner == "limits" else "1"
    assert handshakes.connect(event("b", connectionsPerSession="1", sessionConnections=seen))["statusCode"] == 500
    assert handshakes.reserved == 1


@pytest.mark.parametrize("seen", ["0", "1", None])
def test_a_session_that_fills_up_concurrently_is_refused_by_the_transaction(
    handshakes: ConnectFixture, seen: str | None
) -> None:
    """The authorizer saw room, but others came first; or it is of an earlier release and does not say what it saw."""
    for name in ("a", "b"):
        handshakes.handshake(name)
    late = event("c", sessionConnections=seen)
    if seen is None:
        del late["requestContext"]["authorizer"]["sessionConnections"]
    assert decode(handshakes.connect(late)["body"])["limit"] == "connectionsPerSession"
    assert handshakes.reserved == 2


def test_a_formerly_full_session_may_have_room(handshakes: ConnectFixture) -> None:
    """A client left since the authorizer saw the session."""
    assert handshakes.connect(event("a", sessionConnections="2"))["statusCode"] == 200


@pytest.mark.parametrize("seen", ["0", "2"], ids=["had-room", "was-full"])
@pytest.mark.parametrize("gone", ["deleted", "expired"])
def test_a_session_ended_after_authorization_is_refused(
    handshakes: ConnectFixture, gone: str, seen: str, counted: Counter[str]
) -> None:
    """403, as the authorizer would have answered a moment later."""
    if gone == "expired":
        handshakes.sessions.renew(ACME, S1, player=None, expires_at=NOW, now=NOW)
    else:
        handshakes.sessions.delete(ACME, S1)
    assert handshakes.connect(event(sessionConnections=seen))["statusCode"] == 403
    assert handshakes.reserved == 0
    assert handshakes.connections.rows == {}
    assert counted["ConnectionRefused"] == 1


def test_a_repeated_connect_counts_once(handshakes: ConnectFixture) -> None:
    """API Gateway may call twice for one client."""
    for _ in range(2):
        assert handshakes.handshake(connectionsPerSession="1")["statusCode"] == 200
    assert handshakes.reserved == 1
    assert len(handshakes.connections.rows) == 1


def test_a_contended_transaction_is_retried(handshakes: ConnectFixture) -> None:
    """Another writer at the session is no reason to turn a client away."""
    handshakes.register.does_nothing = [Entry.CONTENDED] * 4
    assert handshakes.handshake()["statusCode"] == 200
    assert len(handshakes.pauses) == 4


def test_a_throttled_transaction_is_tried_again_at_growing_intervals(handshakes: ConnectFixture) -> None:
    """Each pause is a part, by chance, of twice as long."""
    handshakes.register.does_nothing = [Entry.THROTTLED] * 7
    assert handshakes.handshake()["statusCode"] == 200
    assert handshakes.reserved == 1
    longest = [min(0.05 * 2**number, 1.6) for number in range(7)]
    assert all(0 <= pause <= most for pause, most in zip(handshakes.pauses, longest, strict=True))
    assert max(handshakes.pauses) > 0.8


@pytest.mark.parametrize(("seconds_left", "longest"), [(8.0, LONGEST_WAIT_SECONDS), (1.0, 1.0)])
@pytest.mark.parametrize(
    ("entry", "status", "metrics"),
    [
        (Entry.CONTENDED, 429, {"ConnectionRefused": 1, "SessionAtOnceReached": 1}),
        (Entry.THROTTLED, 500, {"ConnectionFailed": 1, "ConnectionThrottled": 1}),
    ],
)
def test_a_transaction_that_always_conflicts_is_given_up_after_a_few_seconds(
    handshakes: ConnectFixture,
    counted: Counter[str],
    entry: Entry,
    *,
    status: int,
    metrics: dict[str, int],
    seconds_left: float,
    longest: float,
) -> None:
    """Not only when the function's time is over: a throttled tenant's clients must not take all of its concurrency.

    Nothing was recorded, for certain, so the place is given back. A busy session is the clients' doing; a busy table is
    not.
    """
    handshakes.register.does_nothing = [entry] * 1_000
    handshakes.seconds_left = seconds_left
    assert handshakes.handshake()["statusCode"] == status
    assert longest / 2 < sum(handshakes.pauses) < longest
    assert (handshakes.reserved, handshakes.connections.rows) == (0, {})
    assert counted == metrics


def test_too_many_connects_to_one_session_at_once_are_refused_with_the_limit(handshakes: ConnectFixture) -> None:
    """429 names the limit, as for every other; before, it was 500."""
    handshakes.register.does_nothing = [Entry.CONTENDED] * 1_000
    assert decode(handshakes.handshake()["body"]) == {"message": "Too Many Requests", "limit": "sessionAtOnce"}


def test_an_unknown_outcome_keeps_the_reservation_and_deletes_the_row(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was written, the answer was lost: `accounting` releases the total when the row goes, nobody else."""
    record = handshakes.register.record

    def lose_the_answer(connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        record(connection, connections_per_session=connections_per_session, session_expires_at=session_expires_at)
        raise TransientError("timed out")

    monkeypatch.setattr(handshakes.register, "record", lose_the_answer)
    assert handshakes.handshake()["statusCode"] == 500
    assert handshakes.connections.rows == {}
    assert handshakes.reserved == 1


def test_a_reservation_that_cannot_be_given_back_does_not_change_the_answer(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """The total is too high until `reconcile` has seen it."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    for name in ("a", "b"):
        handshakes.handshake(name)
    monkeypatch.setattr(handshakes.limits, "release", fail)
    assert handshakes.connect(event("c", sessionConnections="0"))["statusCode"] == 429
    assert handshakes.reserved == 3
    assert counted["ReservationKept"] == 1


def test_a_limit_that_cannot_be_read_admits_no_connection(
    handshakes: ConnectFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500: the client tries again."""

    def fail(*_: object) -> None:
        raise TransientError("timed out")

    monkeypatch.setattr(handshakes.limits, "reserve", fail)
    assert handshakes.handshake()["statusCode"] == 500
    assert handshakes.connections.rows == {}


def test_a_context_without_a_partition_is_an_error(handshakes: ConnectFixture) -> None:
    """The route is wired without its authorizer: nothing may be recorded."""
    with pytest.raises(InvalidFieldError):
        handshakes.handshake(partition="")
    assert handshakes.reserved == 0

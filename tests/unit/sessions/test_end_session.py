"""Closing of the connections of a session that is gone."""

from collections import Counter
from typing import Any

import pytest

from functions.sessions.end_session.end_session import EndSession
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, SessionId, TenantId, nth_partition, tenant_of
from tests.support.executors import AtOnce
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.limits import YOUNG_SECONDS

NOW = 10_000.0
SECONDS = 20.0


def key(name: str, tenant: str = "acme") -> ConnectionKey:
    """A connection of the tenant's second partition."""
    return ConnectionKey(nth_partition(TenantId(tenant), 1), ConnectionId(name))


def record(sequence: int, *connections: ConnectionKey, event: str = "REMOVE", tenant: str = "acme") -> dict[str, Any]:
    """Return what the stream says of a session's row."""
    image: dict[str, Any] = {
        "tenantId": {"S": f"{tenant}#07"},
        "sessionId": {"S": f"s{sequence}"},
        "sessionTTL": {"N": "200"},
    }
    if connections:
        image["connectionIds"] = {"SS": [connection.in_session() for connection in connections]}
    keys = {"tenantId": image["tenantId"], "sessionId": image["sessionId"]}
    change = {"Keys": keys, "SequenceNumber": str(sequence), "OldImage": image}
    return {"eventID": f"e{sequence}", "eventName": event, "dynamodb": change}


class EndSessionFixture:
    """Rows, and the outcomes of closing; time passes only in pauses."""

    def __init__(self, **ends: list[Outcome]) -> None:
        self.now = NOW
        self.rows = MemoryConnectionStore()
        self.sender = MemoryOrderedSender({ConnectionId(name): outcomes for name, outcomes in ends.items()})
        self.tenants: set[TenantId] = set()
        self.end_session = EndSession(
            self.sender,
            self._connections_of,
            endpoint="https://example.test/live",
            executor=AtOnce(),
            clock=lambda: self.now,
            pause=self._pass,
        )

    def connect(self, *keys: ConnectionKey, seconds_ago: float = 60) -> None:
        """Put rows."""
        for each in keys:
            at = int(self.now - seconds_ago)
            self.rows.rows[each] = Connection(each, SessionId("s1"), at, at + 7500)

    def end(self, *records: dict[str, Any]) -> list[str]:
        """The sequence numbers that are reported as failed."""
        response = self.end_session({"Records": records}, Deadline.after(SECONDS, lambda: self.now))
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def _connections_of(self, tenant: TenantId) -> MemoryConnectionStore:
        self.tenants.add(tenant)
        return self.rows

    def _pass(self, seconds: float) -> None:
        self.now += seconds


def test_every_connection_is_closed_and_its_row_deleted(counted: Counter[str]) -> None:
    """Connections of other sessions stay."""
    sessions = EndSessionFixture()
    sessions.connect(key("a"), key("b"), key("other"))
    assert sessions.end(record(1, key("a"), key("b"))) == []
    assert sorted(sessions.sender.closed) == ["a", "b"]
    assert list(sessions.rows.rows) == [key("other")]
    assert (counted["SessionEnded"], counted["SessionConnectionClosed"]) == (1, 2)
    assert sessions.sender.calls == [("https://example.test/live", SECONDS)]


def test_ending_a_session_of_a_former_release_closes_its_connections() -> None:
    """The session's key is the tenant's id alone."""
    sessions = EndSessionFixture()
    sessions.connect(key("a"))
    removed = record(1, key("a"))
    removed["dynamodb"]["OldImage"]["tenantId"] = {"S": "acme"}
    assert sessions.end(removed) == []
    assert (sessions.sender.closed, sessions.rows.rows) == (["a"], {})


def test_a_connection_that_is_already_closed_is_no_error() -> None:
    """Its `$disconnect` was lost: its row goes, or has gone."""
    sessions = EndSessionFixture(a=[Outcome.GONE], b=[Outcome.GONE])
    sessions.connect(key("a"))
    assert sessions.end(record(1, key("a"), key("b"), key("c"))) == []
    assert sessions.rows.rows == {}
    assert sessions.sender.closed == ["c"]


def test_a_young_connection_that_seems_closed_is_retried() -> None:
    """The gateway does not know it before its handshake is over."""
    sessions = EndSessionFixture(a=[Outcome.GONE, Outcome.GONE, Outcome.DELIVERED])
    sessions.connect(key("a"), seconds_ago=1)
    assert sessions.end(record(1, key("a"))) == []
    assert sessions.sender.closed == ["a"]
    assert sessions.rows.rows == {}
    assert sessions.tenants == {TenantId("acme")}


def test_an_old_connection_that_seems_closed_counts_as_closed() -> None:
    """Its handshake must be over by then."""
    sessions = EndSessionFixture(a=[Outcome.GONE])
    sessions.connect(key("a"), seconds_ago=YOUNG_SECONDS - 5)
    assert sessions.end(record(1, key("a"))) == []
    assert sessions.rows.rows == {}
    assert sessions.now == NOW + 5


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.THROTTLED, Outcome.UNSENT])
def test_a_connection_that_cannot_be_closed_keeps_its_session_in_the_stream(
    outcome: Outcome, counted: Counter[str]
) -> None:
    """All others are closed; the stream continues at the first unfinished session."""
    sessions = EndSessionFixture(b=[outcome], d=[outcome])
    for name in "abcd":
        sessions.connect(key(name))
    records = [record(1, key("a")), record(2, key("b")), record(3, key("c")), record(4, key("d"))]
    assert sessions.end(*records) == ["2"]
    assert set(sessions.rows.rows) == {key("b"), key("d")}
    assert sorted(sessions.sender.closed) == ["a", "c"]
    assert counted["SessionNotEnded"] == 2


def test_a_redelivered_batch_changes_nothing() -> None:
    """A closed connection is gone now."""
    sessions = EndSessionFixture(a=[Outcome.DELIVERED, Outcome.GONE])
    sessions.connect(key("a"))
    assert [sessions.end(record(1, key("a"))) for _ in range(2)] == [[], []]
    assert sessions.sender.closed == ["a"]


def test_a_recreated_session_keeps_its_connections() -> None:
    """Only the removed row's connections are closed, whatever the new session's row says."""
    sessions = EndSessionFixture()
    sessions.connect(key("old"), key("new"))
    assert sessions.end(record(1, key("old"))) == []
    assert sessions.sender.closed == ["old"]
    assert list(sessions.rows.rows) == [key("new")]


def test_existing_sessions_are_not_ended() -> None:
    """A change is no end."""
    sessions = EndSessionFixture()
    sessions.connect(key("a"))
    assert sessions.end(record(1, key("a"), event="MODIFY")) == []
    assert sessions.sender.closed == []


def test_ending_a_session_without_connections_sends_nothing() -> None:
    """Neither a close nor a deletion is sent."""
    sessions = EndSessionFixture()
    sessions.sender.before = lambda: pytest.fail("nothing is to be closed")
    assert sessions.end(record(1), record(2)) == []


def test_the_rows_of_each_tenant_are_accessed_with_its_role() -> None:
    """A batch may hold sessions of several."""
    sessions = EndSessionFixture()
    ours, theirs = key("a"), key("b", tenant="globex")
    sessions.connect(ours, theirs)
    assert sessions.end(record(1, ours), record(2, theirs, tenant="globex")) == []
    assert sessions.tenants == {tenant_of(ours.partition), tenant_of(theirs.partition)}
    assert sessions.rows.rows == {}


def test_rows_that_cannot_be_deleted_cause_a_redelivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections are closed by then, which does not matter."""
    sessions = EndSessionFixture()
    sessions.connect(key("a"))

    def fail(_: ConnectionKey) -> None:
        raise TransientError("timed out")

    monkeypatch.setattr(sessions.rows, "delete", fail)
    with pytest.raises(TransientError):
        sessions.end(record(1, key("a")))


NONSENSE: dict[str, dict[str, Any]] = {
    "no-change": {},
    "no-tenant": {"Keys": {}, "SequenceNumber": "1", "OldImage": {}},
    "no-partition": {
        "Keys": {},
        "SequenceNumber": "1",
        "OldImage": {"tenantId": {"S": "acme"}, "connectionIds": {"SS": ["no number#a"]}},
    },
}
"""Shape that no table of ours writes."""


@pytest.mark.parametrize("change", NONSENSE.values(), ids=NONSENSE)
def test_a_malformed_record_is_skipped(change: dict[str, Any], counted: Counter[str]) -> None:
    """It must not keep its neighbours from being closed."""
    sessions = EndSessionFixture()
    sessions.connect(key("a"))
    broken = {"eventID": "e1", "eventName": "REMOVE", "dynamodb": change}
    assert sessions.end(broken, record(2, key("a"))) == []
    assert sessions.sender.closed == ["a"]
    assert counted["RecordSkipped"] == 1

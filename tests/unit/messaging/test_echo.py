"""Frames to the silo and the pool are answered in order, and nobody is held up for another's sake."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest

from functions.messaging.echo.delivery import ReplyDelivery
from functions.messaging.echo.echo import Echo, Tenancy
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.errors import PermanentError, TransientError
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId, nth_partition
from loudhailer.limits.model import MinuteCounter, messages_of_tenant, queued_of_session
from loudhailer.queues.consumer import Failures, Record
from loudhailer.sessions.model import Session
from tests.support.bad_json import UNSUPPORTED
from tests.support.broadcasts import ENDPOINT, NOW, connection
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.limits import DELIVERIES, DELIVERIES_TO_THE_SLOW, YOUNG_SECONDS

TENANT, OTHER_TENANT = TenantId("acme"), TenantId("acme-2")
QUEUE = "loudhailer-test-pool.fifo"
SESSION_SECONDS = 300
ONE, TWO, THREE = connection(1), connection(2), connection(3)


class Stage:
    """Sessions with connections, the function on in-memory twins, and each connection's frames."""

    def __init__(self, ends: dict[ConnectionId, list[Outcome]] | None = None, *, session_share: float = 1.0) -> None:
        self.sender = MemoryOrderedSender(ends)
        self.sessions = MemorySessionStore()
        self.limits = MemoryLimitStore()
        self.connections = MemoryConnectionStore()
        self.reached: list[TenantId] = []
        self.down: set[TenantId] = set()
        self.tenancies: dict[TenantId, Tenancy] = {}
        post = ReplyDelivery(self.sender, lambda _: self.connections, endpoint=ENDPOINT, clock=lambda: NOW + 0.5)
        self.echo = Echo(self._tenancy_of, post, session_share=session_share, clock=lambda: NOW + 0.5)

    def _tenancy_of(self, tenant: TenantId) -> Tenancy:
        self.reached.append(tenant)
        if tenant in self.down:
            raise TransientError("AssumeRole failed")
        return self.tenancies.setdefault(tenant, Tenancy(self.sessions, self.limits, self.connections))

    def open(self, name: str, *connections: ConnectionId, tenant: TenantId = TENANT, seconds: int = 200) -> None:
        """A session that lives for so many seconds more."""
        session = SessionId(name)
        keys = frozenset(ConnectionKey(nth_partition(tenant, 0), connection) for connection in connections)
        self.sessions.rows[tenant, session] = Session(tenant, session, NOW + seconds, connections=keys)
        for key in keys:
            self.connections.rows[key] = Connection(key, session, NOW - 1_000, NOW + 7_000)

    def __call__(self, *records: Record, seconds: float = 5) -> Failures:
        """The function's answer to a batch."""
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(record.group, []).append(record)
        return self.echo(groups, deadline=Deadline.after(seconds))

    def frames_to(self, one: ConnectionId) -> list[Any]:
        """The frames that a connection was delivered, in their order."""
        return [json.loads(frame) for to, frame in self.sender.delivered if to == one]


def record(
    body: Any,
    *,
    session: str = "s1",
    tenant: str = TENANT,
    sender: ConnectionId = ONE,
    limit: int = 100,
    receives: int = 1,
    sent_at: int = NOW,
    sequence: int = 0,
    attributes: Mapping[str, str] | None = None,
) -> Record:
    """A record as the route's template makes it; its message id is its text."""
    text = body if isinstance(body, str) else json.dumps(body)
    made = {
        "tenantId": tenant,
        "sessionId": session,
        "connectionId": sender,
        "requestId": f"request of {text[:40]!a}",
        "sessionPerMinute": "10",
        "tenantPerMinute": "100",
        "connectionsPerSession": "5",
        "sessionTTL": str(SESSION_SECONDS),
        "tenantConnections": "100",
        "messagesPerMinute": str(limit),
    }
    return Record(
        f"id of {text[:40]}",
        f"{tenant}:{session}",
        text,
        made | dict(attributes or {}),
        receives,
        QUEUE,
        sent_at,
        f"{sequence:020}",
    )


def numbered(numbers: Sequence[int], **options: Any) -> list[Record]:
    """A record for each number, which is its place in the queue, too."""
    return [record({"action": "PooledSQS", "message": number}, sequence=number, **options) for number in numbers]


def envelope(
    body: Any, recipient: ConnectionId, *, session: str = "s1", tenant: str = TENANT, sender: ConnectionId = ONE
) -> dict[str, Any]:
    """Return the frames of all connections of a session for a message."""
    session_of = {"tenantId": tenant, "sessionId": session}
    return {"message": body, **session_of, "connectionId": recipient, "queue": QUEUE, "srcConnectionId": sender}


def numbers_sent(stage: Stage, one: ConnectionId) -> list[int]:
    """The numbers in the envelopes that a connection was delivered."""
    return [frame["message"]["message"] for frame in stage.frames_to(one) if "queue" in frame]


def test_every_member_receives_an_envelope_and_the_others_the_message_unchanged(counted: Counter[str]) -> None:
    """The sender gets the envelope alone; everyone else first the frame, byte for byte."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    raw = '{ "action": "PooledSQS",\n "message": "é & + %26 \\u0000", "big": 123456789012345678901 }'
    assert stage(record(raw)) == {}
    body = json.loads(raw)
    assert stage.frames_to(ONE) == [envelope(body, ONE)]
    assert stage.frames_to(TWO) == [body, envelope(body, TWO)]
    assert (TWO, raw.encode()) in stage.sender.delivered
    assert counted["MessageEchoed"] == 1


def test_frames_keep_their_order_across_both_kinds_and_all_senders() -> None:
    """Every connection of a session sees all of it in the order of the queue."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    records = [*numbered([1, 2]), *numbered([3], sender=TWO), *numbered([4])]
    assert stage(*records) == {}
    assert numbers_sent(stage, ONE) == numbers_sent(stage, TWO) == [1, 2, 3, 4]
    one, two = [
        [
            ("queue" in frame, (frame["message"] if "queue" in frame else frame)["message"])
            for frame in stage.frames_to(connection)
        ]
        for connection in (ONE, TWO)
    ]
    assert one == [(True, 1), (True, 2), (False, 3), (True, 3), (True, 4)]
    assert two == [(False, 1), (True, 1), (False, 2), (True, 2), (True, 3), (False, 4), (True, 4)]


def test_sessions_do_not_receive_each_others_messages() -> None:
    """Neither those of one tenant, nor those of a tenant whose id starts alike, whatever their ids."""
    stage = Stage()
    stage.open("s1", ONE)
    stage.open("s2", TWO)
    stage.open("s1", THREE, tenant=OTHER_TENANT)
    records = [*numbered([1]), *numbered([2], session="s2", sender=TWO)]
    records += numbered([3], tenant=OTHER_TENANT, sender=THREE)
    assert stage(*records) == {}
    assert [numbers_sent(stage, one) for one in (ONE, TWO, THREE)] == [[1], [2], [3]]
    assert set(stage.reached) == {TENANT, OTHER_TENANT}


def test_a_batch_costs_one_count_a_tenant_and_one_count_and_read_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is written for a session that was renewed a moment ago."""
    stage = Stage()
    stage.open("s1", ONE, seconds=SESSION_SECONDS)
    stage.open("s2", TWO, seconds=SESSION_SECONDS)
    counted: list[int] = []
    read: list[SessionId] = []
    count, keep_alive = stage.limits.count_in_minute, stage.sessions.keep_alive

    def count_in_minute(counter: MinuteCounter, now: int, times: int = 1) -> int:
        counted.append(times)
        return count(counter, now, times)

    def watched(tenant: TenantId, session: SessionId, **given: int) -> Session | None:
        read.append(session)
        return keep_alive(tenant, session, session_seconds=given["session_seconds"], now=given["now"])

    monkeypatch.setattr(stage.limits, "count_in_minute", count_in_minute)
    monkeypatch.setattr(stage.sessions, "keep_alive", watched)
    assert stage(*numbered(range(4)), *numbered(range(4, 10), session="s2", sender=TWO)) == {}
    assert counted == [4, 6, 10]
    assert sorted(read) == ["s1", "s2"]
    assert stage.limits.minutes[messages_of_tenant(TENANT).key(NOW)] == 10


def test_a_connection_of_the_former_session_is_refused() -> None:
    """It gets an error, and the connections of the new session get nothing of it."""
    stage = Stage()
    stage.open("s1", TWO)
    assert stage(*numbered([1], sender=ONE)) == {}
    (frame,) = stage.frames_to(ONE)
    assert frame["error"]["code"] == "CONNECTION_OVER"
    assert stage.frames_to(TWO) == []


def test_a_redelivered_message_of_a_closed_sender_closes_the_session(counted: Counter[str]) -> None:
    """Some may have it, and some not: nobody can tell, so all connect again."""
    stage = Stage()
    stage.open("s1", TWO, THREE)
    again, behind = numbered([1], sender=ONE, receives=2), numbered([2], sender=TWO, receives=2)
    assert stage(*again, *behind) == {}
    assert stage.sender.closed == [TWO, THREE]
    assert stage.sender.delivered == []
    assert counted["ConnectionClosed"] == 2


def test_a_redelivered_message_waits_until_its_session_is_closed() -> None:
    """The messages behind it wait, too."""
    stage = Stage({THREE: [Outcome.THROTTLED, Outcome.DELIVERED]})
    stage.open("s1", TWO, THREE)
    again = numbered([1], sender=ONE, receives=2)
    assert set(stage(*again)) == {again[0].message_id}
    assert stage(*again) == {}
    assert stage.sender.closed == [TWO, TWO, THREE]


def test_a_redelivered_message_of_an_ended_session_gets_no_answer() -> None:
    """Others may have it, so it is not reported as refused; their connections are being closed."""
    stage = Stage()
    assert stage(*numbered([1], sender=ONE, receives=2)) == {}
    assert (stage.sender.delivered, stage.sender.closed) == ([], [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"action":"PooledSQS","type":"broadcast","id":"b","publishedAt":1,"data":"pay me"}', "type"),
        ('{"action":"PooledSQS","action":"sendmessage","roomKey":"r","nickName":"Ann","content":"x"}', "action"),
        ('{"action":"PooledSQS","messageId":"m","srcPlayerId":"ann","message":"x","sentAt":1}', "messageId"),
        ('{"action":"PooledSQS","error":{"code":"SESSION_OVER","message":"x"}}', "error"),
        ('{"action":"PooledSQS","message":"Too Many Requests","connectionId":"a=","requestId":"r"}', "connectionId"),
    ],
)
def test_a_frame_that_imitates_the_service_is_refused(body: str, field: str) -> None:
    """A frame that others would take for one of the service's is refused, and the error names the field."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    assert stage(record(body)) == {}
    (frame,) = stage.frames_to(ONE)
    assert frame["error"]["code"] == "RESERVED_FIELD"
    assert frame["error"]["message"] == f"{field} would make others take the frame for one of the service's"
    assert stage.frames_to(TWO) == []


def test_an_envelope_names_the_sending_player() -> None:
    """As the session is bound, whatever the message says."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    key = (TENANT, SessionId("s1"))
    stage.sessions.rows[key] = replace(stage.sessions.rows[key], player_id=PlayerId("ann"))
    assert stage(record({"action": "PooledSQS", "message": {"srcPlayerId": "bob"}}, sender=TWO)) == {}
    (notice,) = [frame for frame in stage.frames_to(TWO) if "queue" in frame]
    assert (notice["srcPlayerId"], notice["srcConnectionId"], notice["connectionId"]) == ("ann", TWO, TWO)


def test_a_message_renews_its_session() -> None:
    """It lives for the session's time, from now on."""
    stage = Stage()
    stage.open("s1", ONE)
    stage(*numbered([1]))
    assert stage.sessions.rows[TENANT, SessionId("s1")].expires_at == NOW + SESSION_SECONDS


@pytest.mark.parametrize("over", ["deleted", "expired"])
def test_an_ended_session_is_not_restored(over: str) -> None:
    """The sender gets the reason; the others get nothing."""
    stage = Stage()
    if over == "expired":
        stage.open("s1", ONE, TWO, seconds=0)
    before = dict(stage.sessions.rows)
    message = record({"action": "PooledSQS", "message": 1})
    assert stage(message) == {}
    assert stage.sessions.rows == before
    (frame,) = stage.frames_to(ONE)
    assert frame["error"]["code"] == "SESSION_OVER"
    assert (frame["connectionId"], frame["requestId"]) == (ONE, message.attributes["requestId"])
    assert stage.frames_to(TWO) == []


def test_only_the_sender_is_notified_over_the_limit(counted: Counter[str]) -> None:
    """The limit is for the whole tenant: later messages are refused, each with its own request's id."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    stage.open("s2", THREE)
    records = numbered([1, 2], limit=2)
    late = numbered([3], session="s2", sender=THREE, limit=2) + numbered([4, 5], limit=2)
    assert stage(*records, *late) == {}
    assert numbers_sent(stage, TWO) == [1, 2]
    refusals = [{"message": "Too Many Requests", "connectionId": ONE}] * 2
    assert stage.frames_to(ONE)[2:] == [
        refusal | {"requestId": record.attributes["requestId"]}
        for refusal, record in zip(refusals, late[1:], strict=True)
    ]
    assert [frame["message"] for frame in stage.frames_to(THREE)] == ["Too Many Requests"]
    assert counted["MessageThrottled"] == 3
    assert set(stage.reached) == {TENANT}


def test_a_refused_message_does_not_renew_its_session() -> None:
    """A session over its limit counts as idle."""
    stage = Stage()
    stage.open("s1", ONE)
    stage.limits.count_in_minute(messages_of_tenant(TENANT), NOW, 1)
    stage(*numbered([1, 2], limit=1))
    assert stage.sessions.rows[TENANT, SessionId("s1")].expires_at == NOW + 200


def test_a_new_minute_begins_with_a_new_count() -> None:
    """Messages counted before do not matter."""
    stage = Stage()
    stage.open("s1", ONE)
    stage.limits.count_in_minute(messages_of_tenant(TENANT), NOW - 60, 50)
    assert stage(*numbered([1, 2], limit=2)) == {}
    assert numbers_sent(stage, ONE) == [1, 2]


def test_a_session_that_floods_is_ended(counted: Counter[str]) -> None:
    """At ten times the limit it still exists; past it the session is deleted, and its connections are closed.

    It gets an error for each refused message up to twice the limit.
    """
    stage = Stage()
    stage.open("s1", ONE)
    for _ in range(2):
        stage(*numbered(range(10), limit=2))
    assert (TENANT, SessionId("s1")) in stage.sessions.rows
    stage(*numbered([20], limit=2))
    assert stage.sessions.rows == {}
    assert len(numbers_sent(stage, ONE)) == 2
    assert len(stage.frames_to(ONE)) == 4
    assert (counted["SessionFlooded"], counted["MessageThrottled"]) == (1, 19)


def test_a_session_gets_a_share_of_its_tenants_minute() -> None:
    """A quarter here, however many it sends; the tenant's other sessions get the rest."""
    stage = Stage(session_share=0.25)
    stage.open("s1", ONE)
    stage.open("s2", TWO)
    for first in range(0, 300, 10):
        stage(*numbered(range(first, first + 10), limit=60))
    assert numbers_sent(stage, ONE) == list(range(15))
    assert stage.limits.minutes[messages_of_tenant(TENANT).key(NOW)] == 15
    stage(*numbered([1, 2], session="s2", sender=TWO, limit=60))
    assert numbers_sent(stage, TWO) == [1, 2]


def test_thirteen_hundred_messages_end_the_session() -> None:
    """At 60 a minute 60 are sent, and 60 refusals; then no answer, and past 600 no write either."""
    stage = Stage()
    stage.open("s1", ONE)
    for first in range(0, 1_300, 10):
        stage(*numbered(range(first, first + 10), limit=60))
    assert stage.sessions.rows == {}
    assert len(stage.frames_to(ONE)) == 120
    assert stage.limits.minutes[queued_of_session(TENANT, SessionId("s1")).key(NOW)] == 610


def test_a_backlog_counts_in_the_minute_in_which_it_was_sent() -> None:
    """A delayed queue must refuse neither earlier frames of its sessions nor new ones."""
    stage = Stage()
    stage.open("s1", ONE)
    assert stage(*numbered([1, 2], limit=2, sent_at=NOW - 60), *numbered([3, 4], limit=2)) == {}
    assert numbers_sent(stage, ONE) == [1, 2, 3, 4]
    assert stage(*numbered([5], limit=2, sent_at=NOW - 60)) == {}
    assert stage.frames_to(ONE)[-1]["message"] == "Too Many Requests"


def test_a_flood_of_one_session_ends_no_other() -> None:
    """However far it takes the tenant over its limit."""
    stage = Stage()
    stage.open("s1", ONE)
    stage.open("s2", TWO)
    for _ in range(5):
        stage(*numbered(range(9), limit=2), *numbered([10], session="s2", sender=TWO, limit=2))
    assert list(stage.sessions.rows) == [(TENANT, SessionId("s2"))]


def test_a_closed_connection_delays_no_other(counted: Counter[str]) -> None:
    """Neither the session's others nor the messages behind."""
    stage = Stage({TWO: [Outcome.DELIVERED, Outcome.GONE]})
    stage.open("s1", ONE, TWO, THREE)
    assert stage(*numbered([1, 2, 3])) == {}
    assert numbers_sent(stage, ONE) == numbers_sent(stage, THREE) == [1, 2, 3]
    assert len(stage.frames_to(TWO)) == 1
    assert stage.sender.closed == []
    assert counted["ReplyGone"] == 5


def test_the_row_of_a_connection_that_is_gone_is_deleted(counted: Counter[str]) -> None:
    """Its `$disconnect` got lost: it would keep its session's place for two hours. Others, and a young one, stay."""
    stage = Stage({TWO: [Outcome.GONE], THREE: [Outcome.GONE]})
    stage.open("s1", ONE, TWO, THREE)
    young = ConnectionKey(nth_partition(TENANT, 0), THREE)
    stage.connections.rows[young] = replace(stage.connections.rows[young], connected_at=NOW - YOUNG_SECONDS)
    assert stage(*numbered([1, 2])) == {}
    assert {key.connection_id for key in stage.connections.rows} == {ONE, THREE}
    assert counted["StaleConnectionDeleted"] == 1


def test_the_row_of_a_connection_that_is_gone_before_it_is_closed_is_deleted() -> None:
    """It refused frames until then."""
    stage = Stage({TWO: [Outcome.SLOW, Outcome.GONE]})
    stage.open("s1", ONE, TWO)
    assert stage(*numbered([1], receives=DELIVERIES_TO_THE_SLOW)) == {}
    assert {key.connection_id for key in stage.connections.rows} == {ONE}


def test_a_stale_row_that_cannot_be_deleted_fails_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next message meets it again."""
    stage = Stage({TWO: [Outcome.GONE]})
    stage.open("s1", ONE, TWO)

    def fail(*_: object) -> bool:
        raise TransientError("the table is down")

    monkeypatch.setattr(stage.connections, "delete_if_older", fail)
    assert stage(*numbered([1])) == {}
    assert numbers_sent(stage, ONE) == [1]


def test_a_frame_that_the_gateway_refuses_is_skipped(counted: Counter[str]) -> None:
    """The connection gets the frames behind it."""
    stage = Stage({ONE: [Outcome.DELIVERED, Outcome.REJECTED, Outcome.DELIVERED]})
    stage.open("s1", ONE)
    assert stage(*numbered([1, 2, 3])) == {}
    assert numbers_sent(stage, ONE) == [1, 3]
    assert (counted["ReplyRejected"], counted["ReplyDelivered"]) == (1, 2)


@pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.SLOW, Outcome.FAILED, Outcome.UNSENT])
def test_a_message_that_cannot_be_posted_is_redelivered(outcome: Outcome) -> None:
    """The record fails, and nothing behind it goes to that connection; the session's others get all of it."""
    stage = Stage({TWO: [Outcome.DELIVERED] * 3 + [outcome]})
    stage.open("s1", ONE, TWO)
    records = numbered([1, 2, 3])
    failures = stage(*records)
    assert list(failures) == [records[1].message_id]
    assert all(isinstance(error, TransientError) for error in failures.values())
    assert numbers_sent(stage, ONE) == [1, 2, 3]
    assert numbers_sent(stage, TWO) == [1]
    assert stage.sender.closed == []


def test_other_sessions_are_answered_while_one_is_blocked() -> None:
    """Also one of the same tenant."""
    stage = Stage({ONE: [Outcome.THROTTLED]})
    stage.open("s1", ONE)
    stage.open("s2", TWO)
    records = numbered([1, 2])
    assert list(stage(*records, *numbered([3, 4], session="s2", sender=TWO))) == [records[0].message_id]
    assert numbers_sent(stage, TWO) == [3, 4]


def test_a_redelivered_message_is_not_refused_for_its_first_delivery() -> None:
    """Within its share, a session's messages reach even a slow connection, or that is closed: no gap."""
    stage = Stage({TWO: [Outcome.SLOW] * 3 + [Outcome.DELIVERED]}, session_share=0.25)
    stage.open("s1", ONE, TWO)
    for receives in range(1, DELIVERIES_TO_THE_SLOW):
        assert len(stage(*numbered(range(8), limit=40, receives=receives))) == 1
    assert stage(*numbered(range(8), limit=40, receives=DELIVERIES_TO_THE_SLOW)) == {}
    assert stage.sender.closed == [TWO]
    assert numbers_sent(stage, ONE) == list(range(8)) * DELIVERIES_TO_THE_SLOW
    assert stage.limits.minutes[messages_of_tenant(TENANT).key(NOW)] == 8


def test_an_admitted_message_is_not_refused_for_later_messages() -> None:
    """A batch is over the limit and one connection is slow: the repeated batch gives each message the same result."""
    stage = Stage({TWO: [Outcome.SLOW] * 2 + [Outcome.DELIVERED]}, session_share=0.25)
    stage.open("s1", ONE, TWO)
    for receives in (1, 2):
        assert stage(*numbered(range(6), limit=16, receives=receives))
    assert stage(*numbered(range(3), limit=16, receives=3)) == {}
    assert stage(*numbered(range(3, 6), limit=16, receives=3), *numbered([6], limit=16)) == {}
    assert numbers_sent(stage, TWO) == [0, 1, 2, 3]
    assert set(numbers_sent(stage, ONE)) == {0, 1, 2, 3}
    assert stage.limits.minutes[queued_of_session(TENANT, SessionId("s1")).key(NOW)] == 7


def test_a_message_over_its_tenants_limit_is_refused_at_every_delivery() -> None:
    """Others have used the tenant's minute up: a refusal for that is noted for the session, too."""
    stage = Stage({ONE: [Outcome.DELIVERED, Outcome.SLOW, Outcome.DELIVERED]})
    stage.open("s1", ONE)
    stage.limits.count_in_minute(messages_of_tenant(TENANT), NOW, 7)
    records = numbered([1, 2], limit=8)
    assert list(stage(*records)) == [records[1].message_id]
    assert stage(*numbered([2], limit=8, receives=2)) == {}
    assert numbers_sent(stage, ONE) == [1]
    assert stage.frames_to(ONE)[-1]["message"] == "Too Many Requests"


def test_the_first_refusal_of_a_minute_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a session that is over its limit write nothing more than their count."""
    stage = Stage(session_share=0.25)
    stage.open("s1", ONE)
    noted: list[str] = []
    monkeypatch.setattr(stage.limits, "refuse_from", lambda _counter, _now, sequence: noted.append(sequence))
    for first in range(0, 12, 3):
        assert stage(*numbered(range(first, first + 3), limit=16)) == {}
    assert noted == [f"{4:020}"]


def test_the_number_of_remembered_refusals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that lives for hours does not grow; what it has forgotten it notes again, which does no harm."""
    monkeypatch.setattr("functions.messaging.echo.echo._MOST_REMEMBERED", 2)
    stage = Stage(session_share=0.25)
    noted: list[str] = []
    monkeypatch.setattr(stage.limits, "refuse_from", lambda counter, _now, _sequence: noted.append(counter.name))
    for name in ("s1", "s2", "s3", "s3", "s1"):
        assert stage(*numbered([1, 2], limit=4, session=name)) == {}
    sessions = [queued_of_session(TENANT, SessionId(name)).name for name in ("s1", "s2", "s3", "s1")]
    assert noted == sessions


def test_a_message_over_its_share_is_refused_at_every_delivery() -> None:
    """A session over its share stays over it: also its connection that does not read earns it nothing."""
    stage = Stage({ONE: [Outcome.DELIVERED] * 2 + [Outcome.SLOW, Outcome.DELIVERED]}, session_share=0.25)
    stage.open("s1", ONE)
    records = numbered([1, 2, 3], limit=8)
    assert list(stage(*records)) == [records[2].message_id]
    assert stage(*numbered([3], limit=8, receives=2)) == {}
    assert numbers_sent(stage, ONE) == [1, 2]
    assert stage.frames_to(ONE)[-1]["message"] == "Too Many Requests"


@pytest.mark.parametrize(
    ("outcome", "receives"),
    [(Outcome.THROTTLED, DELIVERIES), (Outcome.FAILED, DELIVERIES), (Outcome.SLOW, DELIVERIES_TO_THE_SLOW)],
)
def test_a_connection_that_repeatedly_accepts_nothing_is_closed(
    outcome: Outcome, receives: int, counted: Counter[str]
) -> None:
    """Its client knows then that it missed something, and the session continues without it."""
    stage = Stage({TWO: [outcome]})
    stage.open("s1", ONE, TWO)
    assert len(stage(*numbered([1, 2], receives=receives - 1))) == 1
    assert stage.sender.closed == []
    stage = Stage({TWO: [outcome, Outcome.DELIVERED]})
    stage.open("s1", ONE, TWO)
    assert stage(*numbered([1, 2], receives=receives)) == {}
    assert stage.sender.closed == [TWO]
    assert [endpoint for endpoint, _ in stage.sender.calls] == [ENDPOINT] * 2
    assert stage.sender.calls[-1] == (ENDPOINT, 1.0)
    assert 0 < stage.sender.calls[0][1] <= 5
    assert numbers_sent(stage, ONE) == [1, 2]
    assert stage.frames_to(TWO) == []
    assert counted["ConnectionClosed"] == 1


def test_each_connection_that_is_closed_is_counted(counted: Counter[str]) -> None:
    """The messages of several sessions count together."""
    stage = Stage({TWO: [Outcome.FAILED, Outcome.DELIVERED], THREE: [Outcome.FAILED, Outcome.DELIVERED]})
    stage.open("s1", ONE, TWO, THREE)
    assert stage(*numbered([1], receives=DELIVERIES)) == {}
    assert sorted(stage.sender.closed) == [TWO, THREE]
    assert counted["ConnectionClosed"] == 2


def test_a_connection_that_is_only_late_is_not_closed() -> None:
    """There was no time to post to it: that says nothing of its client."""
    stage = Stage({TWO: [Outcome.UNSENT]})
    stage.open("s1", ONE, TWO)
    assert len(stage(*numbered([1, 2], receives=DELIVERIES))) == 1
    assert stage.sender.closed == []


def test_the_close_of_a_connection_is_retried() -> None:
    """When nothing goes through, the fault is not the client's."""
    stage = Stage({TWO: [Outcome.THROTTLED]})
    stage.open("s1", ONE, TWO)
    assert len(stage(*numbered([1, 2], receives=DELIVERIES))) == 1
    assert stage.sender.closed == []


@pytest.mark.parametrize(
    "attributes",
    [
        {"tenantId": ""},
        {"tenantId": "a:b"},
        {"sessionId": "x" * 65},
        {"connectionId": "<>"},
        {"sessionTTL": "soon"},
        {"messagesPerMinute": ""},
    ],
    ids="".join,
)
def test_a_record_that_did_not_come_from_the_route_is_poison(attributes: dict[str, str]) -> None:
    """It never succeeds; the frames behind it are answered."""
    stage = Stage()
    stage.open("s1", ONE)
    bad = record("bad", attributes=attributes)
    failures = stage(bad, *numbered([1]))
    assert list(failures) == [bad.message_id]
    assert isinstance(failures[bad.message_id], PermanentError)
    assert numbers_sent(stage, ONE) == [1]


@pytest.mark.parametrize("body", ["no JSON", '{"a": NaN}', '"text"', "\ud800", '{"message": 1}, "tenantId": "x"'])
def test_a_message_that_is_not_a_json_object_gets_an_error_frame(body: str, counted: Counter[str]) -> None:
    """So a frame cannot break out of the envelope either."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    assert stage(record(body)) == {}
    error = {"code": "NOT_JSON", "message": "the frame is not a JSON object"}
    assert [frame["error"] for frame in stage.frames_to(ONE)] == [error]
    assert stage.frames_to(TWO) == []
    assert counted["MessageRefused"] == 1


@pytest.mark.parametrize(("value", "reason"), UNSUPPORTED)
def test_unsupported_json_gets_an_error_frame_with_its_reason(value: str, reason: str) -> None:
    """It is a JSON object, so no error denies that."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    assert stage(record(f'{{"message":{value}}}')) == {}
    error = {"code": "UNSUPPORTED_JSON", "message": f"the frame {reason}"}
    assert [frame["error"] for frame in stage.frames_to(ONE)] == [error]
    assert stage.frames_to(TWO) == []


def test_a_message_with_an_overlong_envelope_is_sent_to_no_connection() -> None:
    """The sender gets an error; half an answer would be worse than none."""
    stage = Stage()
    stage.open("s1", ONE, TWO)
    assert stage(record({"action": "PooledSQS", "message": "x" * 131_000}), *numbered([2])) == {}
    error = {"code": "TOO_LONG", "message": "the reply would have more than 131072 bytes"}
    assert [frame["error"] for frame in stage.frames_to(ONE) if "error" in frame] == [error]
    assert numbers_sent(stage, TWO) == [2]


def test_a_tenant_that_cannot_be_reached_delays_no_other() -> None:
    """All of its records are delivered again; nothing of them was posted."""
    stage = Stage()
    stage.open("s1", ONE)
    stage.open("s1", TWO, tenant=OTHER_TENANT)
    stage.down = {TENANT}
    records = numbered([1, 2])
    failures = stage(*records, *numbered([3], tenant=OTHER_TENANT, sender=TWO))
    assert sorted(failures) == [record.message_id for record in records]
    assert stage.frames_to(ONE) == []
    assert numbers_sent(stage, TWO) == [3]


def test_a_session_that_cannot_be_read_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its records are delivered again, with a bug of ours too; the tenant's other sessions are answered."""
    stage = Stage()
    stage.open("s2", TWO)
    keep_alive = stage.sessions.keep_alive

    def failing(tenant: TenantId, session: SessionId, **given: int) -> Session | None:
        if session == "s1":
            raise ValueError("a bug")
        return keep_alive(tenant, session, session_seconds=given["session_seconds"], now=given["now"])

    monkeypatch.setattr(stage.sessions, "keep_alive", failing)
    records = numbered([1, 2])
    failures = stage(*records, *numbered([3], session="s2", sender=TWO))
    assert sorted(failures) == [record.message_id for record in records]
    assert numbers_sent(stage, TWO) == [3]


def test_session_ids_are_never_logged(log: StringIO) -> None:
    """Not even when everything goes wrong."""
    secret = "0b5c6c1e-a-secret"
    stage = Stage({ONE: [Outcome.THROTTLED, Outcome.DELIVERED]})
    stage.open(secret, ONE)
    stage(
        *numbered(range(3), session=secret, limit=0, receives=DELIVERIES),
        *numbered([3], session=secret, limit=0),
        record("bad", session=secret, attributes={"tenantId": ""}),
    )
    stage(record("bad", session=secret))
    assert log.getvalue()
    assert secret not in log.getvalue()
    assert stage.sessions.rows == {}

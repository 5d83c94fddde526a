"""Promises of `SessionStore`, kept by the twin and by DynamoDB."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.aws.batches import get_rows
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, PlayerId, SessionId, TenantId, nth_partition
from loudhailer.sessions.dynamodb import DynamoSessionStore, former_session_key, session_key
from loudhailer.sessions.grants import NO_GRANTS, Grants
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, WITHOUT_MOTO, dynamodb_of, table_of
from tests.support.dynamodb.engine import EngineClient, client_of_any_table
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.tables import TableKind

ACME, S1 = TenantId("acme"), SessionId("s1")
ANN, BOB = PlayerId("ann"), PlayerId("bob")
FORMER = "dynamodb, simulated, beside a former release"
FIRST = ConnectionKey(nth_partition(ACME, 0), ConnectionId("a="))
SECOND = ConnectionKey(nth_partition(ACME, 12), ConnectionId("b="))


@dataclass
class Case:
    """A store, how a test adds connections to session s1, and a store of functions beside the former release."""

    store: SessionStore
    add: Callable[[ConnectionKey], None]
    former: SessionStore


def _memory() -> Case:
    store = MemorySessionStore()

    def add(key: ConnectionKey) -> None:
        row = store.rows[ACME, S1]
        store.rows[ACME, S1] = replace(row, connections=row.connections | {key})

    return Case(store, add, store)


def _dynamodb(client: Any, table: str, *, spread: bool = True) -> Case:
    key_of = session_key if spread else former_session_key

    def add(key: ConnectionKey) -> None:
        client.update_item(
            TableName=table,
            Key=key_of(ACME, S1),
            UpdateExpression="ADD connectionIds :connection",
            ExpressionAttributeValues={":connection": {"SS": [key.in_session()]}},
        )

    former = DynamoSessionStore(client, table, spread=False)
    return Case(DynamoSessionStore(client, table) if spread else former, add, former)


@pytest.fixture(params=["memory", *ADAPTERS, FORMER])
def case(request: pytest.FixtureRequest) -> Case:
    """The twin, then the adapter, which makes sessions under their own keys, or under those of a former release."""
    if request.param == "memory":
        return _memory()
    if request.param == FORMER:
        return _dynamodb(client_of_any_table(), "sessions-simulated", spread=False)
    return _dynamodb(dynamodb_of(request), table_of(request)("sessions"))


def test_a_sessions_grants_are_kept_until_others_are_put(case: Case) -> None:
    """A renewal without grants leaves them, an empty one takes them away, and a new session has none."""
    grants = Grants.from_wire({"news/*": "s", "chat": "sp"})
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0, grants=grants)
    case.store.renew(ACME, S1, player=None, expires_at=210, now=10)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=210, grants=grants)
    case.store.renew(ACME, S1, player=None, expires_at=220, now=20, grants=NO_GRANTS)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=220)
    case.store.renew(ACME, S1, player=None, expires_at=230, now=30, grants=grants)
    case.store.renew(ACME, S1, player=None, expires_at=500, now=300)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=500)


def test_a_session_is_created_and_renewed(case: Case) -> None:
    """The first renewal makes it, a later one moves its end."""
    assert case.store.get(ACME, S1) is None
    assert case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=200)
    assert case.store.renew(ACME, S1, player=None, expires_at=300, now=100)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=300)


def test_a_renewal_keeps_the_connections(case: Case) -> None:
    """Clients that are connected stay in a live session, whether the renewal names its player or not."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.add(FIRST)
    case.add(SECOND)
    for player in (None, ANN):
        assert case.store.renew(ACME, S1, player=player, expires_at=300, now=100)
        assert case.store.get(ACME, S1) == Session(ACME, S1, 300, ANN, frozenset({FIRST, SECOND}))


def test_a_live_session_keeps_its_player(case: Case) -> None:
    """Another player is refused and changes nothing; no player leaves the binding as it is."""
    assert case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    assert case.store.renew(ACME, S1, player=ANN, expires_at=210, now=10)
    assert not case.store.renew(ACME, S1, player=BOB, expires_at=220, now=20)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=210, player_id=ANN)
    assert case.store.renew(ACME, S1, player=None, expires_at=230, now=30)
    assert case.store.renew(ACME, S1, player=ANN, expires_at=240, now=40)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=240, player_id=ANN)


@pytest.mark.parametrize("player", [None, ANN, BOB])
def test_an_expired_session_is_recreated(case: Case, player: PlayerId | None) -> None:
    """It inherits no connection from any player; a session whose end is now is over."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.add(FIRST)
    assert case.store.renew(ACME, S1, player=player, expires_at=400, now=200)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=400, player_id=player)


def test_a_session_that_is_bound_later_is_recreated(case: Case) -> None:
    """A client that connected before there was a player is not in the player's session."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    case.add(FIRST)
    assert case.store.renew(ACME, S1, player=ANN, expires_at=210, now=10)
    assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at=210, player_id=ANN)


@pytest.mark.parametrize("bound", [None, ANN])
def test_an_old_session_is_deleted_before_its_replacement_is_created(
    bound: PlayerId | None, aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """The stream tells of the removal, with the old connections, and then of the new session."""
    client, name = aws("dynamodb"), table("sessions")
    store = DynamoSessionStore(client, name)
    case = _dynamodb(client, name)
    store.renew(ACME, S1, player=bound, expires_at=200, now=0)
    case.add(FIRST)
    calls: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    assert store.renew(ACME, S1, player=BOB, expires_at=400, now=100 if bound is None else 200)
    assert [call for call in calls if call != "GetItem"] == ["UpdateItem", "DeleteItem", "UpdateItem", "PutItem"]


def test_a_session_in_use_is_kept_alive(case: Case) -> None:
    """It is written once a tenth of its time has passed, not before; player and connections stay."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.add(FIRST)
    for now, expires_at in ((0, 200), (19, 200), (20, 220), (39, 220), (219, 419)):
        session = Session(ACME, S1, expires_at, ANN, frozenset({FIRST}))
        assert case.store.keep_alive(ACME, S1, session_seconds=200, now=now) == session
        assert case.store.get(ACME, S1) == session


def test_keeping_alive_does_not_shorten_a_session(case: Case) -> None:
    """Its tenant may have been given less time since it was made."""
    case.store.renew(ACME, S1, player=None, expires_at=900, now=0)
    assert case.store.keep_alive(ACME, S1, session_seconds=200, now=500) == Session(ACME, S1, 900)
    assert case.store.get(ACME, S1) == Session(ACME, S1, 900)


@pytest.mark.parametrize("now", [200, 900])
def test_an_expired_session_is_not_kept_alive(case: Case, now: int) -> None:
    """Its row is still there and stays as it is."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    assert case.store.keep_alive(ACME, S1, session_seconds=200, now=now) is None
    assert case.store.get(ACME, S1) == Session(ACME, S1, 200)


def test_a_removed_session_is_not_brought_back(case: Case) -> None:
    """A message was in flight when its session was deleted."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    case.store.delete(ACME, S1)
    assert case.store.keep_alive(ACME, S1, session_seconds=200, now=100) is None
    assert case.store.get(ACME, S1) is None


def test_a_session_is_extended_and_never_shortened(case: Case) -> None:
    """Also one that has expired; player and connections stay, and one that is gone does not come back."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.add(FIRST)
    for given, expires_at in ((199, 200), (900, 900), (300, 900)):
        case.store.extend(ACME, S1, given)
        assert case.store.get(ACME, S1) == Session(ACME, S1, expires_at, ANN, frozenset({FIRST}))
    case.store.delete(ACME, S1)
    case.store.extend(ACME, S1, 1_000)
    assert case.store.get(ACME, S1) is None


@pytest.mark.parametrize("how", ["deleted", "expired"])
def test_a_session_deleted_during_a_renewal_stays_deleted(
    how: str, aws: Callable[[str], Any], table: Callable[[TableKind], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was live when it was read; the write finds it gone, or its time shortened until now."""
    client, name = aws("dynamodb"), table("sessions")
    store = DynamoSessionStore(client, name)
    store.renew(ACME, S1, player=None, expires_at=200, now=0)
    read = store.get

    def get(tenant: TenantId, session: SessionId) -> Session | None:
        seen = read(tenant, session)
        if how == "deleted":
            store.delete(tenant, session)
        else:
            store.renew(tenant, session, player=None, expires_at=100, now=0)
        return seen

    with monkeypatch.context() as race:
        race.setattr(store, "get", get)
        assert store.keep_alive(ACME, S1, session_seconds=200, now=100) is None
    assert store.get(ACME, S1) == (None if how == "deleted" else Session(ACME, S1, 100))


def test_a_deletion_prevails_over_two_hundred_concurrent_messages(case: Case) -> None:
    """Whatever their order, the session is gone in the end."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)

    def touch(number: int) -> None:
        if number == 100:
            case.store.delete(ACME, S1)
        case.store.keep_alive(ACME, S1, session_seconds=200, now=100)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(touch, range(200)))
    assert case.store.get(ACME, S1) is None
    assert case.store.keep_alive(ACME, S1, session_seconds=200, now=100) is None


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
def test_a_session_is_deleted_once(case: Case) -> None:
    """The second time returns that none was deleted."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    assert case.store.delete(ACME, S1)
    assert not case.store.delete(ACME, S1)
    assert case.store.get(ACME, S1) is None


@pytest.mark.parametrize("case", NOT_REPEATED, indirect=True)
def test_a_session_is_deleted_by_its_player(case: Case) -> None:
    """Not by another one; any caller may delete a session without a player."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    assert not case.store.delete(ACME, S1, BOB)
    assert case.store.get(ACME, S1) == Session(ACME, S1, 200, ANN)
    assert case.store.delete(ACME, S1, ANN)
    assert not case.store.delete(ACME, S1, ANN)
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    assert case.store.delete(ACME, S1, BOB)
    assert case.store.get(ACME, S1) is None


def test_closed_connections_are_removed_from_the_session(case: Case) -> None:
    """Again and again is the same, and the last one may leave."""
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    case.add(FIRST)
    case.add(SECOND)
    for _ in range(2):
        case.store.forget(ACME, S1, [FIRST])
        assert case.store.get(ACME, S1) == Session(ACME, S1, 200, connections=frozenset({SECOND}))
    case.store.forget(ACME, S1, [FIRST, SECOND])
    assert case.store.get(ACME, S1) == Session(ACME, S1, 200)


def test_forgetting_connections_does_not_recreate_a_session(case: Case) -> None:
    """The connections of a deleted session close after it."""
    case.store.forget(ACME, S1, [FIRST])
    assert case.store.get(ACME, S1) is None


@pytest.mark.parametrize("case", WITHOUT_MOTO, indirect=True)
def test_connections_leave_any_number_of_sessions_together(case: Case) -> None:
    """Each of 60 sessions loses a connection that it may never have had; the others stay, and gone ones stay gone."""
    sessions = [S1, *(SessionId(f"other-{number}") for number in range(59))]
    for session in sessions[:30]:
        case.store.renew(ACME, session, player=None, expires_at=200, now=0)
    case.add(FIRST)
    case.add(SECOND)
    for _ in range(2):
        case.store.forget_all({(ACME, session): [FIRST] for session in sessions})
        assert case.store.get(ACME, S1) == Session(ACME, S1, 200, connections=frozenset({SECOND}))
    case.store.forget_all({(ACME, S1): [FIRST, SECOND]})
    assert case.store.get(ACME, S1) == Session(ACME, S1, 200)
    assert [session for session in sessions if case.store.get(ACME, session)] == sessions[:30]


@pytest.mark.parametrize("case", [*WITHOUT_MOTO, FORMER], indirect=True)
def test_expired_sessions_are_deleted(case: Case) -> None:
    """Any number of them, including ones that end now, of either release; the others stay."""
    over = [SessionId(f"over-{number}") for number in range(60)]
    for session, expires_at in (*((session, 200) for session in over), (S1, 201)):
        case.store.renew(ACME, session, player=None, expires_at=expires_at, now=0)
    case.former.renew(ACME, SessionId("former"), player=None, expires_at=200, now=0)
    assert sum(case.store.delete_expired(200)) == 61
    assert [session.session_id for page in case.store.of_tenant(ACME) for session in page] == [S1]
    assert sum(case.store.delete_expired(200)) == 0


def test_a_session_renewed_during_the_sweep_is_kept(
    aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """It was over when it was found; the statement that would delete it looks at its end once more."""
    client, name = aws("dynamodb"), table("sessions")
    store = DynamoSessionStore(client, name)
    for session in (S1, SessionId("over")):
        store.renew(ACME, session, player=None, expires_at=200, now=0)

    def renew_first(**_: Any) -> None:
        client.update_item(
            TableName=name,
            Key=session_key(ACME, S1),
            UpdateExpression="SET sessionTTL = :later",
            ExpressionAttributeValues={":later": {"N": "500"}},
        )

    client.meta.events.register("before-call.dynamodb.BatchExecuteStatement", renew_first)
    try:
        assert sum(store.delete_expired(200)) == 1
    finally:
        client.meta.events.unregister("before-call.dynamodb.BatchExecuteStatement", renew_first)
    assert store.get(ACME, S1) == Session(ACME, S1, 500)


def test_expired_sessions_are_deleted_25_per_call_without_reading_a_former_key() -> None:
    """Before, each took a deletion and a read; a segment of a large table is reached once an hour."""
    client: Any = client_of_any_table()
    store = DynamoSessionStore(client, "sessions-x")
    for number in range(500):
        store.renew(ACME, SessionId(f"session-{number}"), player=None, expires_at=200, now=0)
    calls: Counter[str] = Counter()

    def counted(operation: str, request: Any) -> Any:
        calls[operation] += 1
        return getattr(client, operation)(**request)

    assert sum(DynamoSessionStore(EngineClient(counted), "sessions-x").delete_expired(200)) == 500  # type: ignore[arg-type]
    assert calls == {"scan": 1, "batch_execute_statement": 20}


def test_an_undeletable_expired_session_does_not_block_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that met a transaction is repeated by a separate call, a throttled one is not; the sweep continues.

    At its end it fails. Before, each throttled one was tried five times, for longer than the function's time.
    """
    client: Any = client_of_any_table()
    store = DynamoSessionStore(client, "sessions-x")
    names = [SessionId(f"session-{number}") for number in range(30)]
    for session in names:
        store.renew(ACME, session, player=None, expires_at=200, now=0)
    execute = client.batch_execute_statement

    def busy(*, Statements: list[Any]) -> Any:  # noqa: N803
        codes = {names[0]: "TransactionConflict", names[1]: "TransactionConflict", names[2]: "ThrottlingError"}
        rest = [one for one in Statements if one["Parameters"][1]["S"] not in codes]
        done = iter(execute(Statements=rest)["Responses"])
        return {
            "Responses": [
                next(done) if one in rest else {"Error": {"Code": codes[one["Parameters"][1]["S"]], "Message": ""}}
                for one in Statements
            ]
        }

    def delete_item(*, Key: Any, **request: Any) -> Any:  # noqa: N803
        if Key["sessionId"]["S"] == names[0]:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "DeleteItem")
        return delete(Key=Key, **request)

    delete = client.delete_item
    monkeypatch.setattr(client, "batch_execute_statement", busy)
    monkeypatch.setattr(client, "delete_item", delete_item)
    deleted = store.delete_expired(200)
    assert next(deleted) + next(deleted) == 28
    with pytest.raises(TransientError, match="2 expired sessions could not be deleted"):
        next(deleted)
    assert [session for session in names if store.get(ACME, session)] == [names[0], names[2]]


def test_live_sessions_are_counted(case: Case) -> None:
    """Only one tenant's sessions count, and a session that ends now is over."""
    for name, expires_at in (("over", 200), ("live", 201), ("longer", 300)):
        case.store.renew(ACME, SessionId(name), player=None, expires_at=expires_at, now=0)
    case.store.renew(TenantId("acme-2"), S1, player=None, expires_at=300, now=0)
    assert [sum(case.store.count(ACME, now)) for now in (0, 200, 201, 300)] == [3, 2, 1, 0]


def test_the_sessions_of_a_tenant_are_found(case: Case) -> None:
    """With their connections; expired ones too, and nobody else's."""
    case.store.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.store.renew(TenantId("acme-2"), S1, player=None, expires_at=300, now=0)
    case.add(FIRST)
    assert [session for page in case.store.of_tenant(ACME) for session in page] == [
        Session(ACME, S1, 200, ANN, frozenset({FIRST}))
    ]
    assert not any(case.store.of_tenant(TenantId("nobody")))


@pytest.mark.parametrize("case", WITHOUT_MOTO, indirect=True)
def test_a_session_of_a_former_release_works_like_any_other(case: Case) -> None:
    """It is found, kept alive, renewed, counted, left by its connections, and deleted."""
    new = SessionId("new")
    case.former.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    case.store.renew(ACME, new, player=None, expires_at=300, now=0)
    assert case.store.get(ACME, S1) == Session(ACME, S1, 200, ANN)
    assert case.store.keep_alive(ACME, S1, session_seconds=200, now=100) == Session(ACME, S1, 300, ANN)
    assert case.store.renew(ACME, S1, player=ANN, expires_at=310, now=100)
    assert not case.store.renew(ACME, S1, player=BOB, expires_at=400, now=100)
    assert sum(case.store.count(ACME, 300)) == 1
    assert sorted(session.session_id for page in case.store.of_tenant(ACME) for session in page) == [new, S1]
    case.store.forget_all({(ACME, session): [FIRST] for session in (S1, new, SessionId("none"))})
    case.store.forget(ACME, S1, [SECOND])
    assert case.store.get(ACME, S1) == Session(ACME, S1, 310, ANN)
    case.store.extend(ACME, S1, 320)
    assert case.store.get(ACME, S1) == Session(ACME, S1, 320, ANN)
    case.store.delete(ACME, S1)
    assert [case.store.get(ACME, session) is None for session in (S1, new)] == [True, False]


def test_connections_leave_a_session_of_a_former_release(
    aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """Alone and in a batch; the set is in the row that the former release has made."""
    case = _dynamodb(aws("dynamodb"), table("sessions"), spread=False)
    case.store.renew(ACME, S1, player=None, expires_at=200, now=0)
    for forget in (lambda: case.store.forget(ACME, S1, [FIRST]), lambda: case.store.forget_all({(ACME, S1): [FIRST]})):
        case.add(FIRST)
        case.add(SECOND)
        forget()
        assert case.store.get(ACME, S1) == Session(ACME, S1, 200, connections=frozenset({SECOND}))


def test_an_expired_session_of_a_former_release_is_recreated_under_its_own_key() -> None:
    """So the former keys empty themselves; a session that two releases have made at once is deleted twice."""
    client: Any = client_of_any_table()
    store, former = DynamoSessionStore(client, "sessions-x"), DynamoSessionStore(client, "sessions-x", spread=False)
    former.renew(ACME, S1, player=ANN, expires_at=200, now=0)
    store.renew(ACME, S1, player=ANN, expires_at=400, now=200)
    assert [*_leading_keys(client)] == [session_key(ACME, S1)["tenantId"]["S"]]
    row = former_session_key(ACME, S1) | {"sessionTTL": {"N": "400"}}
    client.put_item(TableName="sessions-x", Item=row)
    assert store.delete(ACME, S1)
    assert [*_leading_keys(client)] == []


@pytest.mark.parametrize("first", [False, True], ids=["the new release asks first", "the former release asks first"])
def test_a_session_created_by_two_releases_at_once_has_one_row(*, first: bool) -> None:
    """Each has seen none, and puts it under its own key; before, there were two."""
    rows: Any = client_of_any_table()
    interrupted: list[bool] = []

    def put_after_the_other(operation: str, request: Any) -> Any:
        if operation == "put_item" and not interrupted:
            interrupted.append(True)
            assert DynamoSessionStore(rows, "sessions-x", spread=not first).renew(
                ACME, S1, player=ANN, expires_at=200, now=0
            )
        return getattr(rows, operation)(**request)

    client: Any = EngineClient(put_after_the_other)
    assert DynamoSessionStore(client, "sessions-x", spread=first).renew(ACME, S1, player=ANN, expires_at=210, now=0)
    assert len([*_leading_keys(rows)]) == 1
    assert DynamoSessionStore(rows, "sessions-x").get(ACME, S1) == Session(ACME, S1, 210, ANN)


def test_a_session_that_two_releases_withdraw_is_created_again_after_random_pauses() -> None:
    """Two releases that repeat it at the same moments, without a pause, withdraw each time until both give up."""
    rows: Any = client_of_any_table()
    pauses: list[float] = []

    def beside_the_other(operation: str, request: Any) -> Any:
        if operation == "put_item":
            rows.put_item(TableName="sessions-x", Item=former_session_key(ACME, S1) | {"sessionTTL": {"N": "200"}})
        answer = getattr(rows, operation)(**request)
        if operation == "delete_item":
            rows.delete_item(TableName="sessions-x", Key=former_session_key(ACME, S1))
        return answer

    client: Any = EngineClient(beside_the_other)
    with pytest.raises(TransientError, match="created and ended"):
        DynamoSessionStore(client, "sessions-x", pause=pauses.append).renew(
            ACME, S1, player=None, expires_at=200, now=0
        )
    assert len(set(pauses)) == 4
    assert all(0 <= pause <= 0.05 * 2**attempt for attempt, pause in enumerate(pauses))


def test_two_releases_that_create_a_session_at_once_retry() -> None:
    """Both have put theirs before either looks for the other's; one row is left, and both find it."""
    rows: Any = client_of_any_table()
    together = Barrier(2)
    rounds: Counter[int] = Counter()

    def store(*, spread: bool) -> DynamoSessionStore:
        def in_step(operation: str, request: Any) -> Any:
            rounds[spread] += operation == "put_item"
            is_first = operation == "put_item" and rounds[spread] == 1
            if is_first:
                together.wait()
            try:
                return getattr(rows, operation)(**request)
            finally:
                if is_first:
                    together.wait()

        client: Any = EngineClient(in_step)
        return DynamoSessionStore(client, "sessions-x", spread=spread)

    with ThreadPoolExecutor(2) as pool:
        made = pool.map(
            lambda spread: store(spread=spread).renew(ACME, S1, player=None, expires_at=200, now=0), (False, True)
        )
    assert [*made] == [True, True]
    assert len([*_leading_keys(rows)]) == 1


def test_a_tenants_sessions_are_spread_over_sixteen_keys() -> None:
    """A tenth of them at most under one of them; before, all were under the tenant's id."""
    client: Any = client_of_any_table()
    store = DynamoSessionStore(client, "sessions-x")
    for number in range(1_000):
        store.renew(ACME, SessionId(f"session-{number}"), player=None, expires_at=200, now=0)
    found = Counter(_leading_keys(client))
    assert sorted(found) == [f"acme#{number:02d}" for number in range(16)]
    assert max(found.values()) <= 100


def test_a_sixtieth_of_a_large_table_is_read_for_expired_sessions_each_minute() -> None:
    """All of it within an hour; before, all of it each minute."""
    client: Any = client_of_any_table()
    store = DynamoSessionStore(client, "sessions-x")
    made = {(TenantId(f"tenant-{number % 300}"), SessionId(f"session-{number}")) for number in range(9_000)}
    for tenant, session in made:
        client.put_item(TableName="sessions-x", Item=session_key(tenant, session) | {"sessionTTL": {"N": "60"}})
    deleted = [sum(store.delete_expired(60 * minute)) for minute in range(1, 61)]
    assert max(deleted) < 1_000 + 2 * 9_000 / 60
    assert sum(deleted) == len(made)
    assert [*_leading_keys(client)] == []


def _leading_keys(client: Any) -> Iterator[str]:
    for page in client.get_paginator("scan").paginate(TableName="sessions-x"):
        yield from (row["tenantId"]["S"] for row in page["Items"])


def test_a_throttled_former_key_does_not_block_sessions_of_other_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are gone are looked up at their tenant's former key; other tenants' are done with."""
    client: Any = client_of_any_table()
    store = DynamoSessionStore(client, "sessions-x")
    other = (TenantId("other"), S1)

    def get_some(client: Any, table: str, keys: list[dict[str, Any]], **options: Any) -> Any:
        if keys[0]["tenantId"] == {"S": ACME}:
            raise TransientError("throttled")
        return get_rows(client, table, keys, **options)

    monkeypatch.setattr("loudhailer.sessions.dynamodb.get_rows", get_some)
    assert store.forget_all({(ACME, S1): [FIRST], other: [FIRST]}) == {(ACME, S1)}

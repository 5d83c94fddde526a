"""Sessions, tenants and reports over HTTP."""

import base64
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from random import SystemRandom
from typing import Any

import pytest

from functions.sessions.session_api.admission import Admission
from functions.sessions.session_api.placing import CellStores, OneCell, Placing
from functions.sessions.session_api.session_api import SessionApi
from loudhailer.broadcast.audience import Everyone
from loudhailer.broadcast.model import Summary
from loudhailer.codec import decode
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import (
    BroadcastId,
    CellName,
    ConnectionId,
    PlayerId,
    SessionId,
    SessionSecret,
    TenantId,
    nth_partition,
)
from loudhailer.sessions.model import Session
from loudhailer.tenants.model import Tenant
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.line import MemoryLineStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.fakes.tenants import MemoryTenantStore

NOW = 1000
ACME, S1 = TenantId("acme"), SessionId("s1")
TENANT = Tenant(
    ACME,
    tenant_connections=10,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
    tenant_sessions=30,
)


class SessionApiFixture:
    """The stores behind one API."""

    def __init__(
        self,
        *,
        list_tenants: bool = True,
        silo_tenants: Collection[TenantId] = (),
        shortest_session_id: int = 1,
        placing: Placing | None = None,
        per_second: float = 500,
    ) -> None:
        self.now: float = NOW
        self.line = MemoryLineStore()
        self.sessions = MemorySessionStore()
        self.broadcasts = MemoryBroadcastStore()
        self.snapshots = MemorySnapshotStore()
        self.tenants = MemoryTenantStore(TENANT)
        stores = CellStores(sessions=self.sessions, places=MemoryPlaceStore())
        self.open_api, self.jwt_api = (
            SessionApi(
                self.tenants,
                placing or OneCell(stores, "wss://example.test/live"),
                self.broadcasts,
                self.snapshots,
                Admission(
                    self.line,
                    MemoryLimitStore(),
                    per_second=per_second,
                    reserve=0.03,
                    clock=lambda: self.now,
                    random=SystemRandom(),
                ),
                list_tenants=list_tenants,
                silo_tenants=silo_tenants,
                needs_token=needs_token,
                tenant_claim="custom:tenantId",
                shortest_session_id=shortest_session_id,
                report_grace_seconds=180,
                clock=lambda: self.now,
            )
            for needs_token in (False, True)
        )

    def call(self, route: str, claims: dict[str, str] | None = None, **query: str) -> tuple[int, Any]:
        """Status and body of the reply to a request: to one with claims, of the API that asks for a token."""
        return self.reply(self.open_api if claims is None else self.jwt_api, route, claims, query)

    def reply(
        self,
        api: SessionApi,
        route: str,
        claims: dict[str, str] | None,
        query: dict[str, str],
        **body: object,
    ) -> tuple[int, Any]:
        """Status and body of an API's reply to a request, which has a token if it has claims."""
        event: dict[str, Any] = {"version": "2.0", "routeKey": route, "requestContext": {}, **body}
        if query:
            event["queryStringParameters"] = query
            event["pathParameters"] = query
        if claims is not None:
            event["requestContext"] = {"authorizer": {"jwt": {"claims": claims, "scopes": None}}}
        reply = api(event)
        self.retry_after = reply["headers"].pop("retry-after", None)
        assert reply["headers"] == {"content-type": "application/json", "cache-control": "no-store"}
        return reply["statusCode"], decode(reply["body"])


def token(subject: str) -> dict[str, str]:
    """The claims of a token of the tenant."""
    return {"sub": subject, "custom:tenantId": "acme"}


@pytest.fixture
def stores() -> SessionApiFixture:
    """A fresh one."""
    return SessionApiFixture()


def test_a_client_that_finds_a_crowd_gets_a_turn() -> None:
    """It makes no session before. A client that is connected only renews its session, and never waits."""
    stores = SessionApiFixture(per_second=1)
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1")[0] == 200
    stores.now += 1.011
    assert stores.call("PUT /session", tenantId="acme", sessionId="s2")[0] == 200
    body = {"message": "Too Many Requests", "reason": "connects", "retryAfterMs": 1011}
    assert stores.call("PUT /session", tenantId="acme", sessionId="s3") == (429, body)
    assert stores.retry_after == "2"
    assert stores.sessions.get(ACME, SessionId("s3")) is None
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1", renew="true")[0] == 200
    stores.now += 1.011
    assert stores.call("PUT /session", tenantId="acme", sessionId="s3")[0] == 200
    assert stores.retry_after is None


def test_a_client_beyond_its_tenants_minute_is_refused(counted: Counter[str]) -> None:
    """It gets no turn while others wait, and makes no session."""
    stores = SessionApiFixture(per_second=1)
    answers = [stores.call("PUT /session", tenantId="acme", sessionId=f"s{number}") for number in range(70)]
    assert [body.get("reason") for _, body in answers[3:60]] == ["connects"] * 57
    assert answers[-1] == (429, {"message": "Too Many Requests", "limit": "tenantPerMinute"})
    assert stores.retry_after is None
    assert stores.sessions.get(ACME, SessionId("s69")) is None
    assert counted["SessionRefused"]


def test_a_session_that_is_over_is_not_renewed_past_the_line() -> None:
    """A client that only says that it is connected waits like others."""
    stores = SessionApiFixture(per_second=1)
    for session in ("s1", "s2"):
        answer = stores.call("PUT /session", tenantId="acme", sessionId=session, renew="true")
    assert answer == (429, {"message": "Too Many Requests", "reason": "connects", "retryAfterMs": 1011})
    stores.now += 201
    for session in ("s3", "s1"):
        answer = stores.call("PUT /session", tenantId="acme", sessionId=session, renew="true")
    assert answer[0] == 429


@pytest.mark.parametrize("renew", ["", "yes", "True"])
def test_a_renewal_is_named_by_true_or_false(stores: SessionApiFixture, renew: str) -> None:
    """Any other text is a mistake that must not decide who waits."""
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1", renew=renew) == (400, "Invalid request")
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1", renew="false")[0] == 200


def test_a_session_is_made_and_refreshed(stores: SessionApiFixture, counted: Counter[str]) -> None:
    """The reply says until when it lives and where to connect."""
    for _ in range(2):
        assert stores.call("PUT /session", tenantId="acme", sessionId="s1") == (
            200,
            {"Attributes": {"sessionTTL": NOW + 200}, "webSocketUrl": "wss://example.test/live"},
        )
    assert stores.sessions.get(ACME, S1) == Session(ACME, S1, NOW + 200)
    assert counted["SessionRenewed"] >= 2


@pytest.mark.parametrize("route", ["PUT /session", "DELETE /session"])
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"tenantId": "acme"},
        {"sessionId": "s1"},
        {"tenantId": "nobody", "sessionId": "s1"},
        {"tenantId": "acme", "sessionId": "s 1"},
        {"tenantId": "a#b", "sessionId": "s1"},
        {"tenantId": "acme", "sessionId": ""},
    ],
    ids=str,
)
def test_an_invalid_session_request_is_refused_with_a_text(
    stores: SessionApiFixture, route: str, query: dict[str, Any]
) -> None:
    """A JSON string, as clients have always had it; and nothing is made."""
    assert stores.call(route, **query) == (400, "Invalid request")
    assert stores.sessions.rows == {}


def test_a_player_outside_the_grammar_is_invalid(stores: SessionApiFixture) -> None:
    """An empty one too."""
    for player in ("", "a#b"):
        reply = stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId=player)
        assert reply == (400, "Invalid request")


def test_a_session_is_bound_to_one_player(stores: SessionApiFixture) -> None:
    """Another player gets 409; without a player it is only refreshed."""
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="ann")[0] == 200
    status, body = stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="bob")
    error = {"field": "playerId", "message": "the session is bound to another player"}
    assert (status, body) == (409, {"error": error})
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1")[0] == 200
    assert stores.sessions.rows[ACME, S1].player_id == PlayerId("ann")


def test_a_tokens_subject_is_the_player(stores: SessionApiFixture) -> None:
    """Whatever the query claims."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1", playerId="bob")
    assert stores.sessions.rows[ACME, S1].player_id == PlayerId("ann")


@pytest.mark.parametrize("subject", [None, "", "auth0|ann"])
def test_a_subject_that_cannot_be_a_player_is_refused_by_its_name(
    stores: SessionApiFixture, subject: str | None
) -> None:
    """A claim in the query does not take its place, also where the token has no subject."""
    claims = {name: value for name, value in token(subject or "").items() if name != "sub" or subject is not None}
    status, body = stores.call("PUT /session", claims, tenantId="acme", sessionId="s1", playerId="bob")
    reason = "sub: must be 1 to 128 letters, digits, '_', '.', '@' or '-'"
    assert (status, body) == (400, {"error": {"field": "sub", "message": reason}})
    assert stores.sessions.rows == {}


def test_a_session_of_another_subject_is_refused(stores: SessionApiFixture) -> None:
    """A token does not open a session of another player."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1")
    status, body = stores.call("PUT /session", token("bob"), tenantId="acme", sessionId="s1", playerId="ann")
    assert (status, body["error"]["field"]) == (409, "playerId")


@pytest.mark.parametrize("route", ["PUT /session", "DELETE /session"])
@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "ann"},
        {"sub": "ann", "custom:tenantId": "globex"},
        {"sub": "ann", "custom:tenantId": ""},
        {"sub": "ann", "custom:tenantId": "[acme globex]"},
        {"sub": "ann", "custom:tenantId": "Acme", "tenantId": "acme"},
    ],
    ids=str,
)
def test_a_token_of_another_tenant_opens_and_ends_no_session(
    stores: SessionApiFixture, route: str, claims: dict[str, str], counted: Counter[str]
) -> None:
    """The tenant may exist or not: the one claim that counts must be its id."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1")
    before = dict(stores.sessions.rows)
    for tenant in ("acme", "nobody"):
        for session in ("s1", "s2"):
            reply = stores.call(route, claims, tenantId=tenant, sessionId=session)
            assert reply == (403, {"message": "Forbidden"})
    assert stores.sessions.rows == before
    assert counted["TokenOfOtherTenant"] == 4


@pytest.mark.parametrize("route", ["PUT /session", "DELETE /session"])
def test_a_request_without_claims_is_refused_if_a_token_is_required(
    stores: SessionApiFixture, route: str, counted: Counter[str]
) -> None:
    """The function does not take it for a caller that needs no token, however it came past the authorizer."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1")
    before = dict(stores.sessions.rows)
    for session in ("s1", "s2"):
        query = {"tenantId": "acme", "sessionId": session, "playerId": "ann"}
        status, _ = stores.reply(stores.jwt_api, route, None, query)
        assert status == 403
    assert stores.sessions.rows == before
    assert counted["TokenMissing"] == 2


def test_a_tenants_token_ends_its_session(stores: SessionApiFixture) -> None:
    """As it opened it."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1")
    assert stores.call("DELETE /session", token("ann"), tenantId="acme", sessionId="s1") == (200, {})


def test_a_session_of_another_subject_is_not_ended(stores: SessionApiFixture, counted: Counter[str]) -> None:
    """Whatever the query claims: the token's subject counts, as it does when a session is opened."""
    stores.call("PUT /session", token("ann"), tenantId="acme", sessionId="s1")
    before = dict(stores.sessions.rows)
    status, body = stores.call("DELETE /session", token("bob"), tenantId="acme", sessionId="s1", playerId="ann")
    assert (status, body["error"]["field"]) == (409, "playerId")
    for subject in ("", "auth0|ann"):
        status, body = stores.call("DELETE /session", token(subject), tenantId="acme", sessionId="s1")
        assert (status, body["error"]["field"]) == (400, "sub")
    assert (stores.sessions.rows, counted["SessionDeleted"]) == (before, 0)


def test_an_expired_session_of_another_subject_is_an_invalid_request(stores: SessionApiFixture) -> None:
    """The session's row may exist for a while after its end."""
    stores.sessions.rows[ACME, S1] = Session(ACME, S1, NOW, PlayerId("ann"))
    assert stores.call("DELETE /session", token("bob"), tenantId="acme", sessionId="s1") == (400, "Invalid request")


def test_an_unbound_session_may_be_ended_by_a_token(stores: SessionApiFixture) -> None:
    """As a token may open it."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1")
    assert stores.call("DELETE /session", token("ann"), tenantId="acme", sessionId="s1") == (200, {})


def test_a_players_session_is_not_ended_for_another_player(stores: SessionApiFixture) -> None:
    """Without a token the query may name a player, and need not."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="ann")
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1", playerId="bob")[0] == 409
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1", playerId="ann") == (200, {})


def test_a_new_sessions_id_must_be_a_secret() -> None:
    """22 characters hold 128 bits; one of before, which is shorter, can be ended, and lives on by its use alone."""
    stores = SessionApiFixture(shortest_session_id=22)
    reason = "must have at least 22 random characters"
    for session in ("s1", "a" * 21):
        stores.sessions.rows[ACME, SessionId(session)] = Session(ACME, SessionId(session), NOW + 10)
        status, body = stores.call("PUT /session", tenantId="acme", sessionId=session)
        assert (status, body) == (400, {"error": {"field": "sessionId", "message": reason}})
        assert stores.sessions.rows[ACME, SessionId(session)].expires_at == NOW + 10
        assert stores.call("DELETE /session", tenantId="acme", sessionId=session) == (200, {})
    assert stores.call("PUT /session", tenantId="acme", sessionId="a" * 22)[0] == 200


def test_the_sessions_of_a_tenant_are_limited(stores: SessionApiFixture, counted: Counter[str]) -> None:
    """One more is refused with the limit's name; existing ones are renewed, and expired ones do not count."""
    for number in range(30):
        assert stores.call("PUT /session", tenantId="acme", sessionId=f"s{number}")[0] == 200
    refusal = (429, {"message": "Too Many Requests", "limit": "tenantSessions"})
    assert stores.call("PUT /session", tenantId="acme", sessionId="more") == refusal
    assert stores.call("PUT /session", tenantId="acme", sessionId="s7")[0] == 200
    assert counted["SessionRefused"] == 1
    stores.sessions.rows[ACME, SessionId("s8")] = Session(ACME, SessionId("s8"), int(stores.now))
    stores.now += 60
    assert stores.call("PUT /session", tenantId="acme", sessionId="more")[0] == 200
    assert stores.call("PUT /session", tenantId="acme", sessionId="still more") == (400, "Invalid request")
    assert stores.call("PUT /session", tenantId="acme", sessionId="still-more") == refusal


def test_an_expired_session_takes_a_place_to_be_recreated(stores: SessionApiFixture) -> None:
    """Its row may stand for days: a tenant must not have as many sessions more as it has such rows."""
    for number in range(30):
        stores.sessions.rows[ACME, SessionId(f"old{number}")] = Session(ACME, SessionId(f"old{number}"), NOW)
        assert stores.call("PUT /session", tenantId="acme", sessionId=f"s{number}")[0] == 200
    refusal = (429, {"message": "Too Many Requests", "limit": "tenantSessions"})
    assert stores.call("PUT /session", tenantId="acme", sessionId="old1") == refusal


@pytest.mark.parametrize("expires_at", [None, NOW])
def test_a_session_created_during_its_tenants_erasure_is_removed(
    stores: SessionApiFixture, expires_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenant was there when the request was read, and is not when the session is made."""
    if expires_at is not None:
        stores.sessions.rows[ACME, S1] = Session(ACME, S1, expires_at)
    renew = stores.sessions.renew

    def erased_meanwhile(*key: Any, **values: Any) -> bool:
        stores.tenants.begin_erasing(ACME)
        return renew(*key, **values)

    monkeypatch.setattr(stores.sessions, "renew", erased_meanwhile)
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1") == (400, "Invalid request")
    assert stores.sessions.rows == {}


def test_a_session_renewed_during_its_tenants_erasure_is_removed(
    stores: SessionApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lived when the request was read; the tenant's erasure has deleted it, and the renewal has made it again."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1")
    renew = stores.sessions.renew

    def erased_meanwhile(*key: Any, **values: Any) -> bool:
        stores.tenants.begin_erasing(ACME)
        stores.sessions.rows.clear()
        return renew(*key, **values)

    monkeypatch.setattr(stores.sessions, "renew", erased_meanwhile)
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1") == (400, "Invalid request")
    assert stores.sessions.rows == {}


def test_a_second_put_keeps_the_connections(stores: SessionApiFixture) -> None:
    """It lets the session live on, and changes nothing else."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="ann")
    key = ConnectionKey(nth_partition(ACME, 0), ConnectionId("a="))
    stores.sessions.rows[ACME, S1] = replace(stores.sessions.rows[ACME, S1], connections=frozenset({key}))
    stores.call("PUT /session", tenantId="acme", sessionId="s1")
    assert stores.sessions.rows[ACME, S1] == Session(ACME, S1, NOW + 200, PlayerId("ann"), frozenset({key}))


def test_a_session_is_deleted(stores: SessionApiFixture, counted: Counter[str]) -> None:
    """The second time there is none."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1")
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1") == (200, {})
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1") == (400, "Invalid request")
    assert counted["SessionDeleted"] == 1


@pytest.mark.parametrize("player", [{}, {"playerId": "ann"}], ids=["anyone", "its player"])
def test_a_session_deleted_by_a_repeated_call_counts_as_deleted(
    stores: SessionApiFixture, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], player: dict[str, Any]
) -> None:
    """The first answer was lost, and the second attempt finds nothing: the caller asked for that, and has it."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1", **player)
    delete = stores.sessions.delete
    monkeypatch.setattr(stores.sessions, "delete", lambda *named: delete(*named) and delete(*named))
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1", **player) == (200, {})
    assert counted["SessionDeleted"] == 1


def test_a_session_bound_during_its_deletion_is_kept(
    stores: SessionApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was nobody's when it was looked at."""
    stores.call("PUT /session", tenantId="acme", sessionId="s1")
    delete = stores.sessions.delete

    def after_another(*named: Any) -> bool:
        stores.sessions.rows[ACME, S1] = replace(stores.sessions.rows[ACME, S1], player_id=PlayerId("bob"))
        return delete(*named)

    monkeypatch.setattr(stores.sessions, "delete", after_another)
    status, _ = stores.call("DELETE /session", tenantId="acme", sessionId="s1", playerId="ann")
    assert status == 409
    assert stores.sessions.rows[ACME, S1].player_id == "bob"


def test_tenants_are_listed_with_their_limits(stores: SessionApiFixture) -> None:
    """The names are those of their table."""
    assert stores.call("GET /tenant") == (
        200,
        {
            "Items": [
                {
                    "tenantId": "acme",
                    "connectionsPerSession": 2,
                    "tenantConnections": 10,
                    "sessionPerMinute": 5,
                    "tenantPerMinute": 60,
                    "sessionTTL": 200,
                    "messagesPerMinute": 70,
                    "tenantSessions": 30,
                    "postsPerMinute": 7000,
                    "channelsPerConnection": 100,
                    "channels": [],
                    "silo": False,
                }
            ]
        },
    )


def test_a_tenant_with_a_queue_of_its_own_is_listed_with_a_silo() -> None:
    """Terraform makes the queue and tells the function; no row does."""
    for silo_tenants, has_silo in (({ACME}, True), ({TenantId("acm")}, False)):
        _, body = SessionApiFixture(silo_tenants=silo_tenants).call("GET /tenant")
        assert [item["silo"] for item in body["Items"]] == [has_silo]


def test_tenants_are_not_listed_in_production() -> None:
    """The list of customers is nobody's business."""
    status, body = SessionApiFixture(list_tenants=False).call("GET /tenant")
    assert (status, body) == (403, {"message": "Forbidden"})


def test_a_broadcast_is_reported(stores: SessionApiFixture) -> None:
    """As its rows say."""
    stores.broadcasts.record(
        Summary(broadcast_id=BroadcastId("b1"), audience=Everyone(), content_hash="hash", published_at=NOW * 1000)
    )
    status, body = stores.call("GET /broadcast/{id}", id="b1")
    assert status == 200
    assert (body["status"], body["publishedAt"], body["inFlight"]) == ("accepted", NOW * 1000, 0)


def test_a_broadcast_over_several_cells_is_reported_by_cell(stores: SessionApiFixture) -> None:
    """A cell that says nothing until 180 seconds after the end is named, and its recipients have failed."""
    head = Summary(
        broadcast_id=BroadcastId("b1"),
        audience=Everyone(),
        content_hash="hash",
        published_at=NOW * 1000,
        announced=True,
        cells={CellName("north"): 5},
        ends_at=NOW,
    )
    stores.broadcasts.record(head)
    stores.broadcasts.complete_sources(head.broadcast_id, 0, 0, NOW * 1000)
    for now, status, failed, waiting_for, silent in (
        (NOW + 179, "delivering", 0, ["north"], []),
        (NOW + 180, "finished", 5, [], ["north"]),
    ):
        stores.now = now
        _, body = stores.call("GET /broadcast/{id}", id="b1")
        assert (body["status"], body["failed"], body["expected"]) == (status, failed, 5)
        assert (body["waitingFor"], body["silent"], list(body["byCell"])) == (waiting_for, silent, ["hub", "north"])


def test_an_unknown_broadcast_is_not_found(stores: SessionApiFixture) -> None:
    """404 names the field, and so does the 400 for an id that cannot be one."""
    status, body = stores.call("GET /broadcast/{id}", id="b2")
    assert (status, body) == (
        404,
        {"error": {"field": "broadcastId", "message": "there is no such broadcast"}},
    )
    status, body = stores.call("GET /broadcast/{id}", id="b 2")
    reason = "broadcastId: must be 1 to 64 letters, digits, '_' or '-'"
    assert (status, body) == (400, {"error": {"field": "broadcastId", "message": reason}})


def test_a_session_is_kept_under_a_hidden_id(stores: SessionApiFixture) -> None:
    """Made, renewed, refused to others and ended by its own id; the id of the row opens and ends nothing."""
    tenant = replace(TENANT, session_key="a key")
    stores.tenants.put(tenant)
    kept = tenant.session_id_of(SessionSecret("s1"))
    for _ in range(2):
        assert stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="ann")[0] == 200
    assert list(stores.sessions.rows) == [(ACME, kept)]
    assert stores.call("PUT /session", tenantId="acme", sessionId="s1", playerId="bob")[0] == 409
    assert stores.call("DELETE /session", tenantId="acme", sessionId=kept) == (400, "Invalid request")
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1", playerId="bob")[0] == 409
    assert stores.call("DELETE /session", tenantId="acme", sessionId="s1") == (200, {})
    assert stores.sessions.rows == {}


NAMED = {"tenantId": "acme", "sessionId": "s1"}


def put(stores: SessionApiFixture, body: str | None, **more: object) -> tuple[int, Any]:
    """The reply to `PUT /session` with this body."""
    return stores.reply(stores.open_api, "PUT /session", None, NAMED, body=body, **more)


def grants(stores: SessionApiFixture) -> dict[str, str]:
    """The grants of the session."""
    return dict(stores.sessions.rows[ACME, S1].grants.rights)


def test_a_sessions_grants_are_put_with_it(stores: SessionApiFixture) -> None:
    """A request without them leaves them; one with others replaces them; an empty object takes them away."""
    assert put(stores, '{"grants":{"news/*":"s","chat":"sp"}}')[0] == 200
    assert grants(stores) == {"news/*": "s", "chat": "sp"}
    for body in (None, "", "{}"):
        assert put(stores, body)[0] == 200
        assert grants(stores) == {"news/*": "s", "chat": "sp"}
    encoded = base64.b64encode(b'{"grants":{"sport":"p"}}').decode()
    assert put(stores, encoded, isBase64Encoded=True)[0] == 200
    assert grants(stores) == {"sport": "p"}
    put(stores, '{"grants":{}}')
    assert grants(stores) == {}


def test_a_session_that_has_expired_has_no_grants_any_more(stores: SessionApiFixture) -> None:
    """It is another session, and its grants are those of the new request."""
    put(stores, '{"grants":{"news/*":"s"}}')
    stores.now += 500
    put(stores, None)
    assert grants(stores) == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"grants":{"a/*":"x"}}', "grants"),
        ('{"grants":{"*":"s"}}', "grants"),
        ('{"grants":["a"]}', "grants"),
        ('{"grants":null}', "grants"),
        ("{", "body"),
        ("[]", "body"),
    ],
)
def test_malformed_grants_are_refused(stores: SessionApiFixture, body: str, field: str) -> None:
    """The session is not made."""
    status, reply = put(stores, body)
    assert (status, reply["error"]["field"]) == (400, field)
    assert not stores.sessions.rows


def test_clients_with_tokens_grant_themselves_nothing(stores: SessionApiFixture) -> None:
    """They call the API themselves."""
    body = '{"grants":{"news/*":"s"}}'
    reply = stores.reply(stores.jwt_api, "PUT /session", token("ann"), NAMED, body=body)
    assert reply == (403, {"message": "Forbidden"})
    assert not stores.sessions.rows

"""Clients that get in, and the answers to the others."""

import json
import time
from itertools import product

import aiohttp
import pytest

from loudhailer.ids import TenantId
from tests.e2e.scene import Scene, SceneSession
from tools.client.http import ApiError

SETTINGS = (
    *("tenantPerMinute", "sessionPerMinute", "connectionsPerSession", "tenantConnections"),
    *("sessionTTL", "messagesPerMinute"),
)


def query_of(session: SceneSession) -> dict[str, str]:
    """A session as the query of a handshake names it."""
    return {"tenantId": session.tenant, "sessionId": session.session}


def put_session(scene: Scene, ids: dict[str, str], expires_at: int) -> None:
    """Put a session's row, past the API."""
    row = scene.system.session_key(TenantId(ids["tenantId"]), ids["sessionId"]) | {"sessionTTL": {"N": str(expires_at)}}
    scene.system.dynamodb.put_item(TableName=scene.system.table("sessions"), Item=row)


@pytest.mark.image_smoke
async def test_a_client_without_an_identity_is_unauthorized(scene: Scene) -> None:
    """Both ids are required before any function runs; a player's id alone is not enough."""
    ids = query_of(await scene.session(scene.tenant(), "1"))
    queries: list[dict[str, str]] = [
        {},
        {"playerId": "1"},
        {"tenantId": ids["tenantId"]},
        {"sessionId": ids["sessionId"], "playerId": "1"},
        {"tenantId": "", "sessionId": ""},
    ]
    assert [(query, (await scene.refusal(**query)).status) for query in queries] == [(query, 401) for query in queries]


@pytest.mark.image_smoke
async def test_an_unknown_or_expired_session_is_forbidden(scene: Scene) -> None:
    """A session is its own tenant's, from its PUT to its end; TTL deletes hours late: the time decides, not the row."""
    mine, ended = await scene.session(scene.tenant()), await scene.session(scene.tenant())
    assert await scene.api.call("DELETE", "/session", query=query_of(ended)) == {}
    expired = {"tenantId": scene.tenant(), "sessionId": scene.secret()}
    put_session(scene, expired, int(time.time()) - 1)
    queries = {
        "a tenant that nobody knows": {"tenantId": "nobody", "sessionId": mine.session},
        "another tenant's session": {"tenantId": scene.tenant(), "sessionId": mine.session},
        "a session that nobody opened": {"tenantId": mine.tenant, "sessionId": scene.secret()},
        "a session that has expired": expired,
        "a session that was deleted": query_of(ended),
    }
    refused = {name: (await scene.refusal(**query)).status for name, query in queries.items()}
    assert refused == dict.fromkeys(queries, 403)


async def test_a_client_may_not_claim_another_player(scene: Scene) -> None:
    """A session is bound to its player, and one without a player has none."""
    tenant = scene.tenant()
    bound, unbound = await scene.session(tenant, "ann"), await scene.session(tenant)
    for session in (bound, unbound):
        refusal = await scene.refusal(tenantId=tenant, sessionId=session.session, playerId="bob")
        assert refusal.status == 403


async def test_a_session_keeps_its_player(scene: Scene) -> None:
    """A second PUT cannot bind it to another player."""
    session = await scene.session(scene.tenant(), "ann")
    with pytest.raises(ApiError) as refused:
        await scene.api.open_session(session.tenant, session.session, "bob")
    assert (refused.value.status, refused.value.body["error"]["field"]) == (409, "playerId")


async def test_an_illegal_id_is_refused_at_session_and_handshake(scene: Scene) -> None:
    """Neither a session can be opened with it, nor a socket."""
    tenant = scene.tenant()
    illegal_ids = ("a#b", "a b", "a:b", "a,b", "ä", "a/b", "x" * 65, "", "a\n")
    for field, illegal in product(("tenantId", "sessionId"), illegal_ids):
        ids = {"tenantId": tenant, "sessionId": "legal", field: illegal}
        assert await scene.api.call("PUT", "/session", query=ids, success=400) == "Invalid request", ids
        assert (await scene.refusal(**ids)).status == (403 if illegal else 401), ids


async def test_an_illegal_player_is_refused_at_session_and_handshake(scene: Scene) -> None:
    """A player's id has a grammar of its own, and an empty one is none."""
    ids = query_of(await scene.session(scene.tenant()))
    for illegal in ("ann#bob", ""):
        assert (
            await scene.api.call("PUT", "/session", query=ids | {"playerId": illegal}, success=400) == "Invalid request"
        )
        assert (await scene.refusal(**ids, playerId=illegal)).status == 403


async def test_only_the_known_subprotocol_is_echoed(scene: Scene) -> None:
    """A client that offers others gets none of them back, whatever they are."""
    session = await scene.session(scene.tenant())
    for offered, answered in (
        (["loudhailer.v1"], "loudhailer.v1"),
        (["a.secret.token", "loudhailer.v1"], "loudhailer.v1"),
        (["a.secret.token"], None),
        ([], None),
    ):
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(session.url, protocols=offered) as socket,
        ):
            assert socket.protocol == answered
            await socket.send_str('{"action":"ping"}')
            assert await socket.receive_json() == {"action": "pong"}


async def test_a_malformed_handshake_is_refused(scene: Scene) -> None:
    """As RFC 6455 has it; the session stays empty."""
    session = await scene.session(tenant := scene.tenant())
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for changed, status in (
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Connection": "keep-alive"}, 400),
    ):
        url = session.url.replace("ws:", "http:", 1)
        async with aiohttp.request("GET", url, headers=handshake | changed) as answer:
            assert (answer.status, answer.headers["Sec-WebSocket-Version"]) == (status, "13"), changed
    await scene.counted(tenant, 0)


async def test_the_authorizers_context_has_the_tenants_settings(scene: Scene) -> None:
    """Limits, partition and player reach all routes by it."""
    session = await scene.session(scene.tenant(), "ann")
    event = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:111111111111:api/live/$connect",
        "queryStringParameters": query_of(session),
    }
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["authorizer"], Payload=json.dumps(event).encode()
    )
    context = json.load(answer["Payload"])["context"]
    assert context.keys() >= {*query_of(session), *SETTINGS, "partition", "playerId"}
    assert (context["tenantId"], context["sessionId"], context["playerId"]) == (
        session.tenant,
        session.kept_as(scene.system),
        "ann",
    )

"""Illegal frames of clients to every route, and the answer to each of them.

The fuzzers try all other input: `test_http_fuzz.py`, `test_frame_fuzz.py`. Bad broadcasts are in
`test_broadcast.py`, bad frames of no route in `test_unwanted_frames.py`.
"""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from picows import WSMsgType
from yarl import URL

from loudhailer import codec
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.support.bad_json import UNSUPPORTED
from tools.client.http import ApiError

FRAME_BYTES = 32 * 1024
ILLEGAL_IDS = ["", "a#b", "a/b", "a\0b", "ä", "😀", "a" * 10_000, 5, True, None, ["a"], {"a": "b"}]
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def query_of(session: SceneSession) -> dict[str, str]:
    """A session as the query of a request names it."""
    return {"tenantId": session.tenant, "sessionId": session.session}


async def test_only_an_object_is_accepted_as_the_body_of_a_session(scene: Scene) -> None:
    """Grants would be lost otherwise. Unknown members are ignored, as in the query; `DELETE` reads no body."""
    url, opened = f"{scene.system.deployment.http_url}/session", (200, {"Attributes", "webSocketUrl"})
    for body, wanted in (
        (b"", opened),
        (b'{"tenantId": 5}', opened),
        (b"hello", (400, {"error"})),
        (b"[]", (400, {"error"})),
        (b"\xff" * 10_000, (400, {"error"})),
    ):
        session = await scene.session(scene.tenant())
        query = query_of(session) | {"colour": "red", "tenantid": "x"}
        for method, answered in (("PUT", wanted), ("DELETE", (200, set[str]()))):
            async with aiohttp.request(method, url, params=query, data=body) as answer:
                assert (answer.status, set(await answer.json())) == answered, (method, body)


async def test_a_report_request_with_an_illegal_id_is_refused_with_its_field(scene: Scene) -> None:
    """400 where it reaches the route, 404 where it is another path."""
    for illegal in ("a#b", "a/b", "a\0b", "ä", "😀", "a" * 129):
        url = URL(scene.system.deployment.http_url) / "broadcast" / illegal
        async with aiohttp.request("GET", url) as answer:
            assert answer.status in {400, 404}, illegal
            assert "broadcastId" in await answer.text() or "/" in illegal


async def test_a_client_cannot_end_a_session_of_another_tenant(scene: Scene) -> None:
    """A session's id alone opens nothing: the other tenant has no such session, and its own continues."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    other = scene.tenant()
    query = query_of(session) | {"tenantId": other}
    with pytest.raises(ApiError) as refused:
        await scene.api.call("DELETE", "/session", query=query)
    assert (refused.value.status, refused.value.body) == (400, "Invalid request")
    await scene.api.call("PUT", "/session", query=query)
    assert await scene.api.call("DELETE", "/session", query=query) == {}
    assert await guest.connection_id()
    await scene.counted(session.tenant, 1)


async def test_an_illegal_id_in_a_frame_is_refused_with_its_field(scene: Scene) -> None:
    """Only the sender gets the error, no acknowledgement comes, and it stays connected."""
    session = await scene.session(scene.tenant(), "ann")
    sender, neighbour = await scene.guests(session, 2)
    frames: list[tuple[dict[str, Any], str]] = [
        ({"action": "joinroom", "nickName": "Ann"}, "roomKey"),
        ({"action": "sendmessage", "content": "hello"}, "roomKey"),
        ({"action": "sendmessage", "message": "hello"}, "destinationPlayerId"),
    ]
    for (frame, field), illegal in product(frames, ILLEGAL_IDS):
        sender.send_json({**frame, field: illegal})
        answer = await sender.frame()
        assert answer.keys() == {"error", "connectionId", "requestId"}, (frame, illegal)
        error = answer["error"]
        assert (error["code"], error["message"].partition(":")[0]) == ("INVALID_FIELD", field), (frame, illegal)
    assert await scene.received([sender, neighbour]) == [[], []]


async def test_a_frame_with_only_an_action_is_answered(scene: Scene) -> None:
    """The answer names a field, or the problem of a message that has none."""
    guest = await scene.connect(await scene.session(scene.tenant(), "ann"))
    for action in ("joinroom", "sendmessage", "SiloSQS"):
        guest.send_json({"action": action})
        frame = await guest.frame()
        assert set(frame) in ({"error", "connectionId", "requestId"}, {"message", "connectionId", "requestId"}), action
    guest.send_json({"action": "PooledSQS"})
    assert (await guest.frame())["message"] == {"action": "PooledSQS"}
    assert await guest.connection_id()


async def test_unknown_fields_are_ignored(scene: Scene) -> None:
    """Fields that would say who sends are not believed."""
    session = await scene.session(scene.tenant(), "ann")
    sender = await scene.connect(session)
    forged = {"tenantId": "gold", "sessionId": "stolen", "connectionId": "stolen=", "sentAt": 1, "colour": ["red"]}
    own = {"connectionId": await sender.connection_id(), "playerId": "ann"}
    sender.send_json({"action": "joinroom", "roomKey": "lobby", "nickName": "Ann", **forged})
    assert await sender.frame() == {"action": "joinroom", "roomKey": "lobby", "nickName": "Ann", **own}
    sender.send_json({"action": "sendmessage", "roomKey": "lobby", "content": "hello", "nickName": "Eve", **forged})
    received = await sender.frame()
    assert (received["nickName"], received["content"], received["connectionId"]) == (
        "Ann",
        "hello",
        own["connectionId"],
    )
    assert set(received) & set(forged) == {"sentAt", "connectionId"}
    assert abs(received["sentAt"] - time.time() * 1000) < 3_600_000
    sender.send_json({"action": "sendmessage", "destinationPlayerId": "ann", "message": "psst", **forged})
    frames = [await sender.frame(), await sender.frame()]
    assert {frame["srcPlayerId"] for frame in frames} == {"ann"}


def send_in_frames(guest: Guest, text: str) -> None:
    """Send one message in frames of 32 KB."""
    data = text.encode()
    parts = [data[start : start + FRAME_BYTES] for start in range(0, len(data), FRAME_BYTES)]
    for number, part in enumerate(parts):
        kind = WSMsgType.CONTINUATION if number else WSMsgType.TEXT
        guest.transport.send(kind, part, fin=number == len(parts) - 1)


ODD = '{"n": 18446744073709551616, "f": [1.10, 1E2, 0.1000000000000000055511151231257827], "t": "\\u00e9\\/"}'
"""JSON that no parser and encoder would give back as it is written."""


async def test_a_message_arrives_as_its_client_wrote_it(scene: Scene) -> None:
    """In a broadcast, a direct message, its acknowledgement, a room and the pool: no digit becomes another one."""
    tenant = scene.tenant()
    guest = await scene.connect(await scene.session(tenant, "ann"))

    async def texts(number: int) -> list[str]:
        return [(await guest.receive()).decode() for _ in range(number)]

    message = codec.verbatim(codec.JsonText(ODD))
    await scene.api.publish({"tenantId": tenant}, message, "odd-" + uuid.uuid4().hex)
    assert [text.partition('"data":')[2] for text in await texts(1)] == [f"{ODD}}}"]
    guest.send(f'{{"action":"sendmessage","destinationPlayerId":"ann","message":{ODD}}}')
    assert [f'"message":{ODD},' in text for text in await texts(2)] == [True, True]
    guest.send_json({"action": "joinroom", "roomKey": "lobby", "nickName": "Ann"})
    await texts(1)
    content = '"18446744073709551616 \\u00e9\\/"'
    guest.send(f'{{"action":"sendmessage","roomKey":"lobby","content":{content}}}')
    assert [f'"content":{content},' in text for text in await texts(1)] == [True]
    frame = f'{{"action":"PooledSQS","message":{ODD}}}'
    guest.send(frame)
    assert [f'"message":{frame},' in text for text in await texts(1)] == [True]


async def test_unsupported_json_is_refused_with_its_reason(scene: Scene) -> None:
    """Every route that reads frames refuses it, as `POST /broadcast` does, and the sender stays connected."""
    guest = await scene.connect(await scene.session(scene.tenant(), "ann"))
    url = f"{scene.system.deployment.http_url}/broadcast"
    for value, reason in [case for case in UNSUPPORTED if len(case[0]) < FRAME_BYTES - 100]:
        for action in ("joinroom", "sendmessage", "PooledSQS", "fly"):
            guest.send(f'{{"action":"{action}","message":{value}}}')
            error = (await guest.frame())["error"]
            assert (error["code"], error["message"]) == ("UNSUPPORTED_JSON", f"the frame {reason}"), action
        body = f'{{"audience":{{"all":true}},"message":{value}}}'
        async with aiohttp.request("POST", url, data=body) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error) == (400, {"field": "body", "message": f"body: {reason}"})


async def test_a_message_of_several_frames_with_an_overlong_field_is_refused(scene: Scene) -> None:
    """API Gateway takes 128 KB in frames of 32; the route answers with its own limit."""
    sender, neighbour = await scene.guests(await scene.session(scene.tenant(), "ann"), 2)
    for frame, field in (
        ({"action": "joinroom", "roomKey": "lobby"}, "nickName"),
        ({"action": "sendmessage", "roomKey": "lobby"}, "content"),
        ({"action": "sendmessage", "destinationPlayerId": "ann"}, "message"),
    ):
        send_in_frames(sender, json.dumps({**frame, field: "x" * 100_000}))
        error = (await sender.frame())["error"]
        assert (error["code"], error["message"].partition(":")[0]) == ("INVALID_FIELD", field), frame
    assert await scene.received([sender, neighbour]) == [[], []]


async def test_a_message_of_several_frames_returns_unchanged_from_the_pool(scene: Scene) -> None:
    """The others get the message as it was sent, all get it parsed."""
    sender, other = await scene.guests(await scene.session(scene.tenant()), 2)
    sent = {"action": "PooledSQS", "message": "ü&+%00" * 14_000}
    send_in_frames(sender, json.dumps(sent, ensure_ascii=False))
    assert (await sender.frame())["message"] == sent
    assert [await other.frame(), (await other.frame())["message"]] == [sent, sent]


async def test_a_frame_over_32_kib_closes_its_socket_on_every_route(scene: Scene) -> None:
    """With 1009, as API Gateway does; nothing of it reaches the route, and neighbours stay."""
    actions = ("joinroom", "sendmessage", "SiloSQS", "PooledSQS")
    neighbour, *senders = await scene.guests(await scene.session(scene.tenant(), "ann"), 1 + len(actions))
    for sender, action in zip(senders, actions, strict=True):
        sender.send_json({"action": action, "roomKey": "lobby", "message": "x" * FRAME_BYTES})
        assert await sender.closed(60) == 1009, action
    assert await scene.received([neighbour]) == [[]]


def encoded(data: bytes) -> str:
    """As JSON Web Tokens have it: https://datatracker.ietf.org/doc/html/rfc7515#section-2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(issuer: str, subject: str, *, key: rsa.RSAPrivateKey = KEY, **claims: Any) -> str:
    """A token of the issuer for the audience `loudhailer`, signed by the key."""
    now = int(time.time())
    body = {"iss": issuer, "sub": subject, "aud": "loudhailer", "iat": now - 60, "exp": now + 600} | claims
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, body))
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


@asynccontextmanager
async def issuer_of_tokens() -> AsyncIterator[str]:
    """An issuer, with the documents by which its tokens are checked."""
    numbers = KEY.public_key().public_numbers()
    modulus, exponent = (encoded(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e))
    jwk = {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": modulus, "e": exponent}

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk]})

    application = web.Application()
    application.router.add_get("/.well-known/jwks.json", keys)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def api_with_tokens(scene: Scene, issuer: str) -> AsyncIterator[str]:
    """The URL of an HTTP API beside the stack's own, whose `PUT /session` asks for the issuer's tokens.

    Terraform takes https issuers only, as AWS does, so this one is made by hand; the function is the stack's.
    """
    gateway = scene.system.deployment.client("apigatewayv2")
    function = scene.system.functions.get_function(
        FunctionName=scene.system.deployment.functions["session_api"], Qualifier="live"
    )["Configuration"]["FunctionArn"]
    api = gateway.create_api(Name="tokens", ProtocolType="HTTP")["ApiId"]
    try:
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        authorizer = gateway.create_authorizer(
            ApiId=api,
            Name="jwt",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer, "Audience": ["loudhailer"]},
        )["AuthorizerId"]
        gateway.create_route(
            ApiId=api,
            RouteKey="PUT /session",
            Target=f"integrations/{integration}",
            AuthorizationType="JWT",
            AuthorizerId=authorizer,
        )
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        yield scene.system.deployment.http_url.rpartition("/")[0] + f"/{api}"
    finally:
        gateway.delete_api(ApiId=api)


async def test_a_token_identifies_the_player(scene: Scene) -> None:
    """Whatever the query claims; a token that is no good or another tenant's opens nothing, a bad subject is named."""
    async with issuer_of_tokens() as issuer, api_with_tokens(scene, issuer) as url:
        session = SceneSession(scene.tenant(), scene.secret(), "")
        query = query_of(session) | {"playerId": "bob"}

        async def put(bearer: str | None) -> tuple[int, Any]:
            headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
            async with aiohttp.request("PUT", f"{url}/session", params=query, headers=headers) as answer:
                return answer.status, await answer.json()

        forged = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        mine: dict[str, Any] = {"tenantId": session.tenant}
        no_tenant, other_tenant = dict[str, Any](), {**mine, "tenantId": scene.tenant()}
        now = int(time.time())
        good = token(issuer, "ann", **mine)
        header, _, signature = good.split(".")
        bad = {
            "none": None,
            "no token": "hello",
            "of another key": token(issuer, "ann", key=forged),
            "with another body": f"{header}.{token(issuer, 'eve').split('.')[1]}.{signature}",
            "expired": token(issuer, "ann", exp=now - 60),
            "of another issuer": token("http://127.0.0.1:9", "ann"),
            "for others": token(issuer, "ann", aud="others"),
        }
        assert {name: (await put(bearer))[0] for name, bearer in bad.items()} == dict.fromkeys(bad, 401)
        for others in (no_tenant, other_tenant):
            assert await put(token(issuer, "ann", **others)) == (403, {"message": "Forbidden"})
        status, body = await put(token(issuer, "auth0|123", **mine))
        assert (status, body["error"]["field"]) == (400, "sub")
        assert "1 to 128 letters" in body["error"]["message"]
        status, body = await put(good)
        assert status == 200
        ann = await scene.connect(SceneSession(session.tenant, session.session, body["webSocketUrl"]))
        ann.send_json({"action": "sendmessage", "destinationPlayerId": "ann", "message": "psst"})
        frames = await asyncio.gather(ann.frame(), ann.frame())
        assert {frame["srcPlayerId"] for frame in frames} == {"ann"}
        assert (await put(token(issuer, "eve", **mine)))[0] == 409

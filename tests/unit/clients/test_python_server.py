"""The side of a backend in Python: the cases that both clients share, and signatures."""

import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.credentials import Credentials

from loudhailer_client import LoudhailerError, Server, sigv4
from loudhailer_client.http import Request, Response
from tests.support.checkout import ROOT

CASES = json.loads((ROOT / "clients" / "cases.json").read_text())["server"]
DETAILS = ("status", "field", "retry_after")


class Exchanges:
    """Answers requests, and compares them, one after the other."""

    def __init__(self, exchanges: list[dict[str, Any]]) -> None:
        self.left = [*exchanges]

    async def fetch(self, request: Request, timeout: float) -> Response:  # noqa: ARG002, ASYNC109
        """Answer the next one."""
        exchange = self.left.pop(0)
        expected, answer = exchange["request"], exchange["answer"]
        assert (request.method, request.url) == (expected["method"], expected["url"])
        assert (None if request.body is None else json.loads(request.body)) == expected.get("body")
        if "headers" in expected:
            assert request.headers == expected["headers"]
        if answer == "unreachable":
            raise ConnectionRefusedError
        text = answer["body"] if isinstance(answer["body"], str) else json.dumps(answer["body"])
        return Response(answer["status"], answer.get("headers", {}), text)


async def at_once(_: float) -> None:
    """Do not wait before another try."""


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_server_side_agrees_with_the_table_of_cases(case: dict[str, Any]) -> None:
    """The one in JavaScript is tested with the same table."""
    exchanges = Exchanges(case["exchanges"])
    server = Server("https://api.example/", fetch=exchanges.fetch, pause=at_once, **case.get("options", {}))
    call = getattr(server, case["call"])
    if "error" in case:
        with pytest.raises(LoudhailerError) as caught:
            await call(**case["arguments"])
        error, expected = caught.value, case["error"]
        assert (error.code, error.fatal) == (expected["code"], expected.get("fatal", False))
        assert [getattr(error, name) for name in DETAILS] == [expected.get(name) for name in DETAILS]
        assert str(error) == expected.get("message", str(error))
    else:
        result = await call(**case["arguments"])
        assert (result.to_wire() if case["call"] == "create_session" else result) == case["result"]
    assert exchanges.left == []


async def test_an_id_is_made_up_for_a_session_and_for_a_broadcast() -> None:
    """A repeated request has the same one."""
    asked: list[Request] = []

    async def fetch(request: Request, timeout: float) -> Response:  # noqa: ARG001, ASYNC109
        asked.append(request)
        answer = {"broadcastId": "b", "webSocketUrl": "wss://x", "Attributes": {"sessionTTL": 1}}
        return Response(200, {}, json.dumps(answer))

    server = Server("https://api.example", fetch=fetch)
    session = await server.create_session("acme")
    await server.publish({"all": True}, 1)
    assert asked[0].url.endswith(f"&sessionId={session.session_id}")
    assert len(json.loads(asked[1].body or b"")["broadcastId"]) == 36


def signature_of(request: Request, secret: str, scope: str) -> str:
    """Return the signature of a request by AWS's description, without botocore.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    url = urlsplit(request.url)
    query = "&".join(
        sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parse_qsl(url.query))
    )
    values = {**headers, "host": url.netloc}
    lines = [f"{name}:{values[name].strip()}\n" for name in signed.split(";")]
    body = sha256(request.body or b"").hexdigest()
    canonical = "\n".join([request.method, quote(url.path), query, "".join(lines), signed, body])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


async def test_signatures_hold_by_an_independent_calculation() -> None:
    """A query with characters that are escaped, a body, a path, and a session's token are signed."""
    sent: list[Request] = []

    async def fetch(request: Request, timeout: float) -> Response:  # noqa: ARG001, ASYNC109
        sent.append(request)
        answer = {"broadcastId": "b1", "webSocketUrl": "wss://x", "Attributes": {"sessionTTL": 1}, "status": "finished"}
        return Response(200, {}, json.dumps(answer))

    credentials = Credentials("AKIDEXAMPLE", "secret", "token")
    server = Server("https://api.example", signer=sigv4("eu-central-1", credentials), fetch=fetch)
    await server.create_session("acme", player_id="ann@example ~*")
    await server.publish({"all": True}, {"text": "ü"}, broadcast_id="b1")
    await server.report("a/b")
    for request in sent:
        headers = {name.lower(): value for name, value in request.headers.items()}
        scope = f"{headers['x-amz-date'][:8]}/eu-central-1/execute-api/aws4_request"
        assert headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, ")
        assert headers["authorization"].endswith(f"Signature={signature_of(request, 'secret', scope)}")
        assert headers["x-amz-security-token"] == "token"


async def test_a_broadcast_with_the_id_none_is_repeated_as_the_same_one() -> None:
    """As one without an id: the id is made before the first request; a message may be null."""
    bodies: list[Any] = []

    async def fetch(request: Request, timeout: float) -> Response:  # noqa: ARG001, ASYNC109
        bodies.append(json.loads(request.body or ""))
        if len(bodies) == 1:
            raise ConnectionRefusedError
        return Response(200, {}, json.dumps({"results": [{"status": 202, "body": {}}]}))

    server = Server("https://api.example/", fetch=fetch, pause=at_once)
    await server.publish_all([{"audience": {"tenantId": "a"}, "message": None, "broadcastId": None, "priority": None}])
    assert bodies[0] == bodies[1]
    (sent,) = bodies[0]["broadcasts"]
    assert (len(sent["broadcastId"]), sent["message"], "priority" in sent) == (36, None, False)

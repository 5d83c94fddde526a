"""The side of a backend in Python: the cases that both clients share, and signatures."""

import json
from typing import Any

import pytest
from botocore.credentials import Credentials

from loudhailer_client import LoudhailerError, Server, sigv4
from loudhailer_client.http import Request, Response
from tests.support.checkout import ROOT

CASES = json.loads((ROOT / "clients" / "cases.json").read_text())["server"]
DETAILS = ("status", "field", "retry_after")
ACCEPTED = Response(202, {}, '{"broadcastId":"b1"}')


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


async def test_a_request_is_signed_by_botocore() -> None:
    """With the headers that API Gateway wants, and a session's token."""
    sent: list[Request] = []

    async def fetch(request: Request, timeout: float) -> Response:  # noqa: ARG001, ASYNC109
        sent.append(request)
        return ACCEPTED

    credentials = Credentials("AKIDEXAMPLE", "secret", "token")
    server = Server("https://api.example", signer=sigv4("eu-central-1", credentials), fetch=fetch)
    await server.publish({"all": True}, 1, broadcast_id="b1")
    headers = {name.lower(): value for name, value in sent[0].headers.items()}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-central-1/execute-api/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"
    assert headers["content-type"] == "application/json"

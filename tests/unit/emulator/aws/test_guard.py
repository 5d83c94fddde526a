"""The guard before the local AWS: admitted and refused callers, and the answers."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tools.emulator.aws.guard import Guard
from tools.emulator.perimeter.signature import Claim, SigningKey, derived_key, is_root, signed_headers

PORT = 4566
HOST = f"127.0.0.1:{PORT}"
ROOT, SECRET = "111111111111", "the stack's secret"
SESSION, SESSION_SECRET = "ASIADD766115034D4329", "the session's secret"
HTTP_API = "/_aws/execute-api/d692b3e7/session"
FOREIGN = {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
WEB_IDENTITY = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"


def signing_key(claim: Claim) -> SigningKey | None:
    """Know the roots' keys, and one session's."""
    if is_root(claim.access_key):
        return SigningKey(claim.access_key, derived_key(SECRET, claim))
    return SigningKey(ROOT, derived_key(SESSION_SECRET, claim)) if claim.access_key == SESSION else None


class Behind:
    """The application behind the guard: notes the bodies of requests, and answers as MiniStack does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: object, receive: Any, send: Any) -> None:
        """Answer."""
        self.bodies.append((await receive())["body"])
        cors = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-expose-headers", b"*")]
        headers = [(b"content-type", b"text/plain"), *cors]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"behind"})


class Answer:
    """The answer as a client gets it."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.lower().decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body: bytes = messages[1]["body"]


async def ask(
    path: str = "/",
    *,
    method: str = "POST",
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    keys: tuple[str, str] | None = None,
    service: str = "dynamodb",
    behind: Behind | None = None,
    trusts_web_identities: bool = False,
) -> Answer:
    """The answer to a request, which is signed if there are keys; it comes in two pieces."""
    signed = signed_headers(method, f"http://{HOST}{path}", body, *keys, service=service) if keys else {}
    given = {"Host": HOST, **signed, **(headers or {})}
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }
    pieces = [
        {"type": "http.request", "body": body[1:], "more_body": False},
        {"type": "http.request", "body": body[:1], "more_body": True},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return pieces.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    guard = Guard(behind or Behind(), PORT, signing_key, trusts_web_identities=trusts_web_identities)
    await guard(scope, receive, send)
    return Answer(sent)


@pytest.mark.parametrize("keys", [(ROOT, SECRET), ("222222222222", SECRET), (SESSION, SESSION_SECRET)])
async def test_a_request_with_the_right_signature_gets_its_answer(keys: tuple[str, str]) -> None:
    """Every account's root has the stack's secret, and a session its own; the body arrives whole."""
    behind = Behind()
    answer = await ask(keys=keys, body=b'{"TableName": "sessions"}', behind=behind)
    assert (answer.status, answer.body) == (200, b"behind")
    assert behind.bodies == [b'{"TableName": "sessions"}']


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (None, "MissingAuthenticationToken"),
        ((ROOT, "local"), "SignatureDoesNotMatch"),
        ((ROOT, SESSION_SECRET), "SignatureDoesNotMatch"),
        ((SESSION, SECRET), "SignatureDoesNotMatch"),
        (("ASIANOTHINGISKNOWN00", SECRET), "UnrecognizedClientException"),
        (("test", SECRET), "UnrecognizedClientException"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/2015-03-31/functions",
        "/bucket/key",
        "/health",
        "/_ministack/reset",
        "/_ministack/config",
        "/_localstack/health",
        "/_local_aws/save",
        "/_aws/sqs/messages",
        "/_aws/execute-api",
        "/_aws/execute-api/",
        "/_aws/execute-api/d692b3e7",
        "/_aws/execute-api//session",
        "/_aws/execute-api/../bucket/key",
        "/_aws/execute-api/%2e%2e/x",
        "/_aws/execute-api/d692b3e7/live/@connections/Ab%3D",
        "/restapis/d692b3e7/live/_user_request_/session",
        "//_aws/execute-api/d692b3e7/live/session",
        "/_AWS/execute-api/d692b3e7/live/session",
        "/./_aws/execute-api/d692b3e7/live/session",
        "/x/../_aws/execute-api/d692b3e7/live/session",
    ],
)
async def test_a_request_without_the_right_signature_is_refused(
    path: str, keys: tuple[str, str] | None, code: str
) -> None:
    """Whatever it asks for: any key was root's before."""
    behind = Behind()
    answer = await ask(path, keys=keys, behind=behind)
    assert answer.status == 403
    assert json.loads(answer.body)["__type"] == code
    assert behind.bodies == []


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_local_aws/save", "/_local_aws/signing-key", "/_localstack/x"])
async def test_control_requests_require_the_roots_key(path: str) -> None:
    """A function of the stack has keys, too, and must not reset the local AWS."""
    refused = await ask(path, keys=(SESSION, SESSION_SECRET))
    assert (refused.status, json.loads(refused.body)["__type"]) == (403, "AccessDenied")
    assert (await ask(path, keys=(ROOT, SECRET))).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example:4566",
        "127.0.0.1",
        "127.0.0.1:4567",
        "api.localhost:4566",
        "LOCALHOST:4566",
        "[::1]:4566",
        "127.0.0.1:4566.attacker.example",
        "attacker.example,127.0.0.1:4566",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", HTTP_API, "/_ministack/reset"])
async def test_a_request_to_another_host_is_refused(host: str, path: str) -> None:
    """Even with the right keys, and even to the HTTP API: a page whose name leads here could read the answers."""
    answer = await ask(path, headers={"Host": host}, keys=(ROOT, SECRET))
    assert answer.status == 403
    assert b"Host header" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/", "/_ministack/reset", "/_local_aws/save", "/2015-03-31/functions", "/_aws/execute-api//session"]
)
async def test_a_page_of_another_origin_is_refused(path: str, method: str, headers: dict[str, str]) -> None:
    """Before its signature is looked at; a preflight request is not answered, either."""
    behind = Behind()
    answer = await ask(path, method=method, headers=headers, keys=(ROOT, SECRET), behind=behind)
    assert answer.status == 403
    assert b"another origin" in answer.body
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert behind.bodies == []


@pytest.mark.emulator_contract
async def test_the_http_api_is_open_to_every_page() -> None:
    """As on AWS: the API itself decides, and its own rules for other origins reach the browser."""
    answer = await ask(HTTP_API, headers=FOREIGN)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_wrong_signature_is_refused_by_the_http_api_too() -> None:
    """Its routes may ask for IAM's authorization, and root's is not checked behind the guard."""
    assert (await ask(HTTP_API, keys=(ROOT, "local"), service="execute-api")).status == 403
    assert (await ask(HTTP_API, keys=(ROOT, SECRET), service="execute-api")).status == 200


@pytest.mark.parametrize(
    ("query", "authorization"),
    [
        ("", "AWS4-HMAC-SHA256 Credential=111111111111/x"),
        ("", "AWS4-ECDSA-P256-SHA256 Credential=111111111111/20260101/execute-api/aws4_request"),
        ("", "AWS 111111111111:signature"),
        ("?X-Amz-Credential=111111111111/20260101/us-east-1/execute-api/aws4_request", ""),
        ("?x-amz-credential=111111111111/20260101/us-east-1/execute-api/aws4_request", "Bearer token"),
        ("?AWSAccessKeyId=111111111111&Signature=x&Expires=1", ""),
        ("?%58-Amz-Credential=111111111111/20260101/us-east-1/execute-api/aws4_request", ""),
        ("?X%2DAmz%2dCredential=111111111111/20260101/us-east-1/execute-api/aws4_request", ""),
        ("?AWSAccess%4beyId=111111111111&Signature=x&Expires=1", ""),
    ],
)
async def test_a_signature_of_another_form_is_refused_by_the_http_api_too(query: str, authorization: str) -> None:
    """MiniStack reads some that the guard does not, and takes an account's id in them for its root."""
    headers = {"Authorization": authorization} if authorization else {}
    assert (await ask(HTTP_API + query, headers=headers)).status == 403


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer token"}, {"Authorization": "Basic dGVzdDp0ZXN0"}])
async def test_the_http_api_ignores_other_credentials(headers: dict[str, str]) -> None:
    """A JWT is for the API's own authorizer."""
    assert (await ask(f"{HTTP_API}?tenantId=gold&sessionId=x", headers=headers)).status == 200


async def test_only_the_http_api_answers_other_origins() -> None:
    """MiniStack lets every page read its answers."""
    answer = await ask(keys=(ROOT, SECRET))
    assert answer.headers == {"content-type": "text/plain"}


async def test_a_refusal_has_the_error_format_of_the_service() -> None:
    """So that an SDK shows the code and the reason."""
    of_s3 = await ask("/bucket", keys=(ROOT, "local"), service="s3")
    of_sts = await ask(headers=FORM, body=b"Action=GetCallerIdentity")
    assert of_s3.body.startswith(b"<Error><Code>SignatureDoesNotMatch</Code>")
    assert of_sts.body.startswith(b"<ErrorResponse><Error><Type>Sender</Type><Code>MissingAuthenticationToken</Code>")


@pytest.mark.parametrize(("trusts", "status"), [(True, 200), (False, 403)])
async def test_web_identities_are_trusted_on_demand_only(*, trusts: bool, status: int) -> None:
    """MiniStack does not check their tokens."""
    answer = await ask(headers=FORM, body=WEB_IDENTITY, trusts_web_identities=trusts)
    assert answer.status == status


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/", FORM, b"Action=AssumeRole"),
        ("/", FORM, WEB_IDENTITY + b"&Action=AssumeRole"),
        ("/", FORM, WEB_IDENTITY + b"&Policy=" + b"x" * 70_000),
        ("/", {"Content-Type": "application/json"}, WEB_IDENTITY),
        ("/", {**FORM, "X-Amz-Target": "DynamoDB_20120810.PutItem"}, WEB_IDENTITY),
        ("/?Action=CreateUser", FORM, WEB_IDENTITY),
        ("/bucket", FORM, WEB_IDENTITY),
        ("/", {**FORM, **FOREIGN}, WEB_IDENTITY),
    ],
)
async def test_other_requests_are_not_accepted_as_web_identities(
    path: str, headers: dict[str, str], body: bytes
) -> None:
    """Neither another action nor another service, and no page."""
    assert (await ask(path, headers=headers, body=body, trusts_web_identities=True)).status == 403


@pytest.mark.parametrize(
    ("path", "keys", "most"),
    [
        (HTTP_API, None, 10 * 1024 * 1024),
        ("/", (ROOT, "a guess"), 100 * 1024 * 1024),
        ("/2015-03-31/functions", (SESSION, "a guess"), 100 * 1024 * 1024),
    ],
    ids=["public", "root", "session"],
)
async def test_an_oversized_body_is_not_read_to_its_end(path: str, keys: tuple[str, str] | None, most: int) -> None:
    """A request with a known key id, or without any key, could fill the memory; AWS takes no body of that size."""
    behind, read = Behind(), 0
    signed = signed_headers("POST", f"http://{HOST}{path}", b"{}", *keys) if keys else {}
    headers = [(name.lower().encode(), value.encode()) for name, value in {**signed, "Host": HOST}.items()]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    sent: list[dict[str, Any]] = []
    piece = b" " * 1024 * 1024

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += len(piece)
        assert read <= most + len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await Guard(behind, PORT, signing_key)({**scope, "headers": headers}, receive, send)
    assert (Answer(sent).status, behind.bodies) == (413, [])


async def test_a_client_that_leaves_in_the_middle_gets_no_answer() -> None:
    """And nobody behind the guard hears of it."""
    behind = Behind()
    signed = signed_headers("POST", f"http://{HOST}/", b"{}", ROOT, SECRET)
    given = {**signed, "Host": HOST}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(message)

    await Guard(behind, PORT, signing_key)(scope, receive, send)
    assert behind.bodies == []

"""Signature Version 4 as botocore makes it, and everything that makes a signature wrong."""

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tools.emulator.perimeter.signature import (
    ArrivedRequest,
    derived_key,
    is_root,
    is_valid,
    new_secret,
    read_claim,
    read_signature,
    signed_headers,
)

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = "111111111111"
HOST = "127.0.0.1:4566"
REGION = "us-east-1"
DAY = "20260101"


def arrived(request: AWSRequest, body: bytes, **changes: str | None) -> ArrivedRequest:
    """The request as a server reads it; changes are headers, or None to leave one out."""
    assert request.method is not None
    url = urlsplit(str(request.url))
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": HOST}
    headers |= {name.replace("_", "-"): value for name, value in changes.items() if value is not None}
    kept = {name: value for name, value in headers.items() if changes.get(name.replace("-", "_"), "") is not None}
    encoded = {name.encode(): value.encode() for name, value in kept.items()}
    return ArrivedRequest(request.method.encode(), url.path.encode(), url.query.encode(), encoded, body)


def signed(
    method: str = "POST",
    target: str = "/",
    body: bytes = b"{}",
    service: str = "dynamodb",
    *,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> AWSRequest:
    """A request that botocore has signed."""
    request = AWSRequest(method, f"http://{HOST}{target}", dict(headers or {}), body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(Credentials(ACCOUNT, SECRET, token), service, REGION).add_auth(request)
    return request


def passes(request: ArrivedRequest, secret: str = SECRET) -> bool:
    """Tell whether a server that knows the secret lets the request in."""
    signature = read_signature(request.headers, request.query)
    return signature is not None and is_valid(signature, derived_key(secret, signature.claim), request)


@pytest.mark.parametrize(
    "request_",
    [
        (signed(), b"{}"),
        (signed(body=b""), b""),
        (signed(token="session-token"), b"{}"),
        (signed(headers={"X-Amz-Target": "DynamoDB_20120810.PutItem", "Content-Type": " a  b "}), b"{}"),
        (signed("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda/code?Qualifier=live&a=&b", b"", "lambda"), b""),
        (signed("GET", "/?b=2&a=1&a=0&c=%2F%20", b"", "iam"), b""),
        (signed("POST", "/api/live/@connections/Ab%3D%2B", b"hi", "execute-api"), b"hi"),
        (signed("POST", "/api/live/@connections/Ab=", b"hi", "execute-api"), b"hi"),
        (signed("GET", "/a/../b/./c//d/", b"", "lambda"), b""),
        (signed("GET", "/\N{LATIN SMALL LETTER U WITH DIAERESIS}".encode().decode("latin-1"), b"", "lambda"), b""),
        (signed("PUT", "/bucket/a%20b/c~d//e", b"content", "s3"), b"content"),
        (signed("GET", "/bucket?list-type=2&prefix=a%2Fb", b"", "s3"), b""),
    ],
    ids=lambda given: f"{given[0].method} {urlsplit(given[0].url).path}",
)
def test_a_signature_of_botocore_is_valid(request_: tuple[AWSRequest, bytes]) -> None:
    """Its signer is what most callers sign with."""
    assert passes(arrived(*request_))


def test_the_example_of_awss_documentation_has_its_signing_key() -> None:
    """https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html."""
    claim = read_claim(b"AKIDEXAMPLE/20120215/us-east-1/iam/aws4_request")
    assert claim is not None
    key = derived_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", claim)
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


@pytest.mark.parametrize("secret", ["local", "", SECRET[:-1], SECRET.lower()])
def test_another_secret_is_refused(secret: str) -> None:
    """Every key was root's before there were secrets."""
    assert passes(arrived(signed(), b"{}"))
    assert not passes(arrived(signed(), b"{}"), secret)


def test_a_changed_request_is_refused() -> None:
    """Method, path, query, signed headers and body are all covered."""
    good = arrived(signed("POST", "/path?a=1", b"body", headers={"X-Amz-Target": "Get"}), b"body")
    assert passes(good)
    assert not passes(good._replace(method=b"PUT"))
    assert not passes(good._replace(path=b"/other"))
    assert not passes(good._replace(query=b"a=2"))
    assert not passes(good._replace(query=b""))
    assert not passes(good._replace(body=b"other"))
    assert not passes(good._replace(headers={**good.headers, b"x-amz-target": b"Put"}))
    assert not passes(good._replace(headers={**good.headers, b"host": b"127.0.0.1:1"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"),
        (b"AWS4-HMAC-SHA256 ", b"Bearer "),
        (b"Credential=111111111111", b"Credential=222222222222"),
        (b"/dynamodb/", b"/sqs/"),
        (b"/us-east-1/", b"/eu-central-1/"),
        (b"/aws4_request", b"/aws5_request"),
        (b"Signature=", b"Signature=0"),
        (b", SignedHeaders=", b", Ignored="),
        (b"host;", b""),
    ],
)
def test_a_changed_header_is_refused(old: bytes, new: bytes) -> None:
    """Whatever part of it; another account's root has the same secret, but not the same signature key for a role."""
    good = arrived(signed(), b"{}")
    changed = good.headers[b"authorization"].replace(old, new)
    assert changed != good.headers[b"authorization"]
    bad = good._replace(headers={**good.headers, b"authorization": changed})
    if old.startswith(b"Credential="):
        signature = read_signature(bad.headers, b"")
        assert signature is not None
        assert signature.claim.access_key == "222222222222"
    else:
        assert not passes(bad)


@pytest.mark.parametrize("header", ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "Basic dGVzdDp0ZXN0"])
def test_a_malformed_signature_is_refused_as_a_missing_one(header: str) -> None:
    """It is refused as an unsigned request is."""
    assert read_signature({b"authorization": header.encode(), b"x-amz-date": b"20260101T000000Z"}, b"") is None


def test_a_signature_without_a_time_is_invalid() -> None:
    """It would be valid for ever."""
    assert not passes(arrived(signed(), b"{}", x_amz_date=None))


@pytest.mark.parametrize(("age", "valid"), [(-1_000, False), (-800, True), (0, True), (800, True), (1_000, False)])
def test_a_signature_is_valid_for_a_quarter_of_an_hour(
    monkeypatch: pytest.MonkeyPatch, age: float, *, valid: bool
) -> None:
    """Clocks may differ by that much either way, and an overheard request cannot be sent again later."""
    request = arrived(signed(), b"{}")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + age)
    assert passes(request) is valid


@pytest.mark.parametrize("moment", [b"20261399T000000Z", b"20260101", b"yesterday", b"20260101T000000Z\n"])
def test_a_malformed_time_is_refused(moment: bytes) -> None:
    """The server does not fail."""
    good = arrived(signed(), b"{}")
    assert not passes(good._replace(headers={**good.headers, b"x-amz-date": moment}))


def test_a_claimed_hash_of_another_body_is_refused() -> None:
    """S3's clients sign the body's hash in a header."""
    good = arrived(signed("PUT", "/bucket/key", b"content", "s3"), b"content")
    assert not passes(good._replace(body=b"other"))


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_a_presigned_url_is_valid_until_its_expiry(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """After it the URL is refused, and so is the URL of another object."""
    request = AWSRequest("GET", f"http://{HOST}/bucket/key?versionId=1", {}, None)
    kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    kind(Credentials(ACCOUNT, SECRET), service, REGION, expires=2_000).add_auth(request)
    good = arrived(request, b"")
    assert passes(good)
    assert not passes(good._replace(path=b"/bucket/other"))
    assert not passes(good, "another secret")
    assert not passes(good._replace(query=good.query.replace(b"X-Amz-Expires=2000", b"X-Amz-Expires=9000")))
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 1_900)
    assert passes(good)
    monkeypatch.setattr("time.time", lambda: now + 2_100)
    assert not passes(good)


@pytest.mark.parametrize(
    "header",
    [
        b"x-amz-target",
        b"x-amz-copy-source",
        b"x-amz-security-token",
        b"x-amz-acl",
    ],
)
def test_a_header_of_awss_that_is_not_signed_is_refused(header: bytes) -> None:
    """MiniStack routes by `x-amz-target` first, so that a presigned URL of S3 would run any action of any service."""
    presigned = AWSRequest("POST", f"http://{HOST}/bucket/key", {}, None)
    S3SigV4QueryAuth(Credentials(ACCOUNT, SECRET), "s3", REGION, expires=60).add_auth(presigned)
    for good in (arrived(presigned, b"{}"), arrived(signed(), b"{}")):
        assert passes(good)
        assert not passes(good._replace(headers={**good.headers, header: b"DynamoDB_20120810.Scan"}))


@pytest.mark.parametrize("seconds", [b"", b"x", b"-1", b"604801", b"\xc2\xb2"])
def test_a_presigned_url_is_valid_for_a_week_at_most(seconds: bytes) -> None:
    """As on AWS."""
    query = b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260101/r/s3/aws4_request&X-Amz-Expires=" + seconds
    assert read_signature({}, query) is None


def test_control_requests_of_the_root_are_signed() -> None:
    """As everything else is."""
    headers = signed_headers("POST", f"http://{HOST}/_gateway/faults", b"{}", ACCOUNT, SECRET)
    arrived_ = {name.lower().encode(): value.encode() for name, value in headers.items()} | {b"host": HOST.encode()}
    request = ArrivedRequest(b"POST", b"/_gateway/faults", b"", arrived_, b"{}")
    assert passes(request)
    assert not passes(request, "another secret")


@pytest.mark.parametrize(
    ("access_key", "root"),
    [(ACCOUNT, True), ("test", False), ("", False), ("1" * 11, False), ("ASIA" + "1" * 16, False)],
)
def test_an_accounts_id_is_its_roots_access_key(access_key: str, *, root: bool) -> None:
    """MiniStack takes some more names for root's, which are refused."""
    assert is_root(access_key) is root


def test_secrets_differ() -> None:
    """Each stack has its own."""
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) == 40

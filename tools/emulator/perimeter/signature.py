"""Checks requests that are signed with Signature Version 4, in a header or in the query string of a presigned URL.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. It is checked for each
request of a local stack, so it must cost little: a few microseconds, where botocore's signer takes 85.
"""

import hashlib
import hmac
import re
import secrets
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qs, parse_qsl, quote

ADMINISTRATION = "loudhailer"
"""The service in the signatures of orders to the local AWS and to the gateway, which AWS does not have."""

_ALGORITHM: Final = b"AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=([A-Za-z0-9/_-]+), *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})"
)
_CREDENTIAL: Final = re.compile(rb"([A-Za-z0-9]+)/((\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request)")
_MOMENT: Final = re.compile(rb"\d{8}T\d{6}Z")
_DIGEST: Final = re.compile(rb"[0-9a-f]{64}")
_SKEW_SECONDS: Final = 900
"""https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html"""

_WEEK_SECONDS: Final = 604_800
"""The longest that a presigned URL may be valid: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""

_UNRESERVED: Final = "-_.~"
_UNSIGNED: Final = b"UNSIGNED-PAYLOAD"
_OF_AWS: Final = b"x-amz-"
_COVERED: Final = (b"x-amz-date", b"x-amz-content-sha256")
"""Signed in any case: the one is in the text that is signed, the other is the last line of the canonical request."""

_ROOT: Final = re.compile(r"\d{12}")


def new_secret() -> str:
    """Return a secret access key that nobody can guess."""
    return secrets.token_hex(20)


def is_root(access_key: str) -> bool:
    """Tell whether the access key is that of an account's root; locally that is the account's id."""
    return _ROOT.fullmatch(access_key) is not None


class ArrivedRequest(NamedTuple):
    """A request as it arrived: names of headers in lower case, path and query as they are in the request line."""

    method: bytes
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Claim(NamedTuple):
    """Says who claims to have signed a request, and for which day, Region and service; `scope` is the last three."""

    access_key: str
    day: str
    region: str
    service: str
    scope: bytes


class Signature(NamedTuple):
    """The signature of a request.

    Attributes:
        claim: who claims to have made it.
        signed_headers: the names of the headers that it covers, separated by semicolons.
        digest: the signature itself, in hexadecimal digits.
        moment: when it was made, as `20260101T120000Z`.
        seconds: how long it is valid; longer for a presigned URL that says so.
        presigned: whether it is in the query string.
    """

    claim: Claim
    signed_headers: bytes
    digest: bytes
    moment: bytes
    seconds: int = _SKEW_SECONDS
    presigned: bool = False


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that an access key signs with for a day, a Region and a service.

    Attributes:
        account: the account that the access key belongs to.
        key: derived from the secret access key.
        expires_at: when the access key ends, in seconds since 1970.
    """

    account: str
    key: bytes
    expires_at: float = float("inf")


type FindSigningKey = Callable[[Claim], SigningKey | None]
"""Finds the key of a claim; None if nobody has its access key."""


@lru_cache(maxsize=1024)
def derived_key(secret: str, claim: Claim) -> bytes:
    """Derive the signing key of the claim's day, Region and service from a secret access key."""
    key = b"AWS4" + secret.encode()
    for part in claim.scope.split(b"/"):
        key = hmac.digest(key, part, "sha256")
    return key


def read_signature(headers: Mapping[bytes, bytes], query: bytes) -> Signature | None:
    """Read a request's signature; None if it has none that can be read."""
    authorization = headers.get(b"authorization")
    if authorization is None:
        return _presigned(query) if _ALGORITHM in query else None
    found = _HEADER.fullmatch(authorization)
    moment = headers.get(b"x-amz-date")
    if found is None or moment is None:
        return None
    credential, signed_headers, digest = found.groups()
    claim = read_claim(credential)
    return None if claim is None else Signature(claim, signed_headers, digest, moment)


def _presigned(query: bytes) -> Signature | None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    values = parse_qs(query)

    def value(name: bytes) -> bytes:
        return values.get(b"X-Amz-" + name, [b""])[0]

    claim, seconds = read_claim(value(b"Credential")), value(b"Expires")
    if value(b"Algorithm") != _ALGORITHM or claim is None or not seconds.isdigit() or int(seconds) > _WEEK_SECONDS:
        return None
    return Signature(claim, value(b"SignedHeaders"), value(b"Signature"), value(b"Date"), int(seconds), presigned=True)


@lru_cache(maxsize=1024)
def read_claim(credential: bytes) -> Claim | None:
    """Read `<access key>/<day>/<Region>/<service>/aws4_request`; None if it is not of that form."""
    found = _CREDENTIAL.fullmatch(credential)
    if found is None:
        return None
    access_key, scope, day, region, service = found.groups()
    return Claim(access_key.decode(), day.decode(), region.decode(), service.decode(), scope)


def is_valid(signature: Signature, key: bytes, request: ArrivedRequest) -> bool:
    """Tell whether the signature was made with the signing key, for this very request, a short while ago."""
    moment = signature.moment
    signed_at = _seconds(moment)
    if signed_at is None or moment[:8] != signature.claim.scope[:8]:
        return False
    if not -_SKEW_SECONDS <= time.time() - signed_at <= signature.seconds:
        return False
    canonical = _canonical_request(signature, request)
    if canonical is None:
        return False
    digest = hashlib.sha256(canonical).hexdigest().encode()
    text = b"%s\n%s\n%s\n%s" % (_ALGORITHM, moment, signature.claim.scope, digest)
    return hmac.compare_digest(hmac.digest(key, text, "sha256").hex().encode(), signature.digest)


def _canonical_request(signature: Signature, request: ArrivedRequest) -> bytes | None:
    """The request as it is signed; None if its host or a header of AWS's is not signed, or its body is another one."""
    headers, is_s3 = request.headers, signature.claim.service == "s3"
    names = _names(signature.signed_headers)
    payload = _payload(signature, request)
    if b"host" not in names or payload is None:
        return None
    if any(name.startswith(_OF_AWS) and name not in names and name not in _COVERED for name in headers):
        return None  # a presigned URL of S3 would run any action that `x-amz-target` names
    lines = [
        request.method,
        request.path if is_s3 else _canonical_path(request.path),
        _canonical_query(request.query) if request.query else b"",
    ]
    lines += [b"%s:%s" % (name, b" ".join(headers.get(name, b"").split())) for name in names]
    lines += [b"", signature.signed_headers, payload]
    return b"\n".join(lines)


def _payload(signature: Signature, request: ArrivedRequest) -> bytes | None:
    """The payload's hash as the signature covers it; None if the request claims another one than it has."""
    claimed = request.headers.get(b"x-amz-content-sha256")
    if claimed is None:
        if signature.presigned and signature.claim.service == "s3":
            return _UNSIGNED
        return hashlib.sha256(request.body).hexdigest().encode()
    if _DIGEST.fullmatch(claimed) and claimed != hashlib.sha256(request.body).hexdigest().encode():
        return None
    return claimed


@lru_cache(maxsize=256)
def _names(signed_headers: bytes) -> tuple[bytes, ...]:
    return tuple(signed_headers.split(b";"))


@lru_cache(maxsize=16_384)
def _canonical_path(path: bytes) -> bytes:
    """The path without empty and dotted segments, encoded once more."""
    if b"//" not in path and b"/." not in path:
        return quote(path, safe="/" + _UNRESERVED).encode()
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in {b"", b"."}:
            segments.append(segment)
    end = b"/" if path.endswith(b"/") and segments else b""
    return quote(b"/" + b"/".join(segments) + end, safe="/" + _UNRESERVED).encode()


def _canonical_query(query: bytes) -> bytes:
    pairs = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != b"X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


@lru_cache(maxsize=256)
def _seconds(moment: bytes) -> int | None:
    """The moment in seconds since 1970; None if it is none."""
    if _MOMENT.fullmatch(moment) is None:
        return None
    try:
        return timegm(time.strptime(moment.decode(), "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def signed_headers(
    method: str,
    url: str,
    body: bytes,
    account: str,
    secret: str,
    *,
    service: str = ADMINISTRATION,
    region: str = "local",
) -> dict[str, str]:
    """Return the headers of a request that the account's root sends, an order to the local AWS or to the gateway."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - a tenth of a second, which few commands of the operator need
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    request = AWSRequest(method, url, {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials(account, secret), service, region).add_auth(request)
    return dict(request.headers.items())

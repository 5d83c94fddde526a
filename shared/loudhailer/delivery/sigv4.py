"""Signature Version 4 for `@connections` requests; everything that posts have in common is computed once.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Posts to different connections differ only in their paths: signing one takes a SHA-256 of its canonical request and an
HMAC.
"""

import hmac
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from loudhailer.ids import ConnectionId

if TYPE_CHECKING:
    from _hashlib import HASH

type Method = Literal["POST", "DELETE", "GET"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "execute-api"
_BLOCK_BYTES = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of AWS; the token is None for those of a user."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        """Omit the secrets, which must not reach a log."""
        return f"Credentials({self.access_key})"


@lru_cache(maxsize=4)
def _keyed_hashes(secret_key: str, day: str, region: str) -> tuple["HASH", "HASH"]:
    """The inner and outer hash of an HMAC (RFC 2104) that have read the key, which hmac.digest does each time.

    Copy them; do not update them.
    """
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    key = key.ljust(_BLOCK_BYTES, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in key)), sha256(bytes(byte ^ 0x5C for byte in key))


class PostSigner:
    """Signs posts of one payload to connections of one API, or requests with another method.

    A signature holds for five minutes; a signer is made for each payload and renewed every second by `at`.
    """

    def __init__(self, endpoint: str, region: str, payload: bytes, method: Method = "POST") -> None:
        parts = urlsplit(endpoint)
        self._url = f"{endpoint}/@connections/"
        self._host = parts.netloc
        self._region = region
        self._method = method
        # The path of a request is escaped once, and once more in the canonical request.
        self._canonical_path = quote(f"{parts.path}/@connections/", safe="/~")
        self._payload_hash = sha256(payload).hexdigest()

    def at(self, now: float, credentials: Credentials) -> "Signer":
        """The signer for posts that are sent at `now`, in epoch seconds."""
        moment = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
        return Signer(
            url=self._url,
            host=self._host,
            region=self._region,
            method=self._method,
            canonical_path=self._canonical_path,
            payload_hash=self._payload_hash,
            moment=moment,
            credentials=credentials,
        )


class Signer:
    """Signs posts with the same time, payload and credentials."""

    def __init__(
        self,
        *,
        url: str,
        host: str,
        region: str,
        method: str,
        canonical_path: str,
        payload_hash: str,
        moment: str,
        credentials: Credentials,
    ) -> None:
        day = moment[:8]
        scope = f"{day}/{region}/{_SERVICE}/aws4_request"
        names = "host;x-amz-date"
        headers = f"host:{host}\nx-amz-date:{moment}\n"
        self._url = url
        self._others = f"\r\nX-Amz-Date: {moment}"
        if credentials.token is not None:
            names += ";x-amz-security-token"
            headers += f"x-amz-security-token:{credentials.token}\n"
            self._others += f"\r\nX-Amz-Security-Token: {credentials.token}"
        self._canonical_start = f"{method}\n{canonical_path}".encode()
        self._canonical_end = f"\n\n{headers}\n{names}\n{payload_hash}".encode()
        keyed, self._outer = _keyed_hashes(credentials.secret_key, day, region)
        self._inner = keyed.copy()
        self._inner.update(f"{_ALGORITHM}\n{moment}\n{scope}\n".encode())
        self._authorization = (
            f"Authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )

    def sign(self, connection: ConnectionId) -> tuple[str, str]:
        """Return the URL of a post to the connection, and its headers as one text of several lines.

        libcurl passes a header on verbatim, but searches it for a semicolon and then for the end of its line. In one
        text that begins with the signature's line it finds both early, and does not read the hundreds of characters of
        the token: that saves a tenth of a post's CPU.
        https://curl.se/libcurl/c/CURLOPT_HTTPHEADER.html
        """
        # A connection's id has no other characters that need escaping: see `ids.connection_id`.
        escaped = connection.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        canonical = self._canonical_start + escaped.replace("%", "%25").encode() + self._canonical_end
        inner = self._inner.copy()
        inner.update(sha256(canonical).hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._url + escaped, self._authorization + outer.hexdigest() + self._others

"""Signature Version 4 for `@connections` posts, with everything computed once that is the same for all of them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

A post to a connection differs from the next one only in its path: what is left of signing it is one SHA-256, of its
canonical request, and one HMAC.
"""

import hmac
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from urllib.parse import quote, urlsplit

from loudhailer.ids import ConnectionId

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
        """Without the secrets: a log line must not have them."""
        return f"Credentials({self.access_key})"


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class PostSigner:
    """Signs the posts of one payload to connections of one API.

    A signature holds for five minutes; a signer is made for each payload and renewed every second by `at`.
    """

    def __init__(self, endpoint: str, region: str, payload: bytes) -> None:
        parts = urlsplit(endpoint)
        self._url = f"{endpoint}/@connections/"
        self._host = parts.netloc
        self._region = region
        # The path of a request is escaped once; the canonical request escapes what is sent once more.
        self._canonical_path = quote(f"{parts.path}/@connections/", safe="/~")
        self._payload_hash = sha256(payload).hexdigest()

    def at(self, now: float, credentials: Credentials) -> "Signer":
        """The signer for posts that are sent at `now`, in epoch seconds."""
        moment = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
        return Signer(
            url=self._url,
            host=self._host,
            region=self._region,
            canonical_path=self._canonical_path,
            payload_hash=self._payload_hash,
            moment=moment,
            credentials=credentials,
        )


class Signer:
    """Signs posts of one moment, payload and set of credentials."""

    def __init__(
        self,
        *,
        url: str,
        host: str,
        region: str,
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
        self._headers = [f"X-Amz-Date: {moment}"]
        if credentials.token is not None:
            names += ";x-amz-security-token"
            headers += f"x-amz-security-token:{credentials.token}\n"
            self._headers.append(f"X-Amz-Security-Token: {credentials.token}")
        self._canonical_start = f"POST\n{canonical_path}"
        self._canonical_end = f"\n\n{headers}\n{names}\n{payload_hash}"
        self._to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n"
        # HMAC, RFC 2104, with the two hashes of the key made once: hmac.digest would make them again for every post.
        key = _signing_key(credentials.secret_key, day, region).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key))
        self._authorization = (
            f"Authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )

    def sign(self, connection: ConnectionId) -> tuple[str, list[str]]:
        """The URL and the headers of a post to the connection."""
        # A connection's id has no other characters that are escaped: see `ids.connection_id`.
        escaped = connection.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        canonical = self._canonical_start + escaped.replace("%", "%25") + self._canonical_end
        inner = self._inner.copy()
        inner.update((self._to_sign + sha256(canonical.encode()).hexdigest()).encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._url + escaped, [*self._headers, self._authorization + outer.hexdigest()]

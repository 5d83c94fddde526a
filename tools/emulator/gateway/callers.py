"""Callers of the management API: the account that has signed a request, once the signature is found to be right.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import asyncio
import json
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Protocol
from urllib.parse import urlsplit

from tools.emulator.aws.administration import SIGNING_KEY_PATH
from tools.emulator.gateway.http1 import Request
from tools.emulator.perimeter import signature as sigv4
from tools.emulator.perimeter.signature import (
    Claim,
    SigningKey,
    derived_key,
    is_root,
    is_valid,
    read_signature,
    signed_headers,
)

NOBODY = ""

_TIMEOUT_SECONDS = 10.0
_MOST_KEYS = 10_000


class SigningKeys(Protocol):
    """Knows what access keys sign with."""

    def signing_key(self, claim: Claim) -> SigningKey | None:
        """The key of the claim, or none for an access key that nobody has; may block."""


class LocalAwsSigningKeys:
    """Asks the local AWS."""

    def __init__(self, endpoint: str, account: str, secret: str) -> None:
        self._url = urlsplit(endpoint)
        self._endpoint = endpoint.rstrip("/")
        self._account = account
        self._secret = secret

    def signing_key(self, claim: Claim) -> SigningKey | None:
        """The key, or none for an access key that the local AWS has not issued, or that has ended."""
        body = json.dumps({"credential": f"{claim.access_key}/{claim.scope.decode()}"}).encode()
        headers = signed_headers("POST", self._endpoint + SIGNING_KEY_PATH, body, self._account, self._secret)
        connection = HTTPConnection(self._url.netloc, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", SIGNING_KEY_PATH, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            return None
        found = json.loads(content)
        ends = float("inf") if found["expiresAt"] is None else found["expiresAt"]
        return SigningKey(found["account"], bytes.fromhex(found["key"]), ends)


class RootKeys:
    """Knows the keys of the accounts' roots, and no others."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def signing_key(self, claim: Claim) -> SigningKey | None:
        """The key; locally the access key of an account's root is the account's id."""
        if not is_root(claim.access_key):
            return None
        return SigningKey(claim.access_key, derived_key(self._secret, claim))


class Callers:
    """Remembers the signing keys of a day, so that nobody is asked for each post."""

    def __init__(self, signing_keys: SigningKeys, service: str = "execute-api") -> None:
        self._signing_keys = signing_keys
        self._service = service
        self._keys: dict[Claim, SigningKey] = {}

    def known(self, request: Request) -> str | None:
        """The caller's account, NOBODY without the right signature, none if the signing key must be asked for."""
        target, _, query = request.target.partition(b"?")
        signature = read_signature(request.headers, query)
        if signature is None or signature.claim.service != self._service:
            return NOBODY
        key = self._keys.get(signature.claim)
        if key is None:
            return None
        signed = sigv4.ArrivedRequest(request.method, target, query, request.headers, request.body)
        return key.account if key.expires_at > time.time() and is_valid(signature, key.key, signed) else NOBODY

    async def resolve(self, request: Request) -> str:
        """The caller's account, or NOBODY."""
        account = self.known(request)
        if account is not None:
            return account
        signature = read_signature(request.headers, request.target.partition(b"?")[2])
        key = None if signature is None else await asyncio.to_thread(self._signing_keys.signing_key, signature.claim)
        if signature is None or key is None:
            return NOBODY
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        self._keys[signature.claim] = key
        return self.known(request) or NOBODY

"""Caller of a request, by its signature."""

import time
from dataclasses import replace

import pytest

from tools.emulator.gateway.callers import NOBODY, Callers, RootKeys
from tools.emulator.gateway.http1 import Request
from tools.emulator.perimeter.signature import Claim, SigningKey, derived_key, signed_headers

ACCOUNT, SECRET = "111111111111", "the stack's secret"
SESSION, SESSION_SECRET = "ASIADD766115034D4329", "the session's secret"
TARGET = "/abcdef123/live/@connections/Ab%3D"


class Keys:
    """Knows one session's key, and counts how often it is asked."""

    def __init__(self, expires_at: float = float("inf")) -> None:
        self.asked = 0
        self._expires_at = expires_at

    def signing_key(self, claim: Claim) -> SigningKey | None:
        """See `SigningKeys.signing_key`."""
        self.asked += 1
        if claim.access_key != SESSION:
            return None
        return SigningKey(ACCOUNT, derived_key(SESSION_SECRET, claim), self._expires_at)


def post(
    access_key: str = SESSION, secret: str = SESSION_SECRET, service: str = "execute-api", target: str = TARGET
) -> Request:
    """A post as botocore signs it."""
    headers = signed_headers("POST", f"http://127.0.0.1:8000{target}", b"hello", access_key, secret, service=service)
    encoded = {name.lower().encode(): value.encode() for name, value in headers.items()}
    return Request(b"POST", target.encode(), {**encoded, b"host": b"127.0.0.1:8000"}, (), b"hello")


async def test_the_caller_of_a_signed_request_is_the_keys_account() -> None:
    """The way of functions in the hub and in subscribers' accounts."""
    assert await Callers(Keys()).resolve(post()) == ACCOUNT


async def test_a_key_is_looked_up_once() -> None:
    """A post must cost little: the second one is decided at once."""
    keys = Keys()
    callers = Callers(keys)
    assert callers.known(post()) is None
    await callers.resolve(post())
    assert callers.known(post()) == ACCOUNT
    assert await callers.resolve(post(target="/abcdef123/live/@connections/Cd%3D")) == ACCOUNT
    assert keys.asked == 1


@pytest.mark.parametrize(
    "request_",
    [
        post(secret="another secret"),
        post(access_key="ASIANOTHINGISKNOWN00"),
        post(service="s3"),
        replace(post(), body=b"another body"),
        replace(post(), method=b"DELETE"),
    ],
)
async def test_a_wrong_signature_identifies_no_caller(request_: Request) -> None:
    """Also one for another service, and one of a key that nobody has."""
    callers = Callers(Keys())
    assert await callers.resolve(request_) == NOBODY
    await callers.resolve(post())
    assert await callers.resolve(request_) == NOBODY


@pytest.mark.parametrize("header", [b"", b"Bearer x", b"AWS4-HMAC-SHA256 Credential=x"])
async def test_a_malformed_signature_identifies_no_caller(header: bytes) -> None:
    """Such a caller is never the API's account."""
    request = replace(post(), headers={**post().headers, b"authorization": header})
    assert Callers(Keys()).known(request) == NOBODY


async def test_an_ended_session_identifies_no_caller() -> None:
    """Its key is remembered no longer than it is valid."""
    callers = Callers(Keys(expires_at=time.time() - 1))
    assert await callers.resolve(post()) == NOBODY
    assert callers.known(post()) == NOBODY


async def test_the_roots_keys_are_known_without_asking() -> None:
    """The access key of an account's root is the account's id, and its secret the stack's."""
    callers = Callers(RootKeys(SECRET))
    assert await callers.resolve(post("222222222222", SECRET)) == "222222222222"
    assert await callers.resolve(post("222222222222", "local")) == NOBODY
    assert await callers.resolve(post()) == NOBODY

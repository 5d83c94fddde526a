"""Whose request it is, by its Authorization header."""

import pytest

from tools.gateway.callers import NOBODY, Callers


class NoKeys:
    """Knows no key."""

    def account_of(self, access_key: str) -> str | None:
        """Must not be asked."""
        raise AssertionError(access_key)


def header(key: str = "111111111111", service: str = "execute-api", algorithm: str = "AWS4-HMAC-SHA256") -> bytes:
    """A header as botocore writes it."""
    scope = f"{key}/20260101/us-east-1/{service}/aws4_request"
    return f"{algorithm} Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'a' * 64}".encode()


def test_a_root_key_is_its_account() -> None:
    """Locally an access key is the account's id."""
    assert Callers(NoKeys()).known(header()) == "111111111111"


def test_a_sessions_key_has_to_be_looked_up() -> None:
    """STS knows whose it is."""
    assert Callers(NoKeys()).known(header("ASIADD766115034D4329")) is None


@pytest.mark.parametrize("value", [b"", b"Bearer x", header(service="s3"), header(algorithm="AWS4"), header()[:-1]])
def test_what_is_no_signature_for_execute_api_is_nobodys(value: bytes) -> None:
    """And so never the API's account."""
    assert Callers(NoKeys()).known(value) == NOBODY

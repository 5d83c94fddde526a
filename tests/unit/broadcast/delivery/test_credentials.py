"""The credentials that Lambda puts into a function's environment."""

import pytest

from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.sigv4 import Credentials


def test_the_credentials_of_a_function_are_read_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token of its role; a user, as the local AWS has them, has none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert own_credentials() == Credentials("key", "secret", "token")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert own_credentials() == Credentials("key", "secret", None)

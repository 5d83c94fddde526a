"""Unit tests have no network: what needs a socket is an integration test."""

from pytest_socket import disable_socket


def pytest_runtest_setup() -> None:
    """Refuse every socket but those that an event loop wakes itself with."""
    disable_socket(allow_unix_socket=True)

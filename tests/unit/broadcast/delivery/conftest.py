"""The sender is tried against a server of the test's own: this folder alone may reach 127.0.0.1."""

from pathlib import Path

import pytest
from pytest_socket import enable_socket, socket_allow_hosts

from tests.support.certificates import self_signed


@pytest.fixture(autouse=True)
def _local_network() -> None:
    enable_socket()
    socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))

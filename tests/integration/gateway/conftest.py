"""Fixtures of the gateway's integration tests."""

import socket
from collections.abc import Iterator

import pytest

from tests.integration.gateway.local_api import LocalApi, RunningGateway, ministack, running_gateway


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    """MiniStack with the probe's API."""
    notes = tmp_path_factory.mktemp("notes")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("ministack")
    with ministack(port, folder) as endpoint:
        yield LocalApi.create(endpoint, notes)


@pytest.fixture(scope="session")
def gateway(api: LocalApi) -> Iterator[RunningGateway]:
    """A gateway with AWS's own limits, for all tests that need no others."""
    with running_gateway(api) as running:
        yield running

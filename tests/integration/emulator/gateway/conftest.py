"""Fixtures of the gateway's integration tests."""

from collections.abc import Iterator

import pytest

from tests.integration.emulator.aws.running import LocalAws
from tests.integration.emulator.gateway.local_api import LocalApi, RunningGateway, running_gateway


@pytest.fixture(scope="session")
def api(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    """The local AWS with the probe's API."""
    return LocalApi.create(local_aws.endpoint, tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="session")
def gateway(api: LocalApi) -> Iterator[RunningGateway]:
    """A gateway with AWS's own limits, for all tests that need no others."""
    with running_gateway(api) as running:
        yield running

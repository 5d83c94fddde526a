"""The local AWS that the tests of a session share."""

from collections.abc import Iterator

import pytest

from tests.integration.emulator.aws.running import WORKERS_PER_FUNCTION, LocalAws, launched


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A launcher with small caps and a fast TTL sweep."""
    workers = ("--workers-per-function", str(WORKERS_PER_FUNCTION), "--workers", "8")
    with launched(tmp_path_factory.mktemp("local-aws"), "--ttl-interval", "0.2", *workers) as running:
        yield running

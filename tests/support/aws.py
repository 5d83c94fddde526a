"""A local AWS as a process of its own, and its clients; a suite that uses the fixtures imports them in its conftest."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from loudhailer import codec
from tests.support.reserved_words import refuse_reserved_words
from tests.support.waiting import wait_until

ACCOUNT = "111111111111"
RUNNING = "LOUDHAILER_TEST_AWS"
"""The variable with the URL of a local AWS that runs already and is to be used by the contract tests."""

RUNNING_SECRET = "LOUDHAILER_TEST_AWS_SECRET"
"""The variable with its secret."""

SECRET = os.environ.get(RUNNING_SECRET) or secrets.token_hex(20)
"""The secret access key of every account's root."""

_STOP_SECONDS = 15
_ROOT = Path(__file__).parents[2]


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The URL of a local AWS that keeps its files in the directory and lives as long as the block.

    It does not throttle: hundreds who race for one item are to show who wins, and would spend seconds waiting.
    """
    ready_file, log = directory / "ready", directory / "log"
    command = [sys.executable, "-m", "tools.emulator.aws", "--port", "0", "--account", ACCOUNT, "--no-throttling"]
    command += ["--state-dir", str(directory / "state"), "--ready-file", str(ready_file)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=_ROOT, env=with_secret(os.environ)) as process,
    ):
        try:
            wait_until(lambda: ready_file.exists() or process.poll() is not None)
            assert process.poll() is None, f"the local AWS did not start:\n{log.read_text()[-2000:]}"
            yield str(codec.decode(ready_file.read_bytes())["endpoint"])
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def with_secret(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a local AWS or a gateway that is to know the secret."""
    return {**environment, "AWS_SECRET_ACCESS_KEY": SECRET}


def aws_client(service: str, endpoint: str, account: str = ACCOUNT) -> Any:
    """A client of a service for an account's root; as AWS, it takes no reserved word in an expression of DynamoDB."""
    client = boto3.client(  # type: ignore[call-overload]  # the caller knows the service's type
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key=SECRET,
        config=Config(max_pool_connections=64),
    )
    client.meta.events.register("provide-client-params.dynamodb", refuse_reserved_words)
    return client


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local AWS that lives as long as the test session, or of one that runs already."""
    if endpoint := os.environ.get(RUNNING):
        yield endpoint
        return
    with running(tmp_path_factory.mktemp("aws")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def aws(aws_endpoint: str) -> Callable[[str], Any]:
    """Make a client of a service of the local AWS."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = aws_client(service, aws_endpoint)
        return clients[service]

    return client

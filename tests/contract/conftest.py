"""A local AWS for the contract tests: the same suite runs on the in-memory twin and on the real adapter.

`aws("dynamodb")` is a client; `table("sessions")` is the name of a fresh, empty table.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from loudhailer import codec
from tests.contract.reserved_words import refuse_reserved_words
from tests.contract.tables import TableKind, create_table

ACCOUNT = "111111111111"
READY_SECONDS = 30
STOP_SECONDS = 15
ROOT = Path(__file__).parents[2]


def aws_client(service: str, endpoint: str) -> Any:
    """A client of a service at the endpoint; as AWS, it takes no reserved word in an expression of DynamoDB."""
    client = boto3.client(  # type: ignore[call-overload]  # the caller knows the service's type
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="local",
        config=Config(max_pool_connections=64),
    )
    client.meta.events.register("provide-client-params.dynamodb", refuse_reserved_words)
    return client


def _endpoint(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> str:
    """The URL that the launcher announces once it is ready."""
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        if ready_file.exists():
            return str(codec.decode(ready_file.read_bytes())["endpoint"])
        time.sleep(0.05)
    pytest.fail(f"the local AWS did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local AWS that lives as long as the test session."""
    directory = tmp_path_factory.mktemp("aws")
    ready_file, log = directory / "ready", directory / "log"
    command = [sys.executable, "-m", "tools.local_aws", "--port", "0", "--account", ACCOUNT]
    command += ["--state-dir", str(directory / "state"), "--ready-file", str(ready_file)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT) as process,
    ):
        try:
            yield _endpoint(process, ready_file, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def aws(aws_endpoint: str) -> Callable[[str], Any]:
    """Makes a client of a service of the local AWS."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = aws_client(service, aws_endpoint)
        return clients[service]

    return client


@pytest.fixture
def table(aws: Callable[[str], Any]) -> Iterator[Callable[[TableKind], str]]:
    """Makes a fresh table of a kind, and deletes it after the test."""
    dynamodb = aws("dynamodb")
    names: list[str] = []

    def make(kind: TableKind) -> str:
        names.append(create_table(dynamodb, kind))
        return names[-1]

    yield make
    for name in names:
        dynamodb.delete_table(TableName=name)

"""A local AWS for the contract tests: the same suite runs on the in-memory twin and on the real adapter.

`aws("dynamodb")` is a client; `table("sessions")` is the name of a fresh, empty table.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.contract.tables import TableKind, create_table

ACCOUNT = "111111111111"
READY_SECONDS = 30


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _client(service: str, endpoint: str, **config: Any) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the caller knows the service's type
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="local",
        config=Config(max_pool_connections=64, **config),
    )


def _wait_until_ready(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    dynamodb = _client("dynamodb", endpoint, retries={"total_max_attempts": 1})
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            dynamodb.list_tables()
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the local AWS did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a MiniStack that lives as long as the test session."""
    directory = tmp_path_factory.mktemp("ministack")
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    log = directory / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait_until_ready(endpoint, process, log)
            yield endpoint
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def aws(aws_endpoint: str) -> Callable[[str], Any]:
    """Makes a client of a service of the local AWS."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = _client(service, aws_endpoint)
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

"""The system under test: a local stack of the tests' own, brought up and taken down by the command line."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from loudhailer.aws.rows import Item
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId, SessionId, TenantId, session_secret
from loudhailer.sessions.dynamodb import session_key
from tools.operations.census import TenantCount, count_tenant
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import AWS, GATEWAY
from tools.stack.local_aws import local_endpoint
from tools.stack.processes import MARK, ProcessTable
from tools.stack.state import StackState, load_state

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sts.client import STSClient

    from loudhailer.tenants.port import TenantStore

_COMMAND_SECONDS = 600.0
_MOST_EVENTS = 10_000
"""The most events that one call of FilterLogEvents returns."""

_LOUDHAILER = Path(sys.executable).with_name("loudhailer")


@dataclass(frozen=True)
class System:
    """A stack in its state directory, as it was when it came up.

    Attributes:
        home: the state directory.
        name: the stack's name in it.
        state: what the stack says of itself.
        secrets: the id of every session that the tests have used.
    """

    home: Path
    name: str
    state: StackState
    secrets: set[SessionId] = field(default_factory=set)

    @cached_property
    def directory(self) -> StackDirectory:
        """Folder of everything that the stack owns."""
        return StackDirectory(self.home / self.name)

    @cached_property
    def deployment(self) -> Deployment:
        """The outputs of Terraform."""
        return Deployment.of(self.state)

    @property
    def gateway_url(self) -> str:
        """The base URL of the gateway's own endpoints."""
        return local_endpoint(self.state.gateway_port)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """A client of DynamoDB."""
        client: DynamoDBClient = self.deployment.client("dynamodb")
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        """A client of SQS."""
        client: SQSClient = self.deployment.client("sqs")
        return client

    @cached_property
    def functions(self) -> "LambdaClient":
        """A client of Lambda."""
        client: LambdaClient = self.deployment.client("lambda")
        return client

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """A client of CloudWatch Logs."""
        client: CloudWatchLogsClient = self.deployment.client("logs")
        return client

    @property
    def tenants(self) -> "TenantStore":
        """The tenants' table."""
        return self.deployment.tenants

    @cached_property
    def broadcasts(self) -> DynamoBroadcastStore:
        """The broadcasts' table."""
        return DynamoBroadcastStore(self.dynamodb, self.table("broadcasts"), clock=time.time)

    def session_key(self, tenant: TenantId, session: str) -> Item:
        """The key of a session's row: its id as the service keeps it."""
        existing = self.tenants.get(tenant)
        assert existing is not None
        kept = existing.session_id_of(session_secret(session))
        return session_key(tenant, kept)

    def table(self, name: str) -> str:
        """A table's name, by its short name."""
        return str(self.deployment.outputs["tables"][name])

    def queue(self, name: str) -> str:
        """A queue's URL, by its short name."""
        return self.deployment.queue_urls[name]

    def shard(self, broadcast_id: str) -> str:
        """The short name of the queue that a broadcast's first chunk goes to."""
        names = self.deployment.shard_names
        return names[shard_of(BroadcastId(broadcast_id), ChunkId("0.0"), len(names))]

    def connections_of(self, tenant: TenantId) -> list[Item]:
        """The rows of a tenant's connections."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table("connections"),
            FilterExpression="tenantId = :tenant",
            ExpressionAttributeValues={":tenant": {"S": tenant}},
            ConsistentRead=True,
        )
        return [item for page in pages for item in page["Items"]]

    def change_connection(self, row: Item, **times: int) -> None:
        """Set times of a connection's row, which must exist: `connectedAt`, `expiresAt`."""
        self.dynamodb.update_item(
            TableName=self.table("connections"),
            Key={key: row[key] for key in ("partition", "connectionId")},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in times),
            ConditionExpression="attribute_exists(connectionId)",
            ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in times.items()},
        )

    def count(self, tenant: TenantId) -> TenantCount:
        """A tenant's connections by each of the three places that count them."""
        return count_tenant(self.deployment, tenant)

    def waiting(self, *queues: str, delayed: bool = False) -> int:
        """Return how many messages of the queues wait, are delayed, or are being handled."""
        depths: list[QueueAttributeNameType] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        if delayed:
            depths.append("ApproximateNumberOfMessagesDelayed")
        return sum(
            int(number)
            for queue in queues
            for number in self.sqs.get_queue_attributes(QueueUrl=self.queue(queue), AttributeNames=depths)[
                "Attributes"
            ].values()
        )

    def pids(self) -> dict[str, int | None]:
        """The process ids of what runs in the background."""
        table = ProcessTable(self.directory)
        return {name: getattr(table.find(name), "pid", None) for name in (AWS, GATEWAY)}

    def loudhailer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command on the stack."""
        return loudhailer(self.home, self.name, *arguments)

    def as_operator(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command on the environment, as on AWS: found by its parameter, in the operator's role."""
        elsewhere = {"AWS_ENDPOINT_URL": str(self.deployment.access.endpoint), **self.operator}
        return loudhailer(self.home / "nothing", "none", "--environment", "local", *arguments, **elsewhere)

    @cached_property
    def operator(self) -> dict[str, str]:
        """The credentials of the operator's role, as the variables that AWS's own tools read."""
        client: STSClient = self.deployment.client("sts")
        role = self.deployment.outputs["operator_role_arn"]
        credentials = client.assume_role(RoleArn=role, RoleSessionName="operator")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }


def loudhailer(home: Path, stack: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command on a stack in a state directory, with some variables besides those of the tests."""
    return subprocess.run(
        _command(home, stack, *arguments),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_COMMAND_SECONDS,
    )


@asynccontextmanager
async def started(home: Path, stack: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One command on a stack, running, which SIGINT interrupts; the block sees to it that it ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and hand that on
    quiet = subprocess.DEVNULL
    command = await asyncio.create_subprocess_exec(
        *_command(home, stack, *arguments), stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        yield command
    finally:
        await command.wait()


def _command(home: Path, stack: str, *arguments: str) -> list[str]:
    return [str(_LOUDHAILER), "--state-dir", str(home), "--stack", stack, *arguments]


@contextmanager
def running_system(home: Path, name: str, *arguments: str, **environment: str) -> Iterator[System]:
    """Bring a stack up for the block; afterwards nothing of it is left, whatever happened."""
    try:
        yield brought_up(home, name, *arguments, **environment)
    finally:
        down = loudhailer(home, name, "down")
        assert down.returncode == 0, down.stderr
        assert remains(home) == []


def brought_up(home: Path, name: str, *arguments: str, **environment: str) -> System:
    """The stack, brought up to date."""
    up = loudhailer(home, name, "up", *arguments, **environment)
    assert up.returncode == 0, up.stderr
    state = load_state(StackDirectory(home / name).state_file)
    assert state is not None
    return System(home, name, state)


def log_events(system: System, group: str, logs: "CloudWatchLogsClient | None" = None) -> Iterator[str]:
    """Every event of a log group, some of them twice: the local AWS gives so many at once, and no token for more.

    The group is the hub's, or one in the account that the client is for.
    """
    since, full = 0, True
    while full:
        page = (logs or system.logs).filter_log_events(logGroupName=group, startTime=since)["events"]
        yield from (event["message"] for event in page)
        full = len(page) == _MOST_EVENTS
        since = page[-1]["timestamp"] if full else since


def secrets_in_logs(system: System) -> set[tuple[str, SessionId]]:
    """The sessions' ids that the functions, the gateways, the local AWS or Terraform have logged, each with its log."""
    found = {path.name: path.read_text(errors="replace") for path in system.directory.log("any").parent.iterdir()}
    for name, cell in system.deployment.all_cells.items():
        client: CloudWatchLogsClient = cell.client("logs")
        pages = client.get_paginator("describe_log_groups").paginate()
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        assert {f"/aws/lambda/{function}" for function in cell.functions.values()} <= set(groups)
        found |= {f"{name} {group}": "\n".join(log_events(system, group, client)) for group in groups}
    return {(name, secret) for name, log in found.items() for secret in system.secrets if secret in log}


def remains(home: Path) -> list[str]:
    """Every file in a state directory, and every process that has to do with it."""
    files = [str(path) for path in home.rglob("*")] if home.exists() else []
    return files + [
        f"{process.pid} {' '.join(process.info['cmdline'] or ())}"
        for process in psutil.process_iter(["cmdline", "cwd", "environ"])
        if _belongs_to(process.info, home)
    ]


def _belongs_to(process: dict[str, Any], home: Path) -> bool:
    traces = (process["cwd"] or "", (process["environ"] or {}).get(MARK, ""), *(process["cmdline"] or ()))
    return any(str(home) in trace for trace in traces)

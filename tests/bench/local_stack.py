"""A local stack of the benchmark's own: brought up, its gateway under the quota to measure, taken down again."""

import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from rich.console import Console

from loudhailer.connections.dynamodb import connection_to_item
from loudhailer.connections.model import CONNECTION_SECONDS, Connection, ConnectionKey
from loudhailer.ids import HUB, CellName, ConnectionId, SessionId, TenantId, nth_partition
from tests.bench.processes import BenchmarkError, cpu_seconds
from tools.console import Terminal
from tools.stack.cells import gateway_of
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import AWS, GATEWAY, Stack
from tools.stack.local_aws import local_endpoint, local_environment
from tools.stack.processes import await_ready
from tools.stack.project import Project
from tools.stack.state import StackState

PARTITION_SIZE = 1_000

_ITEMS_A_BATCH = 25
_AGE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that runs."""

    stack: Stack
    state: StackState

    @property
    def deployment(self) -> Deployment:
        """Its outputs and clients."""
        return Deployment.of(self.state)

    @property
    def gateway_url(self) -> str:
        """Address of the gateway's own endpoints."""
        return self.gateway_url_of(HUB)

    def gateway_url_of(self, cell: CellName) -> str:
        """Address of the own endpoints of a cell's gateway."""
        return local_endpoint(self._gateway_port(cell))

    def _gateway_port(self, cell: CellName) -> int:
        return self.state.gateway_port if cell == HUB else self.state.cell_ports[cell]

    def restart_gateway(self, cell: CellName = HUB, **limits: float) -> None:
        """The gateway of a cell again, under other limits."""
        processes, directory = self.stack.processes, self.stack.directory
        name, port = GATEWAY if cell == HUB else gateway_of(cell), self._gateway_port(cell)
        processes.stop(name)
        command = [
            "tools.emulator.gateway",
            "--aws-endpoint",
            local_endpoint(self.state.aws_port),
            "--account",
            self.deployment.all_cells[cell].account,
        ]
        command += ["--port", str(port)]
        command += [f"--{name.replace('_', '-')}={value}" for name, value in limits.items()]
        environment = local_environment(os.environ, self.state.aws_port, self.state.secret) | {
            "TMPDIR": str(directory.temporary)
        }
        process = processes.start(name, [sys.executable, "-m", *command], environment)
        await_ready(process, directory.log(name), port)

    async def seed(self, connections: Sequence[Connection], cell: CellName = HUB) -> None:
        """Write the connections' rows, which their stream then counts, and the rows of their partitions before."""
        deployment = self.deployment.all_cells[cell]
        partitions = {connection.key.partition for connection in connections}
        await asyncio.gather(*(asyncio.to_thread(deployment.partitions.open, key) for key in partitions))
        client, table = deployment.client("dynamodb"), deployment.outputs["tables"]["connections"]
        for batch in batched(connections, _ITEMS_A_BATCH, strict=False):
            puts = [{"PutRequest": {"Item": connection_to_item(connection)}} for connection in batch]
            answer = await asyncio.to_thread(client.batch_write_item, RequestItems={table: puts})
            if answer["UnprocessedItems"]:
                raise BenchmarkError("the local AWS did not take all rows")

    def cpu_by_function(self) -> "WorkersCpu":
        """The CPU time that the functions' workers have used until now."""
        leader = self.stack.processes.find(AWS)
        found: dict[str, dict[int, float]] = defaultdict(dict)
        names = {name: short for short, name in self.deployment.functions.items()}
        for process in leader.children(recursive=True) if leader else ():
            name = process.environ().get("AWS_LAMBDA_FUNCTION_NAME")
            if name in names:
                found[names[name]][process.pid] = cpu_seconds(process.pid)
        return WorkersCpu(found)


@dataclass(frozen=True, slots=True)
class WorkersCpu:
    """The CPU seconds of worker processes, by function and process id."""

    seconds: Mapping[str, Mapping[int, float]]

    def since(self, earlier: "WorkersCpu") -> dict[str, float]:
        """Return what each function has used since an earlier look; all of it for workers that are new."""
        return {
            function: sum(used - earlier.seconds.get(function, {}).get(pid, 0.0) for pid, used in workers.items())
            for function, workers in self.seconds.items()
        }


def seeded_connections(tenant: TenantId, ids: Sequence[str]) -> list[Connection]:
    """Connections with these ids, each in a session of its own, made long enough ago that a 410 is believed."""
    connected_at = int(time.time()) - _AGE_SECONDS
    return [
        Connection(
            key=ConnectionKey(nth_partition(tenant, place // PARTITION_SIZE), ConnectionId(each)),
            session_id=SessionId(f"{place:036d}"),
            connected_at=connected_at,
            expires_at=connected_at + CONNECTION_SECONDS,
        )
        for place, each in enumerate(ids)
    ]


@contextmanager
def running_stack(**variables: Any) -> Iterator[RunningStack]:
    """A new stack for the length of the block; nothing of it is left afterwards."""
    silent = Terminal(Console(quiet=True), Console(quiet=True, stderr=True))
    with tempfile.TemporaryDirectory() as home:
        directory = StackDirectory(Path(home).resolve() / "bench")
        stack = Stack(Project.of_this_code(), directory, silent, variables)
        with directory.locked():
            try:
                stack.up()
                state = stack.state()
                if state is None:
                    raise BenchmarkError("the stack did not come up")
                yield RunningStack(stack, state)
            finally:
                stack.clear()

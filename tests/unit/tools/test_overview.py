"""Tables of `status` about functions, queues and tenants; AWS is a stand-in."""

import io
from types import SimpleNamespace
from typing import Any

from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.ids import ConnectionId, SessionId, TenantId, nth_partition
from loudhailer.partitions.model import PartitionCount
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.tenants import MemoryTenantStore
from tools.console import Terminal
from tools.operations.census import TenantCount, count_tenant
from tools.operations.overview import overview
from tools.operations.tenants import SAMPLE_TENANTS

GOLD = TenantId("gold")


def deployment_of(**more: Any) -> Any:
    """A deployment whose tenant `gold` has two partitions, three connections, and counts that are behind."""
    partitions = MemoryPartitionStore()
    connections = MemoryConnectionStore()
    limits = MemoryLimitStore()
    keys = [nth_partition(GOLD, number) for number in range(2)]
    for partition in keys:
        partitions.open(partition)
    partitions.rows[keys[0]] = PartitionCount(keys[0], count=2)
    for number in range(3):
        key = ConnectionKey(keys[number % 2], ConnectionId(f"c{number}"))
        connections.rows[key] = Connection(key, SessionId("s"), connected_at=0, expires_at=9)
    for _ in range(4):
        limits.reserve(GOLD, 10)
    tenants = MemoryTenantStore(SAMPLE_TENANTS[2])
    hub = SimpleNamespace(
        partitions=partitions, connections=connections, limits=limits, tenants=tenants, cells={}, **more
    )
    hub.all_cells = {"hub": hub}
    return hub


def test_a_tenant_is_counted_in_all_three_places() -> None:
    """They agree only when all the streams have been read."""
    count = count_tenant(deployment_of(), GOLD)
    assert count == TenantCount(GOLD, partitions=2, rows=3, counted=2, reserved=4)
    assert not count.agrees_with(3)
    assert TenantCount(GOLD, partitions=2, rows=3, counted=3, reserved=3).agrees_with(3)


def test_a_tenant_without_connections_has_counts_of_zero() -> None:
    """It has no partition yet."""
    assert count_tenant(deployment_of(), TenantId("new")) == TenantCount(TenantId("new"), 0, 0, 0, 0)


class Aws:
    """Lambda and SQS, as far as `status` asks them."""

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        """A function."""
        return {"State": "Active", "MemorySize": 512, "Timeout": 10}

    def get_paginator(self, _operation: str) -> "Aws":
        """Its event sources, page by page."""
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        """A queue on one page, a table's stream on the other."""
        arns = (
            "arn:aws:sqs:us-east-1:1:p-shard-0",
            "arn:aws:dynamodb:us-east-1:1:table/p-connections/stream/2026-01-01T00:0",
        )
        return [{"EventSourceMappings": [{"EventSourceArn": arn}]} for arn in arns]

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        """A queue's depths."""
        name = "ApproximateNumberOfMessages"
        return {"Attributes": {name: "1", f"{name}NotVisible": "2", f"{name}Delayed": "3"}}


def test_the_overview_shows_functions_queues_and_tenants(terminal: Terminal, written: io.StringIO) -> None:
    """One plain line each."""
    aws = Aws()
    deployment = deployment_of(
        functions={"swarm": "p-swarm"}, queue_urls={"shard-0": "http://q"}, client=lambda _service: aws
    )
    for table in overview(deployment, count_rows=True):
        terminal.show(table)
    rows = [line.split() for line in written.getvalue().splitlines()]
    assert ["swarm", "Active", "512", "10", "p-connections,", "p-shard-0"] in rows
    assert ["shard-0", "1", "2", "3"] in rows
    assert ["gold", "2", "3", "2", "4"] in rows


def test_the_overview_on_aws_reads_no_row_of_a_connection(terminal: Terminal, written: io.StringIO) -> None:
    """DynamoDB reads every row that it counts, of a crowd of a million, too."""
    deployment = deployment_of(functions={}, queue_urls={}, client=lambda _service: Aws())
    deployment.connections = None
    for table in overview(deployment, count_rows=False):
        terminal.show(table)
    rows = [line.split() for line in written.getvalue().splitlines()]
    assert ["tenant", "partitions", "counted", "reserved"] in rows
    assert ["gold", "2", "2", "4"] in rows

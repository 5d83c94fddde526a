"""Tables of `loudhailer status`: processes, URLs, functions, queues, cells, tenants and their partitions."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from tools.operations.cells import cell_table
from tools.operations.census import count_tenant
from tools.stack.deployment import Deployment

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

    from loudhailer.ids import TenantId

_MOST_TENANTS = 50
_DEPTHS: "list[QueueAttributeNameType]" = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


def overview(deployment: Deployment, *, count_rows: bool) -> Iterator[Table]:
    """The tables, each read when it is asked for; `count_rows` compares the counts of tenants with their rows."""
    yield _functions(deployment)
    yield _queues(deployment)
    if deployment.cells:
        yield cell_table(deployment, time.time())
    yield _tenants(deployment, count_rows=count_rows)


def _functions(deployment: Deployment) -> Table:
    client: LambdaClient = deployment.client("lambda")
    table = Table(
        "function", "state", "memory MB", "timeout s", "event sources", title="Functions", title_justify="left"
    )
    for name, function in sorted(deployment.functions.items()):
        settings = client.get_function_configuration(FunctionName=function)
        mappings = client.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
        sources = sorted(
            _source(mapping["EventSourceArn"]) for page in mappings for mapping in page["EventSourceMappings"]
        )
        state = settings.get("State", "?")
        table.add_row(name, state, str(settings["MemorySize"]), str(settings["Timeout"]), ", ".join(sources))
    return table


def _queues(deployment: Deployment) -> Table:
    client: SQSClient = deployment.client("sqs")
    table = Table("queue", "waiting", "in flight", "delayed", title="Queues", title_justify="left")
    for name, url in sorted(deployment.queue_urls.items()):
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=_DEPTHS)["Attributes"]
        table.add_row(name, *(attributes[depth] for depth in _DEPTHS))
    return table


def _tenants(deployment: Deployment, *, count_rows: bool) -> Table:
    rows = ["connections"] if count_rows else []
    table = Table("tenant", "partitions", *rows, "counted", "reserved", title="Tenants", title_justify="left")
    tenants: list[TenantId] = [tenant.tenant_id for tenant in deployment.tenants.all_tenants()]
    for tenant in tenants[:_MOST_TENANTS]:
        count = count_tenant(deployment, tenant, count_rows=count_rows)
        numbers = [count.partitions, *([count.rows] if count_rows else []), count.counted, count.reserved]
        table.add_row(tenant, *map(str, numbers))
    if len(tenants) > _MOST_TENANTS:
        table.caption = f"and {len(tenants) - _MOST_TENANTS} more tenants"
    return table


def _source(arn: str) -> str:
    """The queue or table that an event source ARN names."""
    resource = arn.split(":", 5)[5]
    return resource.split("/")[1] if resource.startswith("table/") else resource

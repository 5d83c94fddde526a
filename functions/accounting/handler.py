"""Wiring of `accounting`: the stream of `connections`, one batch of a shard at a time."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.accounting.accounting import Accounting
from functions.accounting.settings import Settings
from loudhailer.aws import client
from loudhailer.connections.dynamodb import DynamoPartitionStore
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env
from loudhailer.tenancy.dynamodb import DynamoLimitStore, DynamoSessionStore

THREADS = 16

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
accounting = Accounting(
    DynamoPartitionStore(dynamodb, settings.partitions_table),
    DynamoSessionStore(dynamodb, settings.sessions_table),
    DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep),
    each=ThreadPoolExecutor(THREADS).map,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledges a batch up to the first record that is not counted; the stream goes on from that one."""
    return accounting(event)

"""Wiring of `accounting`: the stream of `connections`, or of `members`, one batch of a shard at a time."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connections.accounting.accounting import Accounting
from functions.connections.accounting.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.observability import logger, metrics
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env

THREADS = 16

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
partitions, executor = DynamoPartitionStore(dynamodb, settings.partitions_table), ThreadPoolExecutor(THREADS)
if settings.sessions_table:
    sessions = DynamoSessionStore(dynamodb, settings.sessions_table)
    limits = DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep)
    accounting = Accounting(partitions, sessions, limits, executor=executor)
else:
    accounting = Accounting(partitions, None, None, executor=executor)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge a batch up to the first record that is not counted; the stream continues there."""
    return accounting(event)

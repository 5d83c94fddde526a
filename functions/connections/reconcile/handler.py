"""Wiring of `reconcile`: a schedule, every minute."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connections.reconcile.reconcile import Reconcile, ReconcileCounts
from functions.connections.reconcile.settings import Settings
from functions.connections.reconcile.sqs import SqsFailureQueue
from loudhailer.aws.clients import client
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.observability import logger, metrics
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.tenants.dynamodb import DynamoTenantStore

RESERVE_SECONDS = 5.0
"""Part of the invocation's time that is kept for finishing the current call and writing the metrics."""

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
connections = DynamoConnectionStore(dynamodb, settings.connections_table)
partitions = DynamoPartitionStore(dynamodb, settings.partitions_table)
failures = SqsFailureQueue(client("sqs"), settings.accounting_failure_queue_url)
reconcile: ReconcileCounts
if settings.tenants_table:
    reconcile = Reconcile(
        tenants=DynamoTenantStore(dynamodb, settings.tenants_table),
        sessions=DynamoSessionStore(dynamodb, settings.sessions_table),
        connections=connections,
        partitions=partitions,
        limits=DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep),
        failures=failures,
        clock=time.time,
    )
else:
    reconcile = ReconcileCounts(connections=connections, partitions=partitions, failures=failures, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  # any event will do
    """Do the minute's work; the next run continues where this one stops."""
    reconcile(Deadline.of(context, reserve=RESERVE_SECONDS))

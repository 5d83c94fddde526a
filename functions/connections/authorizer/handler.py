"""Wiring of `authorizer`: the REQUEST authorizer of `$connect`."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connections.authorizer.authorizer import Authorizer
from functions.connections.authorizer.dynamodb import limits_by
from functions.connections.authorizer.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.observability import logger, metrics
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.dynamodb import DynamoTenantStore

THREADS = 16
"""Partitions that are opened in parallel, for a tenant of many partitions."""

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
authorizer = Authorizer(
    CachedTenants(DynamoTenantStore(dynamodb, settings.tenants_table), clock=time.time),
    DynamoSessionStore(dynamodb, settings.sessions_table),
    PartitionAssigner(
        DynamoPartitionStore(dynamodb, settings.partitions_table),
        executor=ThreadPoolExecutor(THREADS),
        capacity=settings.connections_per_partition,
        maximum=settings.max_partitions,
        clock=time.time,
        random=SystemRandom(),
    ),
    limits_by(settings, dynamodb, clock=time.time),
    clock=time.time,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Return the policy that admits the handshake, or ends it with 403; the error "Unauthorized" ends it with 401."""
    return authorizer(event)

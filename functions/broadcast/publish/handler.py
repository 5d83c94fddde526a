"""Wiring of `publish`: HTTP `POST /broadcast`, or invoked directly."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.publish.dynamodb import further_cells
from functions.broadcast.publish.http import respond
from functions.broadcast.publish.publish import Publish
from functions.broadcast.publish.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.dynamodb import DynamoTenantStore

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
publish = Publish(
    CachedTenants(DynamoTenantStore(dynamodb, settings.tenants_table), clock=time.time),
    DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time, keys=settings.broadcast_keys),
    SnsTopic(client("sns"), settings.broadcast_topic_arn),
    lifetime_seconds=settings.message_lifetime_seconds,
    clock=time.time,
    cells=further_cells(settings, dynamodb),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer 202 only once the broadcast is recorded and the topic has taken it."""
    return respond(publish, event)

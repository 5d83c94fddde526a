"""Wiring of `beat`: a schedule, every minute, and the queue of the ticks within the minute."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.sessions.beat.beat import Beat
from functions.sessions.beat.settings import Settings
from functions.sessions.beat.ticks import EveryFewSeconds
from loudhailer.aws.clients import client
from loudhailer.aws.other_role import OtherRole
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.limits.shares import Shares
from loudhailer.observability import logger, metrics
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env
from loudhailer.tenants.dynamodb import DynamoTenantStore

settings = from_env(Settings, os.environ)
hub = OtherRole(settings.hub_role_arn, settings.hub_external_id, session_name="beat", region=settings.hub_region)
dynamodb, hub_dynamodb = client("dynamodb"), hub.client("dynamodb", attempts=2, seconds=2.0)
beat = Beat(
    DynamoCellDirectory(hub_dynamodb, settings.hub_cells_table),
    DynamoTenantStore(hub_dynamodb, settings.hub_tenants_table),
    DynamoTenantStore(dynamodb, settings.tenants_table),
    DynamoPartitionStore(dynamodb, settings.partitions_table),
    CurlOrderedSender(own_credentials, os.environ["AWS_REGION"]),
    name=settings.cell_name,
    websocket_url=settings.websocket_url,
    callback_endpoint=settings.callback_endpoint,
    shares=Shares(weights=settings.cell_weights, home_connections=settings.home_connections),
    lease_seconds=settings.lease_seconds,
    clock=time.time,
)
ticks = SqsQueue(client("sqs"), settings.beat_queue_url, pause=time.sleep)
every_few_seconds = EveryFewSeconds(beat, beat.copy_all, beat.has_tenants, ticks, seconds=settings.beat_seconds)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  # Lambda passes it
    """Renew the cell's lease; if that fails, the next tick tries again."""
    every_few_seconds(event)

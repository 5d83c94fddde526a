"""Wiring of `report`: the stream of a further cell's `broadcasts`."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.report.report import ReportToHub
from functions.broadcast.report.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.aws.other_role import OtherRole
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
hub = OtherRole(settings.hub_role_arn, settings.hub_external_id, session_name="report", region=settings.hub_region)
report_to_hub = ReportToHub(
    DynamoBroadcastStore(client("dynamodb"), settings.broadcasts_table, clock=time.time),
    DynamoSnapshotStore(hub.client("dynamodb"), settings.hub_broadcasts_table, clock=time.time),
    cell=settings.cell_name,
    clock=time.time,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge a batch up to the first record whose broadcast the hub has no report of."""
    return report_to_hub(event)

"""Wiring of `session_api`: HTTP routes, payload format 2.0."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.sessions.session_api.dynamodb import LINE_ATTEMPTS, LINE_SECONDS, admission, placing
from functions.sessions.session_api.session_api import SessionApi
from functions.sessions.session_api.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env
from loudhailer.tenants.dynamodb import DynamoTenantStore

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
session_api = SessionApi(
    DynamoTenantStore(dynamodb, settings.tenants_table),
    placing(settings, dynamodb, clock=time.time),
    DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time),
    DynamoSnapshotStore(dynamodb, settings.broadcasts_table, clock=time.time),
    admission(settings, client("dynamodb", attempts=LINE_ATTEMPTS, seconds=LINE_SECONDS), clock=time.time),
    list_tenants=settings.list_tenants,
    silo_tenants=settings.silo_tenants,
    needs_token=settings.session_auth == "jwt",
    tenant_claim=settings.tenant_claim,
    shortest_session_id=settings.shortest_session_id,
    report_grace_seconds=settings.report_grace_seconds,
    clock=time.time,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer one request; a table that does not answer makes it a 500, and the client may try again."""
    return session_api(event)

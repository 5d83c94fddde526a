"""Wiring of `end_session`: deletions from `sessions`, one batch of the table's stream at a time."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.sessions.end_session.end_session import EndSession
from functions.sessions.end_session.settings import Settings
from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

THREADS = 16

RESERVE_SECONDS = 10.0
"""Part of the invocation's time that is kept for deleting rows."""

settings = from_env(Settings, os.environ)
connections = PerTenant(
    lambda client: DynamoConnectionStore(client("dynamodb"), settings.connections_table),
    role_arn=settings.tenant_role_arn,
)
end_session = EndSession(
    CurlOrderedSender(own_credentials, os.environ["AWS_REGION"]),
    connections.of,
    endpoint=settings.callback_endpoint,
    executor=ThreadPoolExecutor(THREADS),
    clock=time.time,
    pause=time.sleep,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge a batch up to the first session that still has connections; the stream continues there."""
    return end_session(event, Deadline.of(context, reserve=RESERVE_SECONDS))

"""Wiring of `disconnect`: the queue of connections' ends, which the route `$disconnect` sends to."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connections.disconnect.disconnect import Disconnect
from functions.connections.disconnect.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
disconnect = Disconnect(
    DynamoConnectionStore(client("dynamodb"), settings.connections_table),
    CurlOrderedSender(own_credentials, os.environ["AWS_REGION"]),
    endpoint=settings.callback_endpoint,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge each message whose row is deleted and whose connection is closed; the others are delivered again."""
    return disconnect(event)

"""Wiring of `connect`: the route `$connect`."""

import os
import time
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connections.connect.connect import Connect
from functions.connections.connect.dynamodb import DynamoRegister
from functions.connections.connect.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.observability import logger, metrics
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env

CALL_SECONDS = 2.5
"""Time limit to read an answer of DynamoDB, which takes milliseconds. To connect to it may take a second."""

RESERVE_SECONDS = 24.0
"""Part of the invocation's time that is kept for three calls: the last attempt's transactions, one for each key of the
session, and the release of the reservation. Each call may take two attempts of 3.5 seconds, to connect and to read.
The SDK's pause between them is at most a second."""

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb", attempts=2, seconds=CALL_SECONDS)
connect = Connect(
    DynamoLimitStore(client("dynamodb", attempts=1, seconds=CALL_SECONDS), settings.limits_table, pause=time.sleep),
    DynamoRegister(
        dynamodb,
        settings.connections_table,
        settings.sessions_table,
        settings.devices_table,
        spread=settings.spread_sessions,
    ),
    DynamoConnectionStore(dynamodb, settings.connections_table),
    DynamoSessionStore(dynamodb, settings.sessions_table),
    CurlOrderedSender(own_credentials, os.environ["AWS_REGION"]),
    endpoint=settings.callback_endpoint,
    session_share=settings.session_share,
    clock=time.time,
    pause=time.sleep,
    random=SystemRandom(),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer 200 only once the connection is recorded; 403, 429 or 500 ends the handshake with that status."""
    return connect(event, Deadline.of(context, reserve=RESERVE_SECONDS))

"""Wiring of `connect`: the route `$connect`."""

import os
import time
from collections.abc import Sequence
from functools import cache
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.connect.connect import Connect
from functions.connect.dynamodb import DynamoRegister
from functions.connect.settings import Settings
from loudhailer import ids
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.delivery.outcome import Outcome
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env
from loudhailer.tenancy.dynamodb import DynamoLimitStore, DynamoSessionStore
from loudhailer.tenancy.scope import ClientOf, PerTenant

if TYPE_CHECKING:
    from loudhailer.delivery.ordered import CurlOrderedSender

settings = from_env(Settings, os.environ)


LOOKUP_SECONDS = 1.0
"""The time that API Gateway is asked in, for a full session's connections; what is not answered counts as open."""


@cache
def sender() -> "CurlOrderedSender":
    """Asks for connections. Made, and libcurl imported, when the first session is full: few are."""
    from loudhailer.delivery.credentials import own_credentials  # noqa: PLC0415
    from loudhailer.delivery.ordered import CurlOrderedSender  # noqa: PLC0415

    return CurlOrderedSender(own_credentials, os.environ["AWS_REGION"])


def look_up(connections: Sequence[ids.ConnectionId]) -> list[Outcome]:
    """Asks API Gateway for the connections."""
    return sender().look_up(settings.callback_endpoint, connections, seconds=LOOKUP_SECONDS)


def connect_of(client: ClientOf) -> Connect:
    """The use case on a tenant's clients."""
    dynamodb = client("dynamodb")
    return Connect(
        DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep),
        DynamoRegister(dynamodb, settings.connections_table, settings.sessions_table),
        DynamoConnectionStore(dynamodb, settings.connections_table),
        DynamoSessionStore(dynamodb, settings.sessions_table),
        look_up=look_up,
        session_share=settings.session_share,
        clock=time.time,
        pause=time.sleep,
        random=SystemRandom(),
    )


connects = PerTenant(connect_of, role_arn=settings.tenant_role_arn)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answers 200 only once the connection is recorded; 403, 429 or 500 ends the handshake with that status."""
    tenant = ids.tenant_id(event["requestContext"]["authorizer"]["tenantId"])
    return connects.of(tenant)(event)

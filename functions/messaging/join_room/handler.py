"""Wiring of `join_room`: the route `joinroom`."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.join_room.join_room import JoinRoom
from functions.messaging.join_room.settings import Settings
from loudhailer.aws.tenant_credentials import ClientOf, PerTenant
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import logger, metrics
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.websocket.exchange import Exchange, TenantResponder

settings = from_env(Settings, os.environ)
sender = CurlOrderedSender(own_credentials, os.environ["AWS_REGION"])


def responder(client: ClientOf) -> TenantResponder:
    """A tenant's use case, with the tenant's credentials."""
    dynamodb = client("dynamodb")
    limits = DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep)
    return TenantResponder(
        DynamoSessionStore(dynamodb, settings.sessions_table),
        limits,
        JoinRoom(
            DynamoRoomStore(dynamodb, settings.connections_table),
            sender,
            PostBudget(limits, session_share=settings.session_share, clock=time.time),
            endpoint=settings.callback_endpoint,
        ),
    )


exchange = Exchange(PerTenant(responder, role_arn=settings.tenant_role_arn).of, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer the member that joins once its row names the room; API Gateway does not repeat the call."""
    return exchange(event)

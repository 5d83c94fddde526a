"""Wiring of `disconnect`: the route `$disconnect`."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.disconnect.disconnect import Disconnect, Stores
from functions.disconnect.settings import Settings
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env
from loudhailer.tenancy.dynamodb import DynamoSessionStore
from loudhailer.tenancy.scope import ClientOf, PerTenant

settings = from_env(Settings, os.environ)


def stores(client: ClientOf) -> Stores:
    """A tenant's rows, reached by its clients."""
    dynamodb = client("dynamodb")
    return Stores(
        DynamoConnectionStore(dynamodb, settings.connections_table),
        DynamoSessionStore(dynamodb, settings.sessions_table),
    )


disconnect = Disconnect(PerTenant(stores, role_arn=settings.tenant_role_arn).of)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Deletes the connection's row; nobody waits for the answer, and nobody asks again."""
    return disconnect(event)

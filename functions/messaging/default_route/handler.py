"""Wiring of `default_route`: the route `$default`."""

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.default_route.default_route import DefaultRoute
from functions.messaging.default_route.settings import Settings
from loudhailer.ids import TenantId
from loudhailer.limits.attempts import Attempts
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

if TYPE_CHECKING:
    from loudhailer.aws.tenant_credentials import ClientOf, PerTenant

settings = from_env(Settings, os.environ)


@cache
def tenants() -> "PerTenant[Attempts]":
    """Counters of attempts, one for each tenant, with the tenant's credentials.

    They are made, and the SDK is imported, when a session has sent enough frames to be counted: an answer needs
    neither.
    """
    from loudhailer.aws.tenant_credentials import PerTenant  # noqa: PLC0415
    from loudhailer.limits.dynamodb import DynamoLimitStore  # noqa: PLC0415
    from loudhailer.sessions.dynamodb import DynamoSessionStore  # noqa: PLC0415

    def attempts(client: "ClientOf") -> Attempts:
        return Attempts(
            DynamoSessionStore(client("dynamodb", attempts=1), settings.sessions_table),
            DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep),
        )

    return PerTenant(attempts, role_arn=settings.tenant_role_arn)


def attempts_of(tenant: TenantId) -> Attempts:
    """The attempts of a tenant's sessions."""
    return tenants().of(tenant)


route = DefaultRoute(attempts_of, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer with an error frame: the route response sends it to the client."""
    return route(event)

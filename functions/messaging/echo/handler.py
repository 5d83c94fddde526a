"""Wiring of `echo`: the queues of the silos and the pool."""

import os
import time
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.echo.delivery import ReplyDelivery
from functions.messaging.echo.echo import Echo, Tenancy
from functions.messaging.echo.settings import Settings
from loudhailer.aws.clients import LateClient
from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume_fifo
from loudhailer.queues.sqs import SqsQueue, postpone
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env

RESERVE_SECONDS = 2.0
"""Part of the invocation's time that is kept for closing connections that accept no frame, and for the answer."""

settings = from_env(Settings, os.environ)
tenancies = PerTenant(
    lambda client: Tenancy(
        DynamoSessionStore(client("dynamodb"), settings.sessions_table),
        DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep),
        DynamoConnectionStore(client("dynamodb"), settings.connections_table),
    ),
    role_arn=settings.tenant_role_arn,
)
sender = CurlOrderedSender(own_credentials, os.environ["AWS_REGION"])
echo = Echo(
    tenancies.of,
    ReplyDelivery(
        sender,
        lambda tenant: tenancies.of(tenant).connections,
        endpoint=settings.callback_endpoint,
        clock=time.time,
    ),
    session_share=settings.session_share,
    clock=time.time,
)
sqs: Any = LateClient("sqs")
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge a message once its frames are posted; the others are delivered again, in order."""
    in_time = partial(echo, deadline=Deadline.of(context, reserve=RESERVE_SECONDS))
    response = consume_fifo(event, in_time, dead_letters)
    postpone(sqs, settings.queue_url, event, response)
    return response

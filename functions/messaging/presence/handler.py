"""Wiring of `presence`: the streams of `connections` and `messages`, one batch of a shard at a time."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.presence.ends import SubscriptionEnds
from functions.messaging.presence.leaves import Leaves
from functions.messaging.presence.presence import Presence
from functions.messaging.presence.settings import Settings
from functions.messaging.presence.wakes import Wakes
from loudhailer.aws.clients import client
from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.observability import logger, metrics
from loudhailer.queues.sqs import SqsFifoQueue, SqsQueue
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
rooms = PerTenant(
    lambda client: DynamoRoomStore(client("dynamodb"), settings.connections_table), role_arn=settings.tenant_role_arn
)
sqs = client("sqs")
presence = Presence(
    Wakes(SqsFifoQueue(sqs, settings.inbox_queue_url, pause=time.sleep)),
    SubscriptionEnds(SqsQueue(sqs, settings.leave_queue_url, pause=time.sleep)),
    Leaves(
        rooms.of,
        CurlOrderedSender(own_credentials, os.environ["AWS_REGION"]),
        endpoint=settings.callback_endpoint,
        clock=time.time,
    ),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge a batch once all its wakes and ends are sent; otherwise the whole batch is delivered again."""
    return presence(event)

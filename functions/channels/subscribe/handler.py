"""Wiring of `subscribe`: the routes `subscribe` and `unsubscribe`."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.channels.subscribe.settings import Settings
from functions.channels.subscribe.subscribe import ChannelStores, Subscribe
from loudhailer.aws.clients import LateClient
from loudhailer.aws.tenant_credentials import ClientOf, PerTenant
from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.new_channels import NewChannels
from loudhailer.observability import logger, metrics
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.sqs import SqsQueue
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.websocket.exchange import Exchange, TenantResponder

THREADS = 8
"""Channels of a frame that are written in parallel, and partitions that are opened in parallel."""

settings = from_env(Settings, os.environ)
late: Any = LateClient  # most frames subscribe, and need no queue
leave = SqsQueue(late("sqs"), settings.leave_queue_url, pause=time.sleep)
channels, openers = ThreadPoolExecutor(THREADS), ThreadPoolExecutor(THREADS)  # a channel waits for its partitions


def responder(client: ClientOf) -> TenantResponder:
    """A tenant's use case, with the tenant's credentials."""
    dynamodb = client("dynamodb")
    limits = DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep)
    partitions = PartitionAssigner(
        DynamoPartitionStore(dynamodb, settings.audiences_table),
        executor=openers,
        capacity=settings.connections_per_partition,
        maximum=settings.max_partitions,
        clock=time.time,
        random=SystemRandom(),
    )
    stores = ChannelStores(
        connections=DynamoConnectionStore(dynamodb, settings.connections_table),
        subscriptions=DynamoSubscriptionStore(dynamodb, settings.subscriptions_table),
        members=DynamoMemberStore(dynamodb, settings.members_table),
        partitions=partitions,
    )
    new, enabled = NewChannels(limits, clock=time.time), settings.channels_enabled
    subscribe = Subscribe(stores, new, leave, executor=channels, clock=time.time, enabled=enabled)
    return TenantResponder(DynamoSessionStore(dynamodb, settings.sessions_table), limits, subscribe)


exchange = Exchange(PerTenant(responder, role_arn=settings.tenant_role_arn).of, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer once every channel of the frame is subscribed to, or refused; API Gateway does not repeat the call."""
    return exchange(event)

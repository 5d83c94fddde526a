"""Wiring of `publish_frame`: the route `publish`."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.channels.publish_frame.dynamodb import members_of_channels
from functions.channels.publish_frame.publish_frame import PublishFrame
from functions.channels.publish_frame.settings import Settings
from loudhailer.aws.clients import client as own_client
from loudhailer.aws.tenant_credentials import ClientOf, PerTenant
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import logger, metrics
from loudhailer.queues.sqs import SqsQueue
from loudhailer.rooms.model import SMALL_ROOM
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.websocket.exchange import Exchange, TenantResponder
from loudhailer.websocket.once import Once
from loudhailer.websocket.sent.dynamodb import DynamoSentStore

THREADS = 5
"""Reads side by side: a channel is counted under up to five keys."""

settings = from_env(Settings, os.environ)
reads = ThreadPoolExecutor(THREADS)
broadcasts = DynamoBroadcastStore(
    own_client("dynamodb"), settings.broadcasts_table, clock=time.time, keys=settings.broadcast_keys
)
topic = SnsTopic(own_client("sns"), settings.broadcast_topic_arn)
announcer = Announcer(broadcasts, topic, lifetime_seconds=settings.message_lifetime_seconds, clock=time.time)
express = SqsQueue(own_client("sqs"), settings.express_queue_url, pause=time.sleep)


def responder(client: ClientOf) -> TenantResponder:
    """A tenant's use case, with the tenant's credentials."""
    own = client("dynamodb")
    counts, search = members_of_channels(settings, own, executor=reads, clock=time.time)
    endpoint, most = settings.callback_endpoint, min(SMALL_ROOM, settings.express_recipients)
    short_path = ShortPath(search, broadcasts, express, endpoint=endpoint, most=most, clock=time.time)
    publisher = Publisher(counts, broadcasts, announcer, short_path, priority=Priority.LOW)
    limits = DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep)
    posts = PostBudget(limits, session_share=settings.session_share, clock=time.time)
    once = Once(DynamoSentStore(own, settings.limits_table), clock=time.time)
    publish = PublishFrame(publisher, posts, once=once, enabled=settings.publishing_enabled)
    return TenantResponder(DynamoSessionStore(own, settings.sessions_table), limits, publish)


exchange = Exchange(PerTenant(responder, role_arn=settings.tenant_role_arn).of, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer once the message is recorded and a queue or the topic has it; API Gateway does not repeat the call."""
    return exchange(event)

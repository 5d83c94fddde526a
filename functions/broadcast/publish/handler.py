"""Wiring of `publish`: HTTP `POST /broadcast` and `POST /broadcasts`, or invoked directly."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.publish.batch import RESERVE_SECONDS, SIDE_BY_SIDE, PublishBatch
from functions.broadcast.publish.dynamodb import further_cells, recipients
from functions.broadcast.publish.http import BATCH, answer_of, respond, respond_to_batch
from functions.broadcast.publish.publish import Publish
from functions.broadcast.publish.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.deadline import Deadline
from loudhailer.observability import logger, metrics
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.dynamodb import DynamoTenantStore

THREADS = 5
"""Reads side by side: a channel is counted under up to five keys."""

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
reads = client("dynamodb", attempts=2, seconds=1)  # reads of recipients: if one fails, the long way is taken
broadcasts = DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time, keys=settings.broadcast_keys)
counts, search = recipients(settings, reads, executor=ThreadPoolExecutor(THREADS), clock=time.time)
topic = SnsTopic(client("sns"), settings.broadcast_topic_arn)
express = SqsQueue(client("sqs"), settings.express_queue_url, pause=time.sleep)
announcer = Announcer(broadcasts, topic, lifetime_seconds=settings.message_lifetime_seconds, clock=time.time)
endpoint, most = settings.callback_endpoint, settings.express_recipients
short_path = ShortPath(search, broadcasts, express, endpoint=endpoint, most=most, clock=time.time)
publish = Publish(
    CachedTenants(DynamoTenantStore(dynamodb, settings.tenants_table), clock=time.time),
    broadcasts,
    Publisher(counts, broadcasts, announcer, short_path),
    posts_per_second=settings.posts_per_second,
    lanes=settings.lane_count,
    chunk_size=settings.chunk_size,
    lifetime_seconds=settings.message_lifetime_seconds,
    clock=time.time,
    cells=further_cells(settings, dynamodb),
    channels_enabled=settings.channels_enabled,
)
publish_batch = PublishBatch(partial(answer_of, publish), ThreadPoolExecutor(SIDE_BY_SIDE))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer 202 only once the broadcast is recorded, and the topic or the express queue has taken it."""
    if event.get("routeKey") == BATCH:
        return respond_to_batch(publish_batch, event, Deadline.of(context, reserve=RESERVE_SECONDS))
    return respond(publish, event)

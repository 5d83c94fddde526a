"""Wiring of `post_message`: the shard queues."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.post_message.identity import identity
from functions.broadcast.post_message.post_message import PostMessage
from functions.broadcast.post_message.settings import Settings
from loudhailer.deadline import Deadline
from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.delivery.lending.policy import Lending
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env

RESERVE_SECONDS = 2.0
"""Part of the invocation's time that is kept for sending outcomes and returning unsent connections."""

settings = from_env(Settings, os.environ)
worker = identity(settings)
queues_for_rest = [SqsQueue(worker.sqs, url, pause=time.sleep) for url in settings.left_queue_urls or ()]
outcomes = SqsQueue(worker.sqs, settings.outcome_queue_url, pause=time.sleep)
dead_letters = SqsQueue(worker.sqs, settings.dead_letter_queue_url, pause=time.sleep)
marks = DynamoLaneStore(worker.dynamodb, settings.lanes_table)
lending = Lending(
    settings.lane_kind, settings.lane_shares, marks, ThreadPoolExecutor(1), clock=time.time, monotonic=time.monotonic
)
lane = Lane(settings.lane_posts_per_second, time.monotonic(), lending.factor, bucket=settings.lane_bucket)
post_message = PostMessage(
    CurlSender(lane, worker.credentials, os.environ["AWS_REGION"]),
    CurlOrderedSender(worker.credentials, os.environ["AWS_REGION"]),
    outcomes,
    dead_letters,
    endpoint=settings.callback_endpoint,
    clock=time.time,
)


@cache
def queue_of(arn: str) -> SqsQueue:
    """Return the queue of an event's source, found beside the outcome queue: a later release may add some."""
    cell = settings.outcome_queue_url.rpartition("/")[0]
    return SqsQueue(worker.sqs, f"{cell}/{arn.rpartition(':')[2]}", pause=time.sleep)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge a chunk once its outcomes, and its remaining connections, are in their queues."""
    handle = partial(
        post_message,
        queues_for_rest=queues_for_rest or [queue_of(event["Records"][0]["eventSourceARN"])],
        account=context.invoked_function_arn.split(":")[4],
        deadline=Deadline.of(context, reserve=RESERVE_SECONDS),
    )
    return consume(event, handle, dead_letters)

"""Wiring of `settle`: the outcome queue, and the queue of what could not be handled."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.settle.settings import Settings
from functions.settle.settle import Settle
from functions.settle.undelivered import GiveUp
from loudhailer.aws import client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume, consume_together
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
broadcasts = DynamoBroadcastStore(dynamodb, settings.broadcasts_table)
dead_letters = SqsQueue(client("sqs"), settings.dead_letter_queue_url, pause=time.sleep)
settle = Settle(broadcasts, DynamoConnectionStore(dynamodb, settings.connections_table), clock=time.time)
give_up = GiveUp(settle, broadcasts, dead_letters, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledges each outcome once its tally has it and its gone connections are deleted; the others, once failed."""
    if event["Records"][0]["eventSourceARN"] == settings.undelivered_queue_arn:
        return consume(event, give_up, dead_letters)
    return consume_together(event, settle, dead_letters)

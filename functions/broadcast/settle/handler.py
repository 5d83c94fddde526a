"""Wiring of `settle`: the outcome queue, and the queue of undelivered messages."""

import os
import time
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.settle.settings import Settings
from functions.broadcast.settle.settle import Settle
from functions.broadcast.settle.undelivered import GiveUp
from loudhailer.aws.clients import client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume, consume_together
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env

RESERVE_SECONDS = 2.5
"""Part of the invocation's time that is kept for finishing a chunk and sending the others again."""

settings = from_env(Settings, os.environ)
dynamodb = client("dynamodb")
broadcasts = DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time)
sqs = client("sqs")
outcomes = SqsQueue(sqs, settings.outcome_queue_url, pause=time.sleep)
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)
connections = DynamoConnectionStore(dynamodb, settings.connections_table)
leave = SqsQueue(sqs, settings.leave_queue_url, pause=time.sleep)
settle = Settle(broadcasts, connections, outcomes, leave, clock=time.time)
give_up = GiveUp(settle, broadcasts, dead_letters, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge each outcome once its tally has it and its gone connections are deleted, or it is sent again.

    An undelivered message is acknowledged once its recipients are counted as failed.
    """
    if event["Records"][0]["eventSourceARN"] == settings.undelivered_queue_arn:
        return consume(event, give_up, dead_letters)
    in_time = partial(settle, deadline=Deadline.of(context, reserve=RESERVE_SECONDS))
    return consume_together(event, in_time, dead_letters)

"""Wiring of `leave_channels`: the queue `leave`."""

import os
import time
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.channels.leave_channels.leave_channels import LeaveChannels
from functions.channels.leave_channels.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume_together
from loudhailer.queues.sqs import SqsQueue
from loudhailer.settings import from_env

RESERVE_SECONDS = 4.0
"""Part of the invocation's time that is kept for the last connection, which may have a thousand subscriptions."""

settings = from_env(Settings, os.environ)
dynamodb, sqs = client("dynamodb"), client("sqs")
leave_channels = LeaveChannels(
    DynamoSubscriptionStore(dynamodb, settings.subscriptions_table),
    DynamoMemberStore(dynamodb, settings.members_table),
    DynamoConnectionStore(dynamodb, settings.members_table),
    DynamoConnectionStore(dynamodb, settings.connections_table),
    SqsQueue(sqs, settings.leave_queue_url, pause=time.sleep),
    clock=time.time,
)
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge each message whose subscriptions have ended, or are sent again; the others are delivered again."""
    in_time = partial(leave_channels, deadline=Deadline.of(context, reserve=RESERVE_SECONDS))
    return consume_together(event, in_time, dead_letters)

"""Wiring of `swarm`: the queue on the broadcasts' topic."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.swarm.settings import Settings
from functions.broadcast.swarm.swarm import Swarm
from loudhailer.aws.clients import client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.observability import logger, metrics
from loudhailer.partitions.audiences import Audiences
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.consumer import consume
from loudhailer.queues.sqs import SqsQueue, postpone
from loudhailer.settings import from_env

THREADS = 5
"""Patterns that match a channel: their counts are read in parallel."""

settings = from_env(Settings, os.environ)
dynamodb, sqs = client("dynamodb"), client("sqs")
swarm = Swarm(
    Audiences(
        DynamoPartitionStore(dynamodb, settings.partitions_table),
        DynamoPartitionStore(dynamodb, settings.audiences_table),
        executor=ThreadPoolExecutor(THREADS),
    ),
    DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time),
    SqsQueue(sqs, settings.partition_queue_url, pause=time.sleep),
    clock=time.time,
    cell=settings.cell_name,
)
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge a broadcast once all of its sources are fixed and sent; until then it is delivered again, soon."""
    response = consume(event, swarm, dead_letters)
    postpone(sqs, settings.broadcast_queue_url, event, response)
    return response

"""Wiring of `query`: the partition queue."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.broadcast.query.query import Query
from functions.broadcast.query.settings import Settings
from loudhailer.aws.clients import LateClient, client
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.search import Search
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore, parse_pages_fast
from loudhailer.connections.members import ConnectionsAndMembers
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.delivery.lending.port import ONCE
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume
from loudhailer.queues.sqs import SqsQueue, postpone
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
dynamodb, sqs = client("dynamodb"), client("sqs")
executor = ThreadPoolExecutor(8)
marks: Any = LateClient("dynamodb", partial(client, **ONCE))
pages = parse_pages_fast(client("dynamodb"))
query = Query(
    Search(
        ConnectionsAndMembers(
            DynamoConnectionStore(pages, settings.connections_table),
            DynamoConnectionStore(pages, settings.members_table),
        ),
        DynamoSessionStore(dynamodb, settings.sessions_table),
        DynamoDeviceStore(dynamodb, settings.devices_table),
        executor=executor,
        clock=time.time,
    ),
    DynamoBroadcastStore(dynamodb, settings.broadcasts_table, clock=time.time),
    [SqsQueue(sqs, url, pause=time.sleep) for url in settings.shard_queue_urls],
    SqsQueue(sqs, settings.room_queue_url, pause=time.sleep),
    lanes=DynamoLaneStore(marks, settings.lanes_table),
    endpoint=settings.callback_endpoint,
    chunk_size=settings.chunk_size,
    lane_count=settings.lane_count,
    executor=executor,
    clock=time.time,
)
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Acknowledge a source once all of its chunks are fixed and sent; until then it is delivered again, soon."""
    response = consume(event, query, dead_letters)
    postpone(sqs, settings.partition_queue_url, event, response)
    return response

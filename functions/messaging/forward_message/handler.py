"""Wiring of `forward_message`: a queue for each cell, one request at a time."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.forward_message.dynamodb import inboxes_of_cells
from functions.messaging.forward_message.forward_message import ForwardMessage
from functions.messaging.forward_message.queues import CellQueues
from functions.messaging.forward_message.settings import Settings
from loudhailer.aws.clients import client
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.deadline import Deadline
from loudhailer.ids import HUB
from loudhailer.inbox.forwarding import Forward
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume
from loudhailer.queues.sqs import SqsFifoQueue, SqsQueue, postpone
from loudhailer.settings import from_env
from loudhailer.tenants.dynamodb import DynamoTenantStore

RESERVE_SECONDS = 8.0
"""Part of the invocation's time that is kept for the current message, and for deleting the forwarded messages."""

GIVEN_UP_AFTER = 28
"""Deliveries of a request, of the thirty that Terraform allows: from then on it may be the last one."""

settings = from_env(Settings, os.environ)
dynamodb, sqs = client("dynamodb"), client("sqs")
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)


queues = CellQueues(settings.forward_queues, lambda url: SqsFifoQueue(sqs, url, pause=time.sleep))
forward_message = ForwardMessage(
    DynamoTenantStore(dynamodb, settings.tenants_table),
    DynamoPlacementStore(dynamodb, settings.placements_table),
    inboxes_of_cells(settings, dynamodb),
    queues.of,
    cells={HUB, *(settings.cells or {})},
    messages_per_inbox=settings.messages_per_inbox,
    clock=time.time,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge a request once all messages of its inbox are on the player's cell, or another request is made."""
    (record,) = event["Records"]
    sender, deadline = queues.sender(record["eventSourceARN"]), Deadline.of(context, reserve=RESERVE_SECONDS)
    is_last = int(record["attributes"]["ApproximateReceiveCount"]) >= GIVEN_UP_AFTER

    def handle(body: str) -> None:
        forward_message(Forward.of_body(body), sender, deadline=deadline, is_last=is_last)

    response = consume(event, handle, dead_letters)
    postpone(sqs, queues.url(sender), event, response)
    return response

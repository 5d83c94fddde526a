"""Wiring of `relay_message`: the inbox queue, one wake at a time."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.relay_message.dynamodb import players_cells
from functions.messaging.relay_message.relay_message import RelayMessage
from functions.messaging.relay_message.settings import Settings
from loudhailer.aws.clients import LateClient
from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.inbox.model import Wake
from loudhailer.observability import logger, metrics
from loudhailer.queues.consumer import consume
from loudhailer.queues.sqs import SqsFifoQueue, SqsQueue, postpone
from loudhailer.settings import from_env

RESERVE_SECONDS = 3.0
"""Part of the invocation's time that is kept for closing, deleting delivered messages and sending another wake."""

GIVEN_UP_AFTER = 8
"""Number of deliveries, of the nine that Terraform allows, from which on a delivery of a wake may be the last."""

settings = from_env(Settings, os.environ)
sqs: Any = LateClient("sqs")
dead_letters = SqsQueue(sqs, settings.dead_letter_queue_url, pause=time.sleep)
cell_of = players_cells(settings, sqs)
sender = CurlOrderedSender(own_credentials, os.environ["AWS_REGION"])
relays = PerTenant(
    lambda client: RelayMessage(
        DynamoInboxStore(client("dynamodb"), settings.messages_table),
        DynamoConnectionStore(client("dynamodb"), settings.connections_table),
        DynamoDeviceStore(client("dynamodb"), settings.devices_table),
        sender,
        SqsFifoQueue(sqs, settings.inbox_queue_url, pause=time.sleep),
        players_cell=cell_of(client),
        endpoint=settings.callback_endpoint,
        clock=time.time,
        pause=time.sleep,
    ),
    role_arn=settings.tenant_role_arn,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Acknowledge a wake once its inbox is empty, has nobody to deliver to, is handed over, or has another wake."""
    (record,) = event["Records"]
    deadline, receives = Deadline.of(context, reserve=RESERVE_SECONDS), record["attributes"]["ApproximateReceiveCount"]

    def handle(body: str) -> None:
        wake, is_last = Wake.of_body(body), int(receives) >= GIVEN_UP_AFTER
        relays.of(wake.inbox.tenant_id)(wake, wake_id=record["messageId"], deadline=deadline, is_last=is_last)

    response = consume(event, handle, dead_letters)
    postpone(sqs, settings.inbox_queue_url, event, response)
    return response

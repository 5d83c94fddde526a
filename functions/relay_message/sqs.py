"""How soon SQS brings a wake again that failed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loudhailer.aws import calling
from loudhailer.errors import TransientError
from loudhailer.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

_LONGEST_SECONDS = 60


def postpone(client: "SQSClient", url: str, record: Mapping[str, Any]) -> None:
    """Has a message of an event come again after 2 s, 4 s, 8 s and so on, not after the queue's visibility timeout.

    Until then its group stands still. If this fails, the visibility timeout it is.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
    """
    seconds = min(2 ** int(record["attributes"]["ApproximateReceiveCount"]), _LONGEST_SECONDS)
    try:
        with calling("ChangeMessageVisibility"):
            client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
            )
    except TransientError:
        logger.exception("the wake comes again later than it should", message_id=record["messageId"])

"""How soon SQS brings the messages of an event again that failed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loudhailer.aws import calling
from loudhailer.errors import TransientError
from loudhailer.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

_LONGEST_SECONDS = 60


def postpone(client: "SQSClient", url: str, event: Mapping[str, Any], response: Mapping[str, Any]) -> None:
    """Has the messages that failed come again after 2 s, 4 s, 8 s and so on, not after the queue's visibility timeout.

    A group of a FIFO queue stands still while any of its messages is invisible, so their order holds. If the call
    fails, the visibility timeout it is.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html

    Args:
        client: the client.
        url: the queue's URL.
        event: the function's event, of one batch and so of ten messages at most.
        response: the partial batch response to it.
    """
    failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    records: Sequence[Mapping[str, Any]] = [record for record in event["Records"] if record["messageId"] in failed]
    if not records:
        return
    try:
        with calling("ChangeMessageVisibilityBatch"):
            client.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": record["receiptHandle"],
                        "VisibilityTimeout": min(
                            2 ** int(record["attributes"]["ApproximateReceiveCount"]), _LONGEST_SECONDS
                        ),
                    }
                    for number, record in enumerate(records)
                ],
            )
    except TransientError:
        logger.exception("messages that failed come again later than they should", message_ids=sorted(failed))

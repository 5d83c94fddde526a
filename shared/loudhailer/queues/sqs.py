"""The queues on SQS."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, override

from loudhailer.aws.batches import call_in_batch
from loudhailer.errors import TransientError
from loudhailer.observability import logger
from loudhailer.queues.batching import batches, refuse_illegal
from loudhailer.queues.port import MAX_BATCH_ENTRIES, FifoMessage, FifoQueue, Queue

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

_LONGEST_POSTPONEMENT_SECONDS = 60


class _Batches:
    """Sends batches."""

    def __init__(self, client: "SQSClient", url: str, *, pause: Callable[[float], None]) -> None:
        self._client = client
        self._url = url
        self._pause = pause

    def _send(self, entries: list["SendMessageBatchRequestEntryTypeDef"]) -> None:
        call_in_batch("SendMessageBatch", self._client.send_message_batch, self._url, entries, pause=self._pause)


class SqsQueue(_Batches, Queue):
    """Sends to one SQS queue."""

    @override
    def send_all(
        self,
        bodies: Iterable[str],
        *,
        delay_seconds: int = 0,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        message_attributes: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
        }
        of_group: dict[str, str] = {} if group is None else {"MessageGroupId": group}
        for batch in batches(bodies):
            self._send(
                [
                    {
                        "Id": str(index),
                        "MessageBody": body,
                        "DelaySeconds": delay_seconds,
                        "MessageAttributes": message_attributes,
                        **of_group,  # type: ignore[typeddict-item]  # one key, or none
                    }
                    for index, body in enumerate(batch)
                ]
            )


class SqsFifoQueue(_Batches, FifoQueue):
    """Sends short messages to one SQS FIFO queue: ten of them fit into a batch."""

    @override
    def send_all(self, messages: Iterable[FifoMessage]) -> None:
        for batch in batched(messages, MAX_BATCH_ENTRIES, strict=False):
            for message in batch:
                refuse_illegal(message.body)
            self._send(
                [
                    {
                        "Id": str(index),
                        "MessageBody": message.body,
                        "MessageGroupId": message.group,
                        "MessageDeduplicationId": message.deduplication,
                    }
                    for index, message in enumerate(batch)
                ]
            )


def postpone(
    client: "SQSClient",
    url: str,
    event: Mapping[str, Any],
    response: Mapping[str, Any],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Have failed messages delivered again after 2 s, 4 s, 8 s and so on, instead of the queue's visibility timeout.

    A group of a FIFO queue is blocked while any of its messages is invisible, so the order holds. If SQS refuses the
    change, the visibility timeout applies.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html

    Args:
        client: the client.
        url: the queue's URL.
        event: the function's event, of one batch and so of ten messages at most.
        response: the partial batch response to it.
        pause: waits for that many seconds.
    """
    failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    records: Sequence[Mapping[str, Any]] = [record for record in event["Records"] if record["messageId"] in failed]
    if not records:
        return
    entries = [
        {
            "Id": str(number),
            "ReceiptHandle": record["receiptHandle"],
            "VisibilityTimeout": min(
                2 ** int(record["attributes"]["ApproximateReceiveCount"]), _LONGEST_POSTPONEMENT_SECONDS
            ),
        }
        for number, record in enumerate(records)
    ]
    try:
        call_in_batch("ChangeMessageVisibilityBatch", client.change_message_visibility_batch, url, entries, pause=pause)
    except TransientError:
        logger.exception("failed messages will be delivered again later than they should", message_ids=sorted(failed))

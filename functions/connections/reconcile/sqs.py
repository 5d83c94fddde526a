"""The queue of given-up changes in SQS."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, override

from functions.connections.reconcile.port import Failure, FailureQueue
from loudhailer.aws.batches import call_in_batch
from loudhailer.aws.errors import calling
from loudhailer.queues.port import MAX_BATCH_ENTRIES

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class SqsFailureQueue(FailureQueue):
    """Reads one SQS queue, without waiting for more."""

    def __init__(self, client: "SQSClient", url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._url = url
        self._pause = pause

    @override
    def receive(self) -> list[Failure]:
        with calling("ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_BATCH_ENTRIES,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [
            Failure(message["ReceiptHandle"], int(message["Attributes"]["SentTimestamp"]) / 1000)
            for message in answer.get("Messages", [])
        ]

    def delete(self, failures: Sequence[Failure]) -> None:
        """See `FailureQueue.delete`; a message that is not deleted is delivered again, and causes another recount."""
        entries = [{"Id": str(index), "ReceiptHandle": failure.receipt} for index, failure in enumerate(failures)]
        call_in_batch("DeleteMessageBatch", self._client.delete_message_batch, self._url, entries, pause=self._pause)

"""The queues on SQS."""

from collections.abc import Callable, Iterable, Mapping
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer.errors import TransientError
from loudhailer.observability import logger
from loudhailer.queues.batching import batches, refuse_illegal
from loudhailer.queues.port import MAX_BATCH_ENTRIES, FifoMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

_ATTEMPTS = 4


class _Batches:
    """Sends batches; the client retries failed calls by itself, we the failed entries of accepted calls."""

    def __init__(self, client: "SQSClient", url: str, *, pause: Callable[[float], None]) -> None:
        self._client = client
        self._url = url
        self._pause = pause

    def _send(self, entries: list["SendMessageBatchRequestEntryTypeDef"]) -> None:
        pending = {entry["Id"]: entry for entry in entries}
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(0.05 * 2**attempt)
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=list(pending.values()))
            except (BotoCoreError, ClientError) as error:
                raise TransientError(f"SendMessageBatch failed: {error}") from error
            failed = answer.get("Failed", [])
            if not failed:
                return
            logger.warning("entries of a batch were not accepted", codes=sorted({entry["Code"] for entry in failed}))
            pending = {entry["Id"]: pending[entry["Id"]] for entry in failed}
        raise TransientError(f"{len(pending)} of {len(entries)} messages were not accepted in {_ATTEMPTS} attempts")


class SqsQueue(_Batches):
    """Sends to one SQS queue."""

    def send_all(
        self,
        bodies: Iterable[str],
        *,
        delay_seconds: int = 0,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        """See `Queue.send_all`."""
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


class SqsFifoQueue(_Batches):
    """Sends to one SQS FIFO queue, messages that are short: ten of them fit into a batch."""

    def send_all(self, messages: Iterable[FifoMessage]) -> None:
        """See `FifoQueue.send_all`."""
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

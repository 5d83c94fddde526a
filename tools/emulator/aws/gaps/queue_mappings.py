"""SQS queues are read as AWS reads them: in concurrent batches, gathered in a window, with partial failures.

AWS reads a standard queue in several concurrent batches, at most `ScalingConfig.MaximumConcurrency`, and as many of
these as it has pollers for: see `poller_scaling`. It waits up to the batching window for a batch to fill:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
What a function reports as failed, and the whole batch when its report is malformed, comes back after the visibility
timeout; a throttled batch is tried again until then:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
Of a FIFO queue, too: a batch may hold messages of several groups, and a group is in one batch at a time. While a failed
message waits, no other message of its group is delivered.

A standard queue that tenants share is fair: see `fair_share`.

MiniStack knows no fair queues, ignores the window, and takes at most 10 messages. It stops a mapping for a second after
any error, and takes a malformed report for success: the messages are deleted. It reads a FIFO queue one batch at a
time, so that a slow group holds up all others.

Patched: nothing more than in `event_sources`; this is what it polls with. The functions below are leaned on.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from ministack.services import lambda_svc, sqs

from tools.emulator.aws.batch_response import failed_items
from tools.emulator.aws.deliveries import Deliveries
from tools.emulator.aws.fair_share import FairShare
from tools.emulator.aws.gaps import Gap, cross_account_queues, mapped_function
from tools.emulator.aws.gaps.fifo_queues import StoredMessage, ready_groups
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.poller_scaling import MOST_BATCHES, PollerScaling

_RECEIVED_AT_ONCE = 10
_GATHERING_PAUSE_SECONDS = 0.02
_THROTTLE_PAUSE_SECONDS = 0.2


def gap(_options: Options) -> Gap:
    """Pin the functions of MiniStack on which reading a queue relies."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.sqs:_receive_messages_for_esm",
                "f230dbcd4974adcf5f22b7a8c3d72e41deff97d5ccd39b990f59af9fe9910ff0",
            ),
            Patch(
                "ministack.services.sqs:_delete_messages_for_esm",
                "c1686f29b48b42eea5a69e1c24da77bd47e96f44372ac765f24fbcb8cf68362b",
            ),
            Patch(
                "ministack.services.lambda_svc:_apply_filter_criteria",
                "d8d7d5c8f77ea1ac431ccaf2e5ae888968c5e3a62d5ac3ef177043011a679fd3",
            ),
        ),
    )


class QueueMapping:
    """One event source mapping of a queue. Lives on the server's event loop, in the mapping's account and Region.

    Without `scaling` it reads as many batches at once as it may from the start.
    """

    def __init__(self, esm: dict[str, Any], deliveries: Deliveries, scaling: PollerScaling | None) -> None:
        self._esm = esm
        self._deliveries = deliveries
        self._arn: str = esm["EventSourceArn"]
        self._fair_share = FairShare()
        self._scaling = scaling
        self._running = 0
        self._gathering = False

    def start_ready(self) -> None:
        """Start a task for every batch that may be delivered now."""
        queue = self._queue()
        function, config = lambda_svc._get_func_record_for_qualifier(
            self._esm["FunctionName"], self._esm.get("Qualifier")
        )
        if queue is None or function is None:
            return
        has_ready = _has_ready(queue)
        limit = self._limit(queue, lambda_svc._reserved_concurrency(function, config), waiting=has_ready)
        while has_ready and self._running < limit and not self._gathering and self._may("ReceiveMessage"):
            messages = self._receive(self._esm["BatchSize"])
            if not messages:
                return  # they were on their way to the dead-letter queue
            self._running += 1
            self._gathering = bool(self._esm.get("MaximumBatchingWindowInSeconds"))
            self._deliveries.start(self._run(messages, time.monotonic()))
            has_ready = _has_ready(queue)

    def _limit(self, queue: dict[str, Any], reserved: int | None, *, waiting: bool) -> int:
        """Number of batches that may be in work at once."""
        limits = [(self._esm.get("ScalingConfig") or {}).get("MaximumConcurrency"), reserved]
        if self._scaling is not None and not queue["is_fifo"]:
            limits.append(self._scaling.batches_at_once(waiting=waiting))
        return min((limit for limit in limits if limit is not None), default=MOST_BATCHES)

    async def _run(self, messages: list[StoredMessage], since: float) -> None:
        try:
            if self._gathering:
                await self._gather(messages, since)
            began = time.monotonic()
            await self._deliver(messages)
            self._fair_share.took((message.get("group_id") for message in messages), time.monotonic() - began)
        finally:
            self._running -= 1

    def _may(self, action: str) -> bool:
        return cross_account_queues.may(action, self._arn, self._esm["FunctionName"], self._esm.get("Qualifier"))

    def _queue(self) -> dict[str, Any] | None:
        queue: dict[str, Any] | None = sqs._queue_by_arn(self._arn)
        return queue

    def _receive(self, count: int) -> list[StoredMessage]:
        messages: list[StoredMessage] = []
        while len(messages) < count and (queue := self._queue()):
            if not queue["is_fifo"]:
                self._fair_share.arrange(queue["messages"])
            some = sqs._receive_messages_for_esm(queue["url"], min(count - len(messages), _RECEIVED_AT_ONCE))
            if not some:
                break
            messages += some
        return messages

    async def _gather(self, messages: list[StoredMessage], since: float) -> None:
        """Wait for more messages; one batch is gathered at a time."""
        window = self._esm["MaximumBatchingWindowInSeconds"]
        size = self._esm["BatchSize"]
        try:
            while len(messages) < size and time.monotonic() - since < window:
                await asyncio.sleep(_GATHERING_PAUSE_SECONDS)
                messages += self._receive(size - len(messages))
        finally:
            self._gathering = False

    async def _deliver(self, messages: list[StoredMessage]) -> None:
        region = self._arn.split(":")[3]
        records = lambda_svc._apply_filter_criteria(
            [_record(message, self._arn, region) for message in messages], self._esm
        )
        wanted = {record["messageId"] for record in records}
        self._delete(message for message in messages if message["id"] not in wanted)
        messages = [message for message in messages if message["id"] in wanted]
        if messages:
            failed = await self._failed(messages, records)
            self._delete(message for message in messages if message["id"] not in failed)

    async def _failed(self, messages: list[StoredMessage], records: list[dict[str, Any]]) -> frozenset[str]:
        """Invoke the function; the ids of the messages that stay in the queue."""
        identifiers = frozenset(message["id"] for message in messages)
        visible_again = min(message["visible_at"] for message in messages)
        result = await mapped_function.invoke(self._esm, records)
        while result.get("throttle") and time.time() + _THROTTLE_PAUSE_SECONDS < visible_again:
            await asyncio.sleep(_THROTTLE_PAUSE_SECONDS)
            result = await mapped_function.invoke(self._esm, records)
        if result.get("error"):
            return identifiers
        if "ReportBatchItemFailures" not in self._esm.get("FunctionResponseTypes", []):
            return frozenset()
        return failed_items(result.get("body"), identifiers)

    def _delete(self, messages: Iterable[StoredMessage]) -> None:
        if (queue := self._queue()) and self._may("DeleteMessage"):  # else it was deleted meanwhile, and they with it
            sqs._delete_messages_for_esm(queue["url"], {message["receipt_handle"] for message in messages})


def _has_ready(queue: dict[str, Any]) -> bool:
    now = time.time()
    if queue["is_fifo"]:
        return bool(ready_groups(queue["messages"], now))
    return any(message.get("visible_at", 0) <= now for message in queue["messages"])


def _record(message: StoredMessage, arn: str, region: str) -> dict[str, Any]:
    """A message as a function sees it: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    system = message["sys"]
    attributes = {
        "ApproximateReceiveCount": str(message["receive_count"]),
        "SentTimestamp": str(int(message["sent_at"] * 1000)),
        "SenderId": system.get("SenderId", ""),
        "ApproximateFirstReceiveTimestamp": str(int(message["first_receive_at"] * 1000)),
    }
    optional = {
        "AWSTraceHeader": system.get("AWSTraceHeader"),
        "DeadLetterQueueSourceArn": system.get("DeadLetterQueueSourceArn"),
        "MessageGroupId": message.get("group_id"),
        "MessageDeduplicationId": message.get("dedup_id"),
        "SequenceNumber": message.get("seq"),
    }
    return {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": attributes | {name: value for name, value in optional.items() if value},
        "messageAttributes": lambda_svc._sqs_message_attributes_to_camel_case(message["message_attributes"]),
        "md5OfBody": message["md5_body"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }

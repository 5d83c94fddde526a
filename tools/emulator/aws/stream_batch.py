"""Delivery of one batch of a DynamoDB stream by Lambda: retries, bisection, partial success, discarding.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

from tools.emulator.aws.batch_response import failed_items

type DeliveredRecord = dict[str, Any]

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0  # AWS goes up to a minute
_UNLIMITED = -1


@dataclass(frozen=True)
class RetryPolicy:
    """The error handling of a mapping, with the parameters' defaults of AWS."""

    maximum_retry_attempts: int = _UNLIMITED
    maximum_record_age: int = _UNLIMITED
    bisect: bool = False
    reports_failures: bool = False


@dataclass(frozen=True)
class BatchReply:
    """Result of an invocation: its response, or that the function failed, or that it was not even invoked."""

    response: Any = None
    failed: bool = False
    throttled: bool = False


class StreamTarget(Protocol):
    """The function, and where records go that it cannot process."""

    async def invoke(self, records: Sequence[DeliveredRecord]) -> BatchReply:
        """Invoke the function once."""

    async def discard(self, records: Sequence[DeliveredRecord], condition: str, invocations: int) -> None:
        """Give `records` up; tell the on-failure destination."""


@dataclass(frozen=True)
class Delivery:
    """Delivers batches to `target`, one attempt after the other, until each record is processed or discarded."""

    policy: RetryPolicy
    target: StreamTarget
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]

    async def deliver(self, records: Sequence[DeliveredRecord]) -> None:
        """Deliver one batch.

        Only failures of the function count as attempts: neither a throttle nor a split does. A partial success moves
        the batch's start to the first failed record, which then has all its retries before it.
        """
        failures = 0
        throttles = 0
        while records := await self._without_expired(records, failures):
            reply = await self.target.invoke(records)
            done = 0 if reply.failed or reply.throttled else self._processed(records, reply.response)
            if done == len(records):
                return
            records = records[done:]
            if reply.throttled:
                throttles += 1
                await self._pause(throttles)
                continue
            if reply.failed and self.policy.bisect and len(records) > 1:
                middle = len(records) // 2
                await self.deliver(records[:middle])
                await self.deliver(records[middle:])
                return
            failures = failures + 1 if done == 0 else 1
            if _UNLIMITED < self.policy.maximum_retry_attempts < failures:
                await self.target.discard(records, "RetryAttemptsExhausted", failures)
                return
            await self._pause(failures)

    def _processed(self, records: Sequence[DeliveredRecord], response: Any) -> int:
        """Return the number of leading records that are done: Lambda continues at the lowest failed sequence number."""
        if not self.policy.reports_failures:
            return len(records)
        identifiers = [record["dynamodb"]["SequenceNumber"] for record in records]
        failed = failed_items(response, identifiers)
        return next((index for index, identifier in enumerate(identifiers) if identifier in failed), len(records))

    async def _without_expired(self, records: Sequence[DeliveredRecord], invocations: int) -> Sequence[DeliveredRecord]:
        if self.policy.maximum_record_age == _UNLIMITED:
            return records
        oldest = self.clock() - self.policy.maximum_record_age
        expired = list(takewhile(lambda record: record["dynamodb"]["ApproximateCreationDateTime"] < oldest, records))
        if expired:
            await self.target.discard(expired, "MaximumRecordAgeExceeded", invocations)
        return records[len(expired) :]

    async def _pause(self, times: int) -> None:
        await self.sleep(min(_FIRST_PAUSE_SECONDS * 2 ** min(times - 1, 10), _LONGEST_PAUSE_SECONDS))

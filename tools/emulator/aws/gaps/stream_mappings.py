"""DynamoDB streams are read as AWS reads them: retries that end, bisection, partial batches, an on-failure destination.

AWS delivers the records of a shard in order, in batches of up to BatchSize, gathered for up to the batching window;
with a parallelization factor, records of different keys go side by side:
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
A failed batch is retried up to MaximumRetryAttempts or MaximumRecordAgeInSeconds, split in two or cut at the first
failed record. Then it is discarded, with a document for the on-failure destination:
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html

MiniStack retries for ever, once a second, while nothing else is polled; it ignores `batchItemFailures`, so that the
reported records are lost; it has no window, no bisection and no parallelization.

Patched: nothing more than in `event_sources`; this is what it polls with. The functions below are leaned on.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import asyncio
import json
import time
import uuid
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import dynamodb, lambda_svc, sns, sqs

from tools.emulator.aws.deliveries import Deliveries
from tools.emulator.aws.gaps import Gap, mapped_function
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.stream_batch import BatchReply, DeliveredRecord, Delivery, RetryPolicy

_SHARD = "shardId-00000000000000000000-00000000"  # MiniStack's streams have this one
_READ_AT_ONCE = 1000
_GATHERING_PAUSE_SECONDS = 0.02


def gap(_options: Options) -> Gap:
    """Pin the functions of MiniStack on which reading a stream relies."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:stream_records_since",
                "aed31a353fda9770d3babb2d6091616fd2e60fcee3c78aee7c197e490182f27a",
            ),
            Patch(
                "ministack.services.dynamodb:stream_start_position",
                "3b822e76fbb147fa08b60c91c04d91a05d62bf84950a323e73121f9fb7fb76a3",
            ),
            Patch(
                "ministack.services.dynamodb:stream_end_position",
                "d0483912696df38d9e0f06251f452197cafd4283e56d2ff1565180905f5897a3",
            ),
            Patch(
                "ministack.services.lambda_svc:_init_stream_position",
                "bef560b23a1a98265f4a642cb8b500d02a4a9f00ffab9901bd8bde7b4db5af97",
            ),
        ),
    )


class StreamMapping:
    """One event source mapping of a stream. Lives on the server's event loop, in the mapping's account and Region."""

    def __init__(self, esm: dict[str, Any], deliveries: Deliveries) -> None:
        self._esm = esm
        self._deliveries = deliveries
        self._arn: str = esm["EventSourceArn"]
        self._table: str = self._arn.split("/")[1]
        self._lanes: list[_Lane] = []

    def start_ready(self) -> None:
        """Set every lane going that has records to read."""
        table = dynamodb._tables.get(self._table)
        if table is None or table.get("LatestStreamArn") != self._arn or mapped_function.version(self._esm) is None:
            return
        self._form_lanes()
        end = dynamodb.stream_end_position(self._table)
        for lane in self._lanes:
            if lane.position < end and not lane.busy:
                lane.busy = True
                self._deliveries.start(self._deliver(lane))

    def _form_lanes(self) -> None:
        factor = self._esm.get("ParallelizationFactor") or 1
        if len(self._lanes) == factor or any(lane.busy for lane in self._lanes):
            return
        saved = lambda_svc._dynamodb_stream_positions.get(self._esm["UUID"])
        if saved is None:
            saved = dynamodb.stream_end_position(self._table)
        self._lanes = [_Lane(index, factor, saved) for index in range(factor)]

    async def _deliver(self, lane: "_Lane") -> None:
        """Deliver one batch of the lane's records."""
        try:
            position, records = await self._gather(lane)
            records = lambda_svc._apply_filter_criteria(records, self._esm)
            if records:
                await Delivery(self._policy(), self, asyncio.sleep, time.time).deliver(records)
            lane.position = position
            lambda_svc._dynamodb_stream_positions[self._esm["UUID"]] = min(lane.position for lane in self._lanes)
        finally:
            lane.busy = False

    async def _gather(self, lane: "_Lane") -> tuple[int, list[DeliveredRecord]]:
        """The next batch, and the position after it; waits as long as the window allows for more."""
        size = self._esm.get("BatchSize") or 100
        closes = time.monotonic() + (self._esm.get("MaximumBatchingWindowInSeconds") or 0)
        position, records = lane.read(self._table, size)
        while records and len(records) < size and time.monotonic() < closes:
            await asyncio.sleep(_GATHERING_PAUSE_SECONDS)
            position, records = lane.read(self._table, size)
        return position, records

    def _policy(self) -> RetryPolicy:
        # MiniStack keeps the request's value, null included: then AWS's default holds.
        retries = self._esm.get("MaximumRetryAttempts")
        age = self._esm.get("MaximumRecordAgeInSeconds")
        return RetryPolicy(
            maximum_retry_attempts=-1 if retries is None else retries,
            maximum_record_age=-1 if age is None else age,
            bisect=bool(self._esm.get("BisectBatchOnFunctionError")),
            reports_failures="ReportBatchItemFailures" in self._esm.get("FunctionResponseTypes", []),
        )

    async def invoke(self, records: Sequence[DeliveredRecord]) -> BatchReply:
        """Invoke the mapping's function."""
        if lambda_svc._esms.get(self._esm["UUID"]) is not self._esm:
            return BatchReply()  # deleted meanwhile: nobody waits for these records any more
        result = await mapped_function.invoke(self._esm, records)
        throttled = bool(result.get("throttle"))
        return BatchReply(result.get("body"), failed=bool(result.get("error")) and not throttled, throttled=throttled)

    async def discard(self, records: Sequence[DeliveredRecord], condition: str, invocations: int) -> None:
        """Send the document about `records` to the on-failure destination, if there is one."""
        destination = ((self._esm.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        if destination:
            _send(destination, json.dumps(failure_document(self._esm, records, condition, invocations)))


class _Lane:
    """A part of a stream, by key, that is read in order: all of it with a parallelization factor of 1."""

    def __init__(self, index: int, factor: int, position: int) -> None:
        self.position = position
        self.busy = False
        self._index = index
        self._factor = factor

    def read(self, table: str, count: int) -> tuple[int, list[DeliveredRecord]]:
        """Up to `count` of this lane's records from its position on, and the position after the last one looked at."""
        position = max(self.position, dynamodb.stream_start_position(table))
        records: list[DeliveredRecord] = []
        for record in dynamodb.stream_records_since(table, position, max(count, _READ_AT_ONCE)):
            if len(records) == count:
                break
            position += 1
            if self._factor == 1 or self._index == _hash(record) % self._factor:
                records.append(record)
        return position, records


def _hash(record: DeliveredRecord) -> int:
    # As text, quickly: each lane asks for each record. MiniStack gives the keys in the order of the table's schema.
    return zlib.crc32(repr(record["dynamodb"]["Keys"]).encode())


def failure_document(
    esm: dict[str, Any], records: Sequence[DeliveredRecord], condition: str, invocations: int
) -> dict[str, Any]:
    """Return AWS's message to the on-failure destination: the records' position, not the records."""
    first, last = records[0]["dynamodb"], records[-1]["dynamodb"]
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": esm["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": mapped_function.version(esm),
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "DDBStreamBatchInfo": {
            "shardId": _SHARD,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _arrival(first),
            "approximateArrivalOfLastRecord": _arrival(last),
            "batchSize": len(records),
            "streamArn": esm["EventSourceArn"],
        },
    }


def _arrival(change: dict[str, Any]) -> str:
    return datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _send(destination: str, document: str) -> None:
    _, _, service, region, account, name = destination.split(":", 5)
    with request_scope(account, region):
        if service == "sqs":
            url = sqs._queue_url(name)
            sqs._act_send_message({"QueueUrl": url, "MessageBody": document}, url)
        elif service == "sns":
            sns._fanout(destination, str(uuid.uuid4()), document, "", "", {})

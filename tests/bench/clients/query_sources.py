"""Lets the handler of `query` handle one source after the other, on ready-made answers of AWS."""

import base64
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from loudhailer import codec
from loudhailer.broadcast.messages import SourceMessage
from loudhailer.broadcast.payload import Payload, broadcast_frame
from loudhailer.ids import BroadcastId, Partition, TenantId, nth_partition
from tests.bench.canned_aws import CannedAws
from tests.bench.meter import Meter, divert_prints, job
from tests.support.lambda_environment import StubContext, queue_event

_PAGE_BYTES = 1024 * 1024
_ROW_BYTES = 210
"""Bytes of a connection's row: names and values of partition, connectionId, tenantId, sessionId and two times."""

_FRAME_BYTES = 512
_HANDLED_FIRST = 3
_BROADCAST = BroadcastId("0190a5f3c2b14d7e8f90a1b2c3d4e5f6")


@dataclass(frozen=True, slots=True)
class Shape:
    """A source: so many partitions of so many connections."""

    partitions: int
    connections: int

    @property
    def keys(self) -> tuple[Partition, ...]:
        """The partitions' keys."""
        return tuple(nth_partition(TenantId("tenant"), number) for number in range(self.partitions))


SHAPES: Mapping[str, Shape] = {
    "4 partitions of 1,000": Shape(4, 1_000),
    "40 partitions of 100": Shape(40, 100),
    "1 partition of 20,000": Shape(1, 20_000),
}


def main() -> None:
    """Warm up, then count the connections of the sources that were handled."""
    given = job()
    divert_prints()
    shape = SHAPES[given["shape"]]
    aws = CannedAws(
        {
            "Query": _Partitions(shape),
            "GetItem": _rows(shape),
            "PutItem": b"{}",
            "UpdateItem": b"{}",
            "TransactWriteItems": b"{}",
            "SendMessageBatch": _all_sent,
        }
    )
    from functions.broadcast.query.handler import handler  # noqa: PLC0415  # its clients must be made after the line above

    event = queue_event("partition", _message(shape))
    recipients = shape.partitions * shape.connections

    def handle() -> int:
        answer = handler(event, StubContext())
        if answer != {"batchItemFailures": []}:
            raise AssertionError(answer)
        return recipients

    for _ in range(_HANDLED_FIRST):
        handle()
    if aws.bytes_sent["SendMessageBatch"] < _HANDLED_FIRST * recipients * len("0123456789abcdef"):
        raise AssertionError(f"not all of the {recipients} recipients have been queued: {aws.calls}")
    with Meter() as meter:
        ends = time.monotonic() + given["seconds"]
        while time.monotonic() < ends:
            meter.count += handle()


class _Partitions:
    """Answers Query: the pages of a partition's connections."""

    def __init__(self, shape: Shape) -> None:
        self._pages: dict[tuple[str, str], bytes] = {}
        chosen = random.Random(0)  # noqa: S311  # the same ids each time
        for partition in shape.keys:
            ids = sorted(base64.b64encode(chosen.randbytes(11)).decode() for _ in range(shape.connections))
            after = ""
            for page in batched(ids, _PAGE_BYTES // _ROW_BYTES, strict=False):
                self._pages[partition, after] = _page(partition, page, is_last=page[-1] == ids[-1])
                after = page[-1]

    def __call__(self, request: bytes) -> bytes:
        """The page that the request asks for."""
        query = json.loads(request)
        values = query["ExpressionAttributeValues"]
        start = query.get("ExclusiveStartKey", {}).get("connectionId", {}).get("S", "")
        return self._pages[values[":partition"]["S"], start]


def _page(partition: str, ids: tuple[str, ...], *, is_last: bool) -> bytes:
    page = {
        "Count": len(ids),
        "ScannedCount": len(ids),
        "Items": [{"connectionId": {"S": each}, "connectedAt": {"N": "1700000000"}} for each in ids],
    }
    if not is_last:
        page["LastEvaluatedKey"] = {"connectionId": {"S": ids[-1]}, "partition": {"S": partition}}
    return json.dumps(page).encode()


def _all_sent(request: bytes) -> bytes:
    """The answer to SendMessageBatch."""
    entries = request.count(b'"MessageBody"')
    return json.dumps(
        {
            "Successful": [
                {"Id": str(each), "MessageId": "1" * 36, "MD5OfMessageBody": "0" * 32} for each in range(entries)
            ]
        }
    ).encode()


def _rows(shape: Shape) -> Callable[[bytes], bytes]:
    """Answers GetItem: the broadcast's summary and its source; no chunk exists."""
    rows: dict[str, dict[str, Any]] = {
        "summary": {
            "audience": {"S": '{"all":true}'},
            "contentHash": {"S": "0" * 64},
            "publishedAt": {"N": "1700000000000"},
            "announced": {"BOOL": True},
        },
        "source#0": {
            "scope": {"S": json.dumps({"partitions": shape.keys})},
            "expected": {"N": str(shape.partitions * shape.connections)},
        },
    }
    answers = {
        part: json.dumps({"Item": {"broadcastId": {"S": _BROADCAST}, "part": {"S": part}, **row}}).encode()
        for part, row in rows.items()
    }
    return lambda request: answers.get(json.loads(request)["Key"]["part"]["S"], b"{}")


def _message(shape: Shape) -> str:
    now = time.time()
    return SourceMessage(
        broadcast_id=_BROADCAST,
        source=0,
        scope=shape.keys,
        payload=Payload.of(broadcast_frame(_BROADCAST, int(now * 1000), codec.json_text("x" * _FRAME_BYTES))),
        published_at=int(now * 1000),
        expires_at=int(now) + 3600,
    ).to_wire()


if __name__ == "__main__":
    main()

"""Lets the handler of `query` handle one source after the other, on ready-made answers of AWS."""

import base64
import contextlib
import io
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import batched

from tests.bench.canned_aws import CannedAws
from tests.bench.lambda_environment import CHUNK_SIZE, Context, queue_event
from tests.bench.meter import Meter, job

_PAGE_BYTES = 1024 * 1024
_ROW_BYTES = 210
"""Of a connection's row, names and values: partition, connectionId, tenantId, sessionId, connectedAt, expiresAt."""

_FRAME_BYTES = 512
_HANDLED_FIRST = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A source: so many partitions of so many connections."""

    partitions: int
    connections: int

    @property
    def names(self) -> list[str]:
        """The partitions' keys."""
        return [f"tenant-of-usual-length#{number:05d}" for number in range(self.partitions)]


SHAPES: Mapping[str, Shape] = {
    "4 partitions of 1,000": Shape(4, 1_000),
    "40 partitions of 100": Shape(40, 100),
    "1 partition of 20,000": Shape(1, 20_000),
}


def main() -> None:
    """Warm up, then count the connections of the sources that were handled."""
    given = job()
    shape = SHAPES[given["shape"]]
    aws = CannedAws(
        {
            "Query": _Partitions(shape),
            "GetItem": json.dumps({"Item": _source(shape)}).encode(),
            "PutItem": b"{}",
            "UpdateItem": b"{}",
            "TransactWriteItems": b"{}",
            "SendMessageBatch": _all_sent,
        }
    )
    from functions.query.handler import handler  # noqa: PLC0415  # its clients must be made after the line above

    event = queue_event("partition", _message(shape))
    recipients = shape.partitions * shape.connections

    def handle() -> int:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = handler(event, Context())
        if answer != {"batchItemFailures": []}:
            raise AssertionError(answer)
        return recipients

    for _ in range(_HANDLED_FIRST):
        handle()
    chunks = aws.calls["PutItem"] / _HANDLED_FIRST
    if chunks < recipients / CHUNK_SIZE:
        raise AssertionError(f"{chunks} chunks for {recipients} recipients")
    with Meter() as meter:
        ends = time.monotonic() + given["seconds"]
        while time.monotonic() < ends:
            meter.count += handle()


class _Partitions:
    """Answers Query: pages of a partition's connections; the broadcast has no chunks yet."""

    def __init__(self, shape: Shape) -> None:
        chosen = random.Random(0)  # noqa: S311  # the same ids each time
        self._pages: dict[bytes, list[bytes]] = {}
        self._next: dict[bytes, bytes] = {}
        for partition in shape.names:
            ids = sorted(base64.b64encode(chosen.randbytes(11)).decode() for _ in range(shape.connections))
            self._add(partition, [list(page) for page in batched(ids, _PAGE_BYTES // _ROW_BYTES, strict=False)])

    def _add(self, partition: str, pages: list[list[str]]) -> None:
        for number, ids in enumerate(pages):
            last = {"connectionId": {"S": ids[-1]}, "partition": {"S": partition}}
            is_last = number == len(pages) - 1
            items = [{"connectionId": {"S": each}, "connectedAt": {"N": "1700000000"}} for each in ids]
            page = {"Count": len(ids), "ScannedCount": len(ids), "Items": items}
            body = json.dumps(page if is_last else {**page, "LastEvaluatedKey": last}).encode()
            self._pages.setdefault(partition.encode(), []).append(body)
            if not is_last:
                self._next[ids[-1].encode()] = json.dumps(pages[number + 1][0]).encode()

    def __call__(self, request: bytes) -> bytes:
        """The page that the request asks for."""
        wanted = json.loads(request)
        partition = wanted["ExpressionAttributeValues"].get(":partition")
        if partition is None:
            return b'{"Count": 0, "ScannedCount": 0, "Items": []}'
        pages = self._pages[partition["S"].encode()]
        start = wanted.get("ExclusiveStartKey")
        if start is None:
            return pages[0]
        ended_with = start["connectionId"]["S"].encode()
        return pages[next(number for number, page in enumerate(pages, 1) if self._ends_with(page, ended_with))]

    @staticmethod
    def _ends_with(page: bytes, connection: bytes) -> bool:
        return page.rfind(connection, len(page) - 200) > 0


def _all_sent(request: bytes) -> bytes:
    """The answer to SendMessageBatch."""
    successful = [
        {"Id": str(number), "MessageId": "1" * 36, "MD5OfMessageBody": "0" * 32}
        for number in range(request.count(b'"MessageBody"'))
    ]
    return json.dumps({"Successful": successful}).encode()


def _source(shape: Shape) -> dict[str, dict[str, str]]:
    return {
        "broadcastId": {"S": "b"},
        "part": {"S": "source#0"},
        "scope": {"S": json.dumps({"partitions": shape.names})},
        "expected": {"N": str(shape.partitions * shape.connections)},
    }


def _message(shape: Shape) -> str:
    frame = {"type": "broadcast", "id": "b", "publishedAt": 0, "data": "x" * _FRAME_BYTES}
    now = time.time()
    return json.dumps(
        {
            "v": 1,
            "broadcastId": "b",
            "publishedAt": int(now * 1000),
            "expiresAt": int(now) + 3600,
            "data": json.dumps(frame)[:_FRAME_BYTES],
            "source": 0,
            "partitions": shape.names,
        }
    )


if __name__ == "__main__":
    main()

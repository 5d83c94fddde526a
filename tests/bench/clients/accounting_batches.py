"""Lets `accounting` count one batch of stream records after the other."""

import base64
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loudhailer.ids import Partition, TenantId, nth_partition
from tests.bench.canned_aws import CannedAws
from tests.bench.meter import Meter, divert_prints, job
from tests.support.executors import AtOnce
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.lambda_environment import StubContext

RECORDS = 1_000
"""As the event source mapping has it."""

STORES = ("handler and SDK", "use case in memory")

_CHECKPOINT = "0" * 40
_FIRST_SEQUENCE = 10**24
_HANDLED_FIRST = 3

type ConnectionEvent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Contents of a batch: connections that all open or all close, in so many partitions and sessions."""

    event_name: str
    partitions: int
    sessions: int

    @property
    def keys(self) -> list[Partition]:
        """The partitions' keys."""
        return [nth_partition(TenantId("tenant"), number) for number in range(self.partitions)]

    def event(self) -> ConnectionEvent:
        """The event that Lambda delivers."""
        chosen = random.Random(0)  # noqa: S311  # the same ids each time
        keys = self.keys
        return {
            "Records": [
                _record(
                    self.event_name,
                    _FIRST_SEQUENCE + place,
                    partition=keys[place % self.partitions],
                    connection=base64.b64encode(chosen.randbytes(11)).decode(),
                    session=f"00000000-0000-0000-0000-{place // self.partitions % self.sessions:012d}",
                )
                for place in range(RECORDS)
            ]
        }


BATCHES: Mapping[str, Batch] = {
    "opened, 10 partitions": Batch("INSERT", 10, 1_000),
    "opened, 100 partitions": Batch("INSERT", 100, 1_000),
    "closed, 10 partitions, 100 sessions": Batch("REMOVE", 10, 10),
    "closed, 10 partitions, 1,000 sessions": Batch("REMOVE", 10, 1_000),
}


def main() -> None:
    """Warm up, then count the records of the batches that were handled."""
    given = job()
    divert_prints()
    batch = BATCHES[given["batch"]]
    event = batch.event()
    handle = _with_sdk(batch) if given["store"] == STORES[0] else _in_memory(batch)
    for _ in range(_HANDLED_FIRST):
        handle(event)
    with Meter() as meter:
        ends = time.monotonic() + given["seconds"]
        while time.monotonic() < ends:
            if handle(event) != {"batchItemFailures": []}:
                raise AssertionError("a batch was not counted")
            meter.count += RECORDS


def _with_sdk(batch: Batch) -> Callable[[ConnectionEvent], ConnectionEvent]:
    rows = [
        {"partition": {"S": partition}, "tenantId": {"S": "tenant"}, "checkpoint": {"S": _CHECKPOINT}}
        for partition in batch.keys
    ]
    answer = json.dumps({"Responses": {"bench-partitions": rows}, "UnprocessedKeys": {}})
    aws = CannedAws({"BatchGetItem": answer.encode(), "UpdateItem": b"{}", "BatchExecuteStatement": _all_done})
    from functions.connections.accounting.handler import handler  # noqa: PLC0415  # its clients must be made after the line above

    def handle(event: ConnectionEvent) -> ConnectionEvent:
        before = aws.calls["UpdateItem"]
        answer: ConnectionEvent = handler(event, StubContext())
        if aws.calls["UpdateItem"] - before < batch.partitions:
            raise AssertionError("a partition was not written")
        return answer

    return handle


def _all_done(request: bytes) -> bytes:
    """The answer to statements that were all carried out."""
    return json.dumps(
        {"Responses": [{"TableName": "bench-sessions"} for _ in json.loads(request)["Statements"]]}
    ).encode()


def _in_memory(batch: Batch) -> Callable[[ConnectionEvent], ConnectionEvent]:
    from functions.connections.accounting.accounting import Accounting  # noqa: PLC0415  # the other case starts without it

    def handle(event: ConnectionEvent) -> ConnectionEvent:
        partitions = MemoryPartitionStore()
        for key in batch.keys:
            partitions.open(key)
        return Accounting(partitions, MemorySessionStore(), MemoryLimitStore(), executor=AtOnce())(event)

    return handle


def _record(event_name: str, sequence: int, *, partition: str, connection: str, session: str) -> ConnectionEvent:
    keys = {"partition": {"S": partition}, "connectionId": {"S": connection}}
    image = {
        **keys,
        "tenantId": {"S": "tenant"},
        "sessionId": {"S": session},
        "connectedAt": {"N": "1700000000"},
        "expiresAt": {"N": "1700007500"},
    }
    change = {
        "ApproximateCreationDateTime": 1700000000.0,
        "Keys": keys,
        "SequenceNumber": str(sequence),
        "SizeBytes": 210,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "NewImage" if event_name == "INSERT" else "OldImage": image,
    }
    return {
        "eventID": f"{sequence:032x}",
        "eventName": event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
    }


if __name__ == "__main__":
    main()

"""Promises of `reconcile`'s `FailureQueue`, kept by the twin and by SQS."""

import time
from uuid import uuid4

import pytest

from functions.connections.reconcile.port import Failure, FailureQueue
from functions.connections.reconcile.sqs import SqsFailureQueue
from tests.contract.conftest import QUEUES, sqs_of
from tests.support.fakes.recounts import MemoryFailureQueue


@pytest.fixture(params=QUEUES)
def queue(request: pytest.FixtureRequest) -> FailureQueue:
    """The twin, then the adapter, with twelve messages."""
    if request.param == "memory":
        return MemoryFailureQueue(*(Failure(f"receipt-{number}", time.time()) for number in range(12)))
    sqs = sqs_of(request)
    url = sqs.create_queue(QueueName=f"failures-{uuid4().hex[:12]}")["QueueUrl"]
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=f"batch {number}")
    return SqsFailureQueue(sqs, url)


def test_messages_are_received_until_all_are_deleted(queue: FailureQueue) -> None:
    """An empty list means that no message is left."""
    received: list[Failure] = []
    while failures := queue.receive():
        received += failures
        queue.delete(failures)
    assert len({failure.receipt for failure in received}) == 12
    assert all(time.time() - 60 < failure.sent_at < time.time() + 1 for failure in received)

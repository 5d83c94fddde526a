"""The pause before a failed message comes again, with a stub in place of the client."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from loudhailer.queues.sqs import postpone

URL = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-inbox.fifo"


class StubSqs:
    """Notes the calls, or fails them."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.calls: list[dict[str, Any]] = []

    def change_message_visibility_batch(self, **call: Any) -> None:
        """As SQS takes it."""
        self.calls.append(call)
        if self._error:
            raise self._error


def event(*receives: int) -> dict[str, Any]:
    """An event with a message for each number: so many times the function has got it by now."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"h{number}",
                "attributes": {"ApproximateReceiveCount": str(times)},
            }
            for number, times in enumerate(receives)
        ]
    }


def failed(*numbers: int) -> dict[str, Any]:
    """The response that names these messages."""
    return {"batchItemFailures": [{"itemIdentifier": f"m{number}"} for number in numbers]}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (5, 32), (6, 60), (9, 60)])
def test_a_message_that_failed_comes_again_soon_and_then_later(receives: int, seconds: int) -> None:
    """And never later than after a minute."""
    stub = StubSqs()
    postpone(stub, URL, event(receives), failed(0))  # type: ignore[arg-type]  # a stub
    entry = {"Id": "0", "ReceiptHandle": "h0", "VisibilityTimeout": seconds}
    assert stub.calls == [{"QueueUrl": URL, "Entries": [entry]}]


def test_only_messages_that_failed_come_again() -> None:
    """In one call; without any there is none."""
    stub = StubSqs()
    postpone(stub, URL, event(1, 1, 3), failed(1, 2))  # type: ignore[arg-type]  # a stub
    (call,) = stub.calls
    assert [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in call["Entries"]] == [("h1", 2), ("h2", 8)]
    postpone(stub, URL, event(1), failed())  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == 1


def test_a_message_comes_again_even_if_sqs_does_not_answer() -> None:
    """When the queue's visibility timeout is over."""
    stub = StubSqs(EndpointConnectionError(endpoint_url=URL))
    postpone(stub, URL, event(1), failed(0))  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == 1

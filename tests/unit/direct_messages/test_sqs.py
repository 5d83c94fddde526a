"""How soon a wake that failed comes again, with a stub in place of the client."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.relay_message.sqs import postpone

URL = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-inbox.fifo"


class StubSqs:
    """Notes the calls, or fails them."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.calls: list[dict[str, Any]] = []

    def change_message_visibility(self, **call: Any) -> None:
        """As SQS takes it."""
        self.calls.append(call)
        if self._error:
            raise self._error


def record(receives: int) -> dict[str, Any]:
    """What the function gets, so many times by now."""
    return {"messageId": "m1", "receiptHandle": "h1", "attributes": {"ApproximateReceiveCount": str(receives)}}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (5, 32), (6, 60), (9, 60)])
def test_a_wake_that_failed_comes_again_soon_and_then_later(receives: int, seconds: int) -> None:
    """And never later than after a minute."""
    stub = StubSqs()
    postpone(stub, URL, record(receives))  # type: ignore[arg-type]  # a stub
    assert stub.calls == [{"QueueUrl": URL, "ReceiptHandle": "h1", "VisibilityTimeout": seconds}]


def test_a_wake_comes_again_even_if_sqs_does_not_answer() -> None:
    """When the queue's visibility timeout is over."""
    stub = StubSqs(EndpointConnectionError(endpoint_url=URL))
    postpone(stub, URL, record(1))  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == 1

"""The pause before a failed message is delivered again, with a stub in place of the client."""

from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from loudhailer.queues.sqs import postpone

URL = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-inbox.fifo"


class StubSqs:
    """Notes the calls, and fails them, or those entries of each call in turn; the sender's fault or SQS's."""

    def __init__(
        self, error: Exception | None = None, failing: Iterable[set[str]] = (), *, sender_fault: bool = False
    ) -> None:
        self._error = error
        self._failing = list(failing)
        self._sender_fault = sender_fault
        self.calls: list[dict[str, Any]] = []

    def change_message_visibility_batch(self, **call: Any) -> dict[str, Any]:
        """As SQS answers: 200, with the entries that failed."""
        self.calls.append(call)
        if self._error:
            raise self._error
        failing = self._failing.pop(0) if self._failing else set()
        failed = [{"Id": one, "Code": "Error", "SenderFault": self._sender_fault} for one in sorted(failing)]
        return {"Successful": [], "Failed": failed} if failed else {"Successful": []}


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
def test_the_delay_of_a_failed_message_grows(receives: int, seconds: int) -> None:
    """The delay is never longer than a minute."""
    stub = StubSqs()
    postpone(stub, URL, event(receives), failed(0))  # type: ignore[arg-type]  # a stub
    entry = {"Id": "0", "ReceiptHandle": "h0", "VisibilityTimeout": seconds}
    assert stub.calls == [{"QueueUrl": URL, "Entries": [entry]}]


def test_only_failed_messages_are_postponed() -> None:
    """In one call; without any there is none."""
    stub = StubSqs()
    postpone(stub, URL, event(1, 1, 3), failed(1, 2))  # type: ignore[arg-type]  # a stub
    (call,) = stub.calls
    assert [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in call["Entries"]] == [("h1", 2), ("h2", 8)]
    postpone(stub, URL, event(1), failed())  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == 1


def test_a_failed_postponement_is_retried() -> None:
    """SQS answers 200 nevertheless; without another try the message would come after the visibility timeout."""
    stub, pauses = StubSqs(failing=[{"0", "2"}, {"2"}]), list[float]()
    postpone(stub, URL, event(1, 1, 1), failed(0, 1, 2), pause=pauses.append)  # type: ignore[arg-type]  # a stub
    assert [[entry["Id"] for entry in call["Entries"]] for call in stub.calls] == [["0", "1", "2"], ["0", "2"], ["2"]]
    assert pauses == [0.1, 0.2]


@pytest.mark.parametrize(("sender_fault", "calls"), [(False, 4), (True, 1)])
def test_a_message_that_cannot_be_postponed_keeps_its_visibility_timeout(*, sender_fault: bool, calls: int) -> None:
    """After a few tries, or at once if the receipt is no good any more: nothing is raised."""
    stub = StubSqs(failing=[{"0"}] * 9, sender_fault=sender_fault)
    postpone(stub, URL, event(1), failed(0), pause=lambda _: None)  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == calls


def test_a_message_is_redelivered_even_if_sqs_does_not_answer() -> None:
    """When the queue's visibility timeout is over."""
    stub = StubSqs(EndpointConnectionError(endpoint_url=URL))
    postpone(stub, URL, event(1), failed(0))  # type: ignore[arg-type]  # a stub
    assert len(stub.calls) == 1

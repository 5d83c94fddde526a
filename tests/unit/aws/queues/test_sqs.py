"""The queue on SQS: entries of a batch that fail, with a stub in place of the client."""

from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from loudhailer.errors import PermanentError, TransientError
from loudhailer.queues.sqs import SqsQueue
from tests.support.limits import MAX_BATCH_BYTES

URL = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-shard-0"


class StubSqs:
    """Fails given bodies in given calls; `errors` are raised by the first calls instead."""

    def __init__(self, failing: Iterable[set[str]] = (), errors: Iterable[Exception] = ()) -> None:
        self._failing = list(failing)
        self._errors = list(errors)
        self.calls: list[list[str]] = []
        self.accepted: list[str] = []
        self.entries: list[dict[str, Any]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """As SQS answers: 200, with the entries that failed."""
        assert QueueUrl == URL
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        if self._errors:
            raise self._errors.pop(0)
        failing = self._failing.pop(0) if self._failing else set()
        self.calls.append([entry["MessageBody"] for entry in Entries])
        self.entries += Entries
        answer: dict[str, Any] = {"Successful": [], "ResponseMetadata": {}}
        for entry in Entries:
            if entry["MessageBody"] in failing:
                answer.setdefault("Failed", []).append(
                    {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False}
                )
            else:
                self.accepted.append(entry["MessageBody"])
        return answer


def queue(stub: StubSqs, pauses: list[float] | None = None) -> SqsQueue:
    """The queue on the stub; it notes its pauses and does not make them."""
    return SqsQueue(stub, URL, pause=([] if pauses is None else pauses).append)  # type: ignore[arg-type]  # a stub


def test_messages_are_sent_in_full_batches() -> None:
    """Twenty-five messages take three calls."""
    stub = StubSqs()
    bodies = [f"body {number}" for number in range(25)]
    queue(stub).send_all(bodies)
    assert [len(call) for call in stub.calls] == [10, 10, 5]
    assert stub.accepted == bodies


def test_messages_of_a_group_carry_its_id() -> None:
    """Other messages have no group: SQS takes each of them for a group of its own."""
    stub = StubSqs()
    queue(stub).send_all(["a"], group="acme")
    queue(stub).send_all(["b"])
    assert [entry.get("MessageGroupId") for entry in stub.entries] == ["acme", None]


def test_only_the_entries_that_failed_are_sent_again() -> None:
    """An accepted entry is not sent twice, and the pauses grow."""
    stub = StubSqs([{"b", "c"}, {"c"}])
    pauses: list[float] = []
    queue(stub, pauses).send_all(["a", "b", "c"])
    assert stub.calls == [["a", "b", "c"], ["b", "c"], ["c"]]
    assert sorted(stub.accepted) == ["a", "b", "c"]
    assert pauses == [0.1, 0.2]


def test_entries_that_fail_again_and_again_are_a_transient_error() -> None:
    """The error says how many were not accepted; the others were."""
    stub = StubSqs([{"b"}] * 10)
    with pytest.raises(TransientError, match="1 of 3 messages"):
        queue(stub).send_all(["a", "b", "c"])
    assert stub.accepted == ["a", "c"]
    assert len(stub.calls) == 4


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "later"}}, "SendMessageBatch"),
        EndpointConnectionError(endpoint_url=URL),
    ],
)
def test_a_call_that_fails_is_a_transient_error(error: Exception) -> None:
    """The client has retried by itself; the error keeps its cause."""
    with pytest.raises(TransientError, match="SendMessageBatch") as raised:
        queue(StubSqs(errors=[error])).send_all(["a"])
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "body", ["", "\uffff", "\ud800", "x" * (MAX_BATCH_BYTES + 1)], ids=["empty", "illegal", "surrogate", "long"]
)
def test_a_body_that_can_never_be_sent_is_a_permanent_error(body: str) -> None:
    """It is refused before its batch is sent."""
    stub = StubSqs()
    with pytest.raises(PermanentError):
        queue(stub).send_all([body])
    assert stub.calls == []


def test_delay_and_attributes_are_on_every_message() -> None:
    """Attributes are strings."""
    stub = StubSqs()
    queue(stub).send_all(["a", "b"], delay_seconds=16, attributes={"reason": "tried 8 times"})
    for entry in stub.entries:
        assert entry["DelaySeconds"] == 16
        assert entry["MessageAttributes"] == {"reason": {"DataType": "String", "StringValue": "tried 8 times"}}

"""Consumption of a queue's messages by a function."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from loudhailer.errors import MalformedMessageError, PermanentError, TransientError
from loudhailer.queues.consumer import Failures, Groups, Record, consume, consume_fifo, consume_together
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import MAX_REASON_CHARACTERS
from tests.unit.aws.queues.sqs_events import FIFO_ARN, QUEUE_ARN, event, failed, fifo_event


def raising(errors: Mapping[str, Exception], handled: list[str]) -> Callable[[str], None]:
    """A handler that fails for some bodies and notes the others."""

    def handle(body: str) -> None:
        if body in errors:
            raise errors[body]
        handled.append(body)

    return handle


def test_a_handled_message_is_acknowledged() -> None:
    """Every message is handled once, in order, and none is reported."""
    handled: list[str] = []
    answer = consume(event("a", "b", "c"), raising({}, handled), MemoryQueue())
    assert answer == {"batchItemFailures": []}
    assert handled == ["a", "b", "c"]


def test_a_permanent_failure_goes_to_the_dead_letter_queue_and_its_neighbours_continue(counted: Counter[str]) -> None:
    """The copy has the body as it came, the reason and where it came from; the message is acknowledged."""
    handled: list[str] = []
    dead_letters = MemoryQueue()
    answer = consume(
        event("a", "b", "c"), raising({"b": MalformedMessageError("data is missing")}, handled), dead_letters
    )
    assert failed(answer) == []
    assert handled == ["a", "c"]
    assert dead_letters.bodies == ["b"]
    assert dead_letters.attributes == [{"reason": "data is missing", "source": QUEUE_ARN}]
    assert counted == {"MessageDeadLettered": 1}


@pytest.mark.parametrize("error", [TransientError("throttled"), ValueError("a bug"), MemoryError()])
def test_any_other_failure_is_redelivered_and_its_neighbours_continue(error: Exception, counted: Counter[str]) -> None:
    """Only that message is reported, and nothing is copied: a bug of ours does not throw work away."""
    handled: list[str] = []
    dead_letters = MemoryQueue()
    answer = consume(event("a", "b", "c"), raising({"b": error}, handled), dead_letters)
    assert failed(answer) == ["message-1"]
    assert handled == ["a", "c"]
    assert dead_letters.bodies == []
    assert counted == {"MessageFailed": 1}


def test_a_message_that_cannot_be_moved_is_redelivered(counted: Counter[str]) -> None:
    """Nothing is acknowledged before its copy is durable."""
    handled: list[str] = []
    dead_letters = MemoryQueue()
    dead_letters.down = True
    answer = consume(event("a", "b"), raising({"a": PermanentError("bad")}, handled), dead_letters)
    assert failed(answer) == ["message-0"]
    assert handled == ["b"]
    assert counted == {}


def test_a_message_that_sqs_would_refuse_is_left_to_the_redrive_policy() -> None:
    """An illegal body cannot be copied, so it is reported until SQS moves it itself."""
    answer = consume(event("\uffff"), raising({"\uffff": PermanentError("bad")}, []), MemoryQueue())
    assert failed(answer) == ["message-0"]


def test_a_long_reason_is_cut() -> None:
    """The attribute stays short."""
    dead_letters = MemoryQueue()
    consume(event("a"), raising({"a": PermanentError("x" * 5000)}, []), dead_letters)
    assert dead_letters.attributes[0]["reason"] == "x" * MAX_REASON_CHARACTERS


def test_a_batch_handled_together_fails_message_by_message() -> None:
    """Failures are reported by message id; each is treated as its kind."""
    dead_letters = MemoryQueue()
    failures = {"message-0": TransientError("later"), "message-2": PermanentError("never")}
    bodies: list[Mapping[str, str]] = []

    def handle(found: Mapping[str, str]) -> Mapping[str, Exception]:
        bodies.append(found)
        return failures

    assert failed(consume_together(event("a", "b", "c"), handle, dead_letters)) == ["message-0"]
    assert bodies == [{"message-0": "a", "message-1": "b", "message-2": "c"}]
    assert dead_letters.bodies == ["c"]


def failing(errors: Failures, seen: list[Groups] | None = None) -> Callable[[Groups], Failures]:
    """A handler of groups that fails for some messages, by their ids."""

    def handle(groups: Groups) -> Failures:
        if seen is not None:
            seen.append(groups)
        return errors

    return handle


def test_a_fifo_batch_is_handled_by_group() -> None:
    """Records are in order, with the queue's facts about them; attributes that are not texts are left out."""
    seen: list[Groups] = []
    batch = fifo_event(("x", "a"), ("y", "b"), ("x", "c"), attributes={"tenantId": "acme"}, receives=2)
    batch["Records"][0]["messageAttributes"]["raw"] = {"binaryValue": "AA==", "dataType": "Binary"}
    assert consume_fifo(batch, failing({}, seen), MemoryQueue()) == {"batchItemFailures": []}
    (groups,) = seen
    assert {group: [record.body for record in records] for group, records in groups.items()} == {
        "x": ["a", "c"],
        "y": ["b"],
    }
    assert groups["x"][0] == Record(
        "message-0",
        "x",
        "a",
        {"tenantId": "acme"},
        2,
        "loudhailer-test-pool.fifo",
        1_800_000_000,
        "18849496460467696128",
    )


def test_a_failure_fails_the_rest_of_its_group_only() -> None:
    """The rest is delivered again in order; earlier records, and other groups, are acknowledged."""
    batch = fifo_event(("x", "a"), ("y", "b"), ("x", "c"), ("z", "d"), ("x", "e"), ("y", "f"), ("x", "g"))
    answer = consume_fifo(batch, failing({"message-2": TransientError("later")}), MemoryQueue())
    assert failed(answer) == ["message-2", "message-4", "message-6"]


def test_every_failed_group_is_reported_from_its_first_failure() -> None:
    """However many of its records the handler names."""
    batch = fifo_event(("x", "a"), ("y", "b"), ("x", "c"), ("y", "d"), ("z", "e"))
    errors = {"message-0": ValueError("a bug"), "message-2": TransientError("later"), "message-3": TransientError("?")}
    assert sorted(failed(consume_fifo(batch, failing(errors), MemoryQueue()))) == [
        "message-0",
        "message-2",
        "message-3",
    ]


def test_a_poison_message_in_a_group_is_moved_and_its_followers_are_acknowledged() -> None:
    """It will never succeed, so nothing waits for it."""
    dead_letters = MemoryQueue()
    batch = fifo_event(("x", "a"), ("x", "b"), ("x", "c"))
    assert failed(consume_fifo(batch, failing({"message-1": PermanentError("bad")}), dead_letters)) == []
    assert dead_letters.bodies == ["b"]
    assert dead_letters.attributes == [{"reason": "bad", "source": FIFO_ARN}]


def test_a_poison_message_that_cannot_be_moved_is_redelivered_alone() -> None:
    """Messages behind it have been handled, and are not handled again for its sake."""
    dead_letters = MemoryQueue()
    dead_letters.down = True
    batch = fifo_event(("x", "a"), ("x", "b"), ("x", "c"))
    assert failed(consume_fifo(batch, failing({"message-1": PermanentError("bad")}), dead_letters)) == ["message-1"]


def test_a_poison_message_behind_a_failure_keeps_its_place() -> None:
    """It is found again when its turn comes."""
    dead_letters = MemoryQueue()
    batch = fifo_event(("x", "a"), ("x", "b"))
    errors = {"message-0": TransientError("later"), "message-1": PermanentError("bad")}
    assert failed(consume_fifo(batch, failing(errors), dead_letters)) == ["message-0", "message-1"]
    assert dead_letters.bodies == []


def test_a_failure_is_logged_with_the_message(logged: Callable[..., list[Any]]) -> None:
    """The log names it when it is delivered again, is moved, or could not be moved."""
    errors = {"a": TransientError("later"), "b": PermanentError("never")}
    consume(event("a", "b"), raising(errors, []), MemoryQueue())
    down = MemoryQueue()
    down.down = True
    consume(event("b"), raising(errors, []), down)
    assert logged("message", "message_id", "exception_name", "reason") == [
        ("message failed and will be delivered again", "message-0", "TransientError", None),
        ("message moved to the dead-letter queue", "message-1", None, "never"),
        ("message could not be moved to the dead-letter queue", "message-0", "TransientError", None),
    ]

"""Delivery of one batch of stream records: retries, splits, partial success, discards."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tools.emulator.aws.stream_batch import BatchReply, DeliveredRecord, Delivery, RetryPolicy

_NOW = 1_700_000_000.0


def _record(number: int, age: float = 0.0) -> DeliveredRecord:
    return {"dynamodb": {"SequenceNumber": str(number), "ApproximateCreationDateTime": _NOW - age}}


def _numbers(records: Sequence[DeliveredRecord]) -> list[int]:
    return [int(record["dynamodb"]["SequenceNumber"]) for record in records]


class _Target:
    """A function given by what it answers, and the records given up."""

    def __init__(self, answer: Callable[[list[int]], BatchReply]) -> None:
        self._answer = answer
        self.invocations: list[list[int]] = []
        self.discarded: list[tuple[list[int], str, int]] = []

    async def invoke(self, records: Sequence[DeliveredRecord]) -> BatchReply:
        self.invocations.append(_numbers(records))
        return self._answer(self.invocations[-1])

    async def discard(self, records: Sequence[DeliveredRecord], condition: str, invocations: int) -> None:
        self.discarded.append((_numbers(records), condition, invocations))


def _deliver(target: _Target, records: list[DeliveredRecord], **policy: Any) -> list[float]:
    """Deliver a batch; the pauses made."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    asyncio.run(Delivery(RetryPolicy(**policy), target, sleep, lambda: _NOW).deliver(records))
    return pauses


def _fails_on(*poison: int) -> Callable[[list[int]], BatchReply]:
    return lambda numbers: BatchReply(failed=not set(poison).isdisjoint(numbers))


def _reports(*poison: int) -> Callable[[list[int]], BatchReply]:
    def answer(numbers: list[int]) -> BatchReply:
        failed = [{"itemIdentifier": str(number)} for number in numbers if number in poison]
        return BatchReply({"batchItemFailures": failed})

    return answer


def test_a_batch_that_succeeds_is_delivered_once() -> None:
    """Nothing is retried, paused or discarded."""
    target = _Target(_fails_on())
    assert _deliver(target, [_record(1), _record(2)]) == []
    assert target.invocations == [[1, 2]]


def test_a_batch_that_always_fails_is_discarded_after_exactly_the_retries() -> None:
    """Two retries are three invocations."""
    target = _Target(_fails_on(1))
    _deliver(target, [_record(1), _record(2)], maximum_retry_attempts=2)
    assert target.invocations == [[1, 2]] * 3
    assert target.discarded == [([1, 2], "RetryAttemptsExhausted", 3)]


def test_no_retries_at_all_discard_after_the_first_failure() -> None:
    """Zero is not the default of without end."""
    target = _Target(_fails_on(1))
    _deliver(target, [_record(1)], maximum_retry_attempts=0)
    assert target.invocations == [[1]]


def test_a_batch_without_a_limit_is_retried_until_it_succeeds_with_growing_pauses() -> None:
    """The default retries for as long as the record lives."""
    answers = iter([BatchReply(failed=True)] * 8 + [BatchReply()])
    target = _Target(lambda _: next(answers))
    pauses = _deliver(target, [_record(1)])
    assert len(target.invocations) == 9
    assert pauses == sorted(pauses)
    assert pauses[-1] == 1.0
    assert target.discarded == []


def test_throttles_do_not_count_as_attempts() -> None:
    """The function did not see the batch."""
    answers = iter([BatchReply(throttled=True)] * 5 + [BatchReply(failed=True), BatchReply()])
    target = _Target(lambda _: next(answers))
    _deliver(target, [_record(1)], maximum_retry_attempts=1)
    assert len(target.invocations) == 7
    assert target.discarded == []


def test_a_split_finds_the_poison_record_and_costs_no_retry() -> None:
    """Each half is delivered, in order; the record alone has all its attempts."""
    target = _Target(_fails_on(3))
    _deliver(target, [_record(number) for number in (1, 2, 3, 4)], bisect=True, maximum_retry_attempts=1)
    assert target.invocations == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [4]]
    assert target.discarded == [([3], "RetryAttemptsExhausted", 2)]


def test_delivery_continues_at_the_lowest_reported_record() -> None:
    """The lowest sequence number is the checkpoint, in whatever order they are named."""
    answers = iter([{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}, None])
    target = _Target(lambda _: BatchReply(next(answers)))
    _deliver(target, [_record(1), _record(2), _record(3)], reports_failures=True, maximum_retry_attempts=0)
    assert target.invocations == [[1, 2, 3]]
    assert target.discarded == [([2, 3], "RetryAttemptsExhausted", 1)]


def test_every_first_record_has_all_its_retries() -> None:
    """Progress starts the count again."""
    seen: dict[int, int] = {}

    def answer(numbers: list[int]) -> BatchReply:
        for number in numbers:
            seen[number] = seen.get(number, 0) + 1
            if seen[number] <= 2:
                return BatchReply({"batchItemFailures": [{"itemIdentifier": str(number)}]})
        return BatchReply()

    target = _Target(answer)
    _deliver(target, [_record(1), _record(2), _record(3)], reports_failures=True, maximum_retry_attempts=2)
    assert target.discarded == []
    assert seen == {1: 3, 2: 3, 3: 3}


def test_a_report_is_ignored_unless_the_mapping_asks_for_reports() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html says so."""
    target = _Target(_reports(1))
    _deliver(target, [_record(1), _record(2)])
    assert target.invocations == [[1, 2]]


def test_records_past_their_age_are_discarded_without_an_invocation() -> None:
    """The younger ones of the batch are delivered."""
    target = _Target(_fails_on())
    _deliver(target, [_record(1, age=61), _record(2, age=59)], maximum_record_age=60)
    assert target.discarded == [([1], "MaximumRecordAgeExceeded", 0)]
    assert target.invocations == [[2]]


@given(
    size=st.integers(1, 12),
    poison=st.sets(st.integers(1, 12)),
    bisect=st.booleans(),
    reports=st.booleans(),
    retries=st.integers(0, 3),
)
def test_every_record_is_processed_or_discarded_once_and_in_order(
    *, size: int, poison: set[int], bisect: bool, reports: bool, retries: int
) -> None:
    """Whatever is poisonous, nothing is lost, and nothing is processed before what precedes it is settled."""
    settled: list[int] = []

    def answer(numbers: list[int]) -> BatchReply:
        bad = next((index for index, number in enumerate(numbers) if number in poison), None)
        if bad is None:
            settled.extend(numbers)
            return BatchReply()
        if reports:
            settled.extend(numbers[:bad])
            return BatchReply({"batchItemFailures": [{"itemIdentifier": str(numbers[bad])}]})
        return BatchReply(failed=True)

    target = _Target(answer)
    discard = target.discard

    async def settle_discarded(records: Sequence[DeliveredRecord], condition: str, invocations: int) -> None:
        settled.extend(_numbers(records))
        await discard(records, condition, invocations)

    target.discard = settle_discarded  # type: ignore[method-assign]
    records = [_record(number) for number in range(1, size + 1)]
    _deliver(target, records, bisect=bisect, reports_failures=reports, maximum_retry_attempts=retries)
    assert settled == list(range(1, size + 1))

"""The token bucket against a clock that the test moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.emulator.gateway.limits import AccountBuckets, TokenBucket


class FakeClock:
    """A clock that is stopped until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time that the test sets."""
        return self.now


def taken(bucket: TokenBucket, attempts: int) -> int:
    """Return how many of the attempts got a token."""
    return sum(bucket.take() for _ in range(attempts))


def test_a_bucket_starts_full_and_then_refuses() -> None:
    """A burst of bucket size passes at once, one more does not."""
    assert taken(TokenBucket(10, 5, FakeClock()), 8) == 5


@pytest.mark.emulator_contract
def test_a_bucket_refills_at_its_rate() -> None:
    """After 0.31 s at 10/s there are three tokens, not more."""
    clock = FakeClock()
    bucket = TokenBucket(10, 5, clock)
    taken(bucket, 5)
    clock.now += 0.31
    assert taken(bucket, 9) == 3


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    """An hour of rest gives no more than a full bucket."""
    clock = FakeClock()
    bucket = TokenBucket(10, 5, clock)
    clock.now += 3_600
    assert taken(bucket, 50) == 5


def test_refused_attempts_cost_no_tokens() -> None:
    """A client that is refused again and again is admitted as soon as a token is there."""
    clock = FakeClock()
    bucket = TokenBucket(1, 1, clock)
    bucket.take()
    admitted = 0
    for _ in range(100):
        clock.now += 0.1
        admitted += bucket.take()
    assert admitted in {9, 10}


def test_an_infinite_rate_never_refuses() -> None:
    """`inf` switches a limit off, also at one and the same moment."""
    assert taken(TokenBucket(math.inf, 5, FakeClock()), 10_000) == 10_000


def test_a_rate_of_zero_gives_its_burst_once() -> None:
    """AWS admits nothing at a rate and burst of 0."""
    clock = FakeClock()
    bucket = TokenBucket(0, 0, clock)
    clock.now += 3_600
    assert not bucket.take()


def test_accounts_have_buckets_of_their_own() -> None:
    """One account's burst leaves another's untouched."""
    buckets = AccountBuckets(1, 2, FakeClock())
    assert [buckets.take("1"), buckets.take("1"), buckets.take("1"), buckets.take("2")] == [True, True, False, True]


@given(st.lists(st.floats(0, 0.5), max_size=300))
def test_burst_and_rate_bound_the_number_of_requests(pauses: list[float]) -> None:
    """Whatever the pattern, at most burst + rate x time get through."""
    clock = FakeClock()
    bucket = TokenBucket(20, 7, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += bucket.take()
    assert passed <= 7 + 20 * (clock.now - 100.0) + 1e-6

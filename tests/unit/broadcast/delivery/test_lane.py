"""A lane's rate."""

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.delivery.lane import Lane

BUCKET_SECONDS = 0.05
rates = st.floats(0.5, 20_000)
starts = st.floats(0, 10**7)
takes = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 2_000)), min_size=1, max_size=60)


def bucket(rate: float) -> float:
    """Return the permissions that a lane grants at once."""
    return max(2.0, rate * BUCKET_SECONDS)


@given(rates, starts, takes)
def test_no_window_has_more_posts_than_the_rate_and_one_bucket(
    rate: float, start: float, steps: list[tuple[float, int]]
) -> None:
    """However the posts are asked for, and however long nobody asked."""
    lane = Lane(rate, start)
    times = list(accumulate((pause for pause, _ in steps), initial=start))[1:]
    taken = [lane.take(wanted, now) for now, (_, wanted) in zip(times, steps, strict=True)]
    assert all(0 <= given_out <= wanted for given_out, (_, wanted) in zip(taken, steps, strict=True))
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert sum(taken[first : last + 1]) <= rate * (times[last] - times[first]) + bucket(rate) + 0.01


@given(st.floats(1, 20_000), starts)
def test_a_busy_lane_reaches_its_rate(rate: float, start: float) -> None:
    """Asked every 4 ms for ten seconds, it grants its rate, apart from the first tokens."""
    lane = Lane(rate, start)
    taken = sum(lane.take(10_000, start + tick * 0.004) for tick in range(1, 2501))
    assert rate * 10 - bucket(rate) - 1 <= taken <= rate * 10 + bucket(rate)


@pytest.mark.parametrize("seconds", [1, 900, 10**6])
def test_a_resumed_worker_posts_without_a_burst(seconds: float) -> None:
    """The bucket holds 50 ms of the rate, however long nobody asked."""
    lane = Lane(1_000, 0)
    assert lane.take(10_000, seconds) == 50


def test_a_new_lane_has_no_permission() -> None:
    """A new worker does not start with a burst either; `wait` says when to come back."""
    lane = Lane(100, 5)
    assert lane.take(10, 5) == 0
    assert lane.wait() == pytest.approx(0.01)
    assert lane.take(10, 5 + lane.wait() + 1e-9) == 1


@given(rates, starts, st.lists(st.floats(0.001, 1), max_size=20))
def test_a_permission_is_available_after_the_wait(rate: float, start: float, pauses: list[float]) -> None:
    """`wait` never says too little."""
    lane, now = Lane(rate, start), start
    for pause in pauses:
        now += pause
        lane.take(1_000_000, now)
        assert lane.take(1, now + lane.wait() + 1e-6) == 1
        now += lane.wait() + 1e-6


def test_a_stopped_or_reversed_clock_gives_no_permission() -> None:
    """Only time that passes fills the bucket."""
    lane = Lane(1_000, 10)
    assert lane.take(100, 11) == 50
    assert [lane.take(100, now) for now in (11, 10.5, 10)] == [0, 0, 0]


@given(starts)
def test_throttling_lowers_the_rate_at_once(start: float) -> None:
    """The first 429 counts, even in the first moment; the tokens in the bucket are lost."""
    lane = Lane(1_000, start)
    lane.take(0, start + 1)
    lane.throttled(start + 1)
    assert lane.rate == pytest.approx(700)
    assert lane.take(1_000, start + 1) == 0
    fresh = Lane(1_000, start)
    fresh.throttled(start)
    assert fresh.rate == pytest.approx(700)


def test_answers_to_one_burst_lower_the_rate_once() -> None:
    """A second decrease needs a fifth of a second."""
    lane = Lane(1_000, 0)
    for now in (1.0, 1.01, 1.1, 1.19):
        lane.throttled(now)
    assert lane.rate == pytest.approx(700)
    lane.throttled(1.21)
    assert lane.rate == pytest.approx(490)


def test_the_rate_has_a_floor_and_comes_back_step_by_step() -> None:
    """A twentieth at least; a fifth of the full rate more each second of use, up to the full rate."""
    lane = Lane(1_000, 0)
    for number in range(50):
        lane.throttled(number)
    assert lane.rate == pytest.approx(50)
    lane.take(0, 50)
    rates_seen = []
    for second in range(51, 60):
        lane.take(0, second)
        rates_seen.append(lane.rate)
    assert rates_seen == sorted(rates_seen)
    assert rates_seen[0] <= 50 + 2 * 200 + 1
    assert rates_seen[-1] == 1_000


@given(rates, st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=60))
def test_the_rate_stays_between_its_floor_and_its_full_value(rate: float, steps: list[tuple[float, bool]]) -> None:
    """Whatever is answered."""
    lane, now = Lane(rate, 0), 0.0
    for pause, throttled in steps:
        now += pause
        if throttled:
            lane.throttled(now)
        lane.take(10, now)
        assert rate * 0.05 * 0.999 <= lane.rate <= rate


def test_a_lane_uses_its_loan_while_it_lasts() -> None:
    """From one moment to the next, and without a burst of earlier tokens."""
    factors = iter([1.0, 4.0, 4.0, 1.0, 1.0])
    lane = Lane(1_000, 0, lambda _: next(factors))
    rates = []
    for now in range(1, 6):
        taken = lane.take(10_000, now)
        rates.append((lane.rate, taken))
    assert rates == [(1_000, 50), (4_000, 200), (4_000, 200), (1_000, 50), (1_000, 50)]


def test_a_throttled_lane_yields_part_of_its_loan() -> None:
    """The same part, whatever its rate is at the moment."""
    factors = iter([4.0, 4.0, 1.0])
    lane = Lane(1_000, 0, lambda _: next(factors))
    lane.take(0, 1)
    lane.throttled(1)
    assert lane.rate == pytest.approx(2_800)
    lane.take(0, 1)
    lane.take(0, 1)
    assert lane.rate == pytest.approx(700)


def test_a_lane_reads_its_loan_at_the_given_time() -> None:
    """It asks at the time of the clock that it is given."""
    asked: list[float] = []

    def lent(now: float) -> float:
        asked.append(now)
        return 1.0

    lane = Lane(1_000, 5, lent)
    lane.take(1, 6)
    lane.take(1, 7.5)
    assert asked == [6, 7.5]


def test_an_express_lane_has_its_bucket_at_once() -> None:
    """It is full at the first moment, and fills again at the lane's rate."""
    lane = Lane(100, 5, bucket=500)
    assert lane.take(400, 5) == 400
    assert lane.take(400, 5) == 100
    assert lane.take(400, 6) == 100
    assert lane.take(10_000, 60) == 500


def test_only_a_lane_with_a_bucket_of_its_own_loses_patience() -> None:
    """Others wait as long as their function may."""
    assert Lane(100, 0).patience == math.inf
    assert Lane(100, 0, bucket=1).patience == 0.25


@given(rates, starts, takes, st.integers(1, 500))
def test_a_bucket_of_its_own_is_all_that_a_lane_may_send_above_its_rate(
    rate: float, start: float, steps: list[tuple[float, int]], size: int
) -> None:
    """However the posts are asked for."""
    lane = Lane(rate, start, bucket=size)
    times = list(accumulate((pause for pause, _ in steps), initial=start))[1:]
    taken = [lane.take(wanted, now) for now, (_, wanted) in zip(times, steps, strict=True)]
    assert sum(taken) <= rate * (times[-1] - start) + max(size, bucket(rate)) + 0.01

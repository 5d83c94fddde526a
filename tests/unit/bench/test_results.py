"""Comparison and notation of numbers in benchmarks."""

import math

import pytest

from tests.bench.results import at_least, at_most, median, median_ratio, microseconds, number, percent, times


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the whole machine was slow says as much as any other."""
    assert median_ratio([2.0, 20.0, 3.0], to=[1.0, 10.0, 1.0]) == 2.0


def test_the_rounds_of_a_ratio_must_match() -> None:
    """A client that was measured less often than another has no ratio to it."""
    with pytest.raises(ValueError, match="argument 2 is longer"):
        median_ratio([1.0], to=[1.0, 2.0])


def test_a_missing_measurement_has_no_number() -> None:
    """No value is made up, and no target is reached by it."""
    assert math.isnan(median([]))
    assert (number(math.nan), percent(math.nan)) == ("-", "-")
    assert not at_most("nothing", math.nan, 1.0, number).is_met
    assert not at_least("nothing", math.nan, 1.0, number).is_met


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")])
def test_a_number_has_three_digits_or_more(value: float, text: str) -> None:
    """Enough to compare, and no more than was measured."""
    assert number(value) == text


def test_units_are_written_out() -> None:
    """A share, a ratio and a time have their usual notation."""
    assert (percent(0.979), times(40), microseconds(24.5e-6)) == ("97.9%", "40.0 x", "24.5 us")


def test_a_target_reached_exactly_is_reached() -> None:
    """The bound itself is good enough, from both sides."""
    assert at_most("x", 4.0, 4.0, times).is_met
    assert at_least("x", 4.0, 4.0, times).is_met
    assert not at_most("x", 4.01, 4.0, times).is_met
    assert not at_least("x", 3.99, 4.0, times).is_met

"""Prices against worked examples: AWS's own, and those of the facts that the project collected."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.planner import prices
from tools.planner.bill import parts
from tools.planner.prices import Price

ALL = {name: price for name, price in vars(prices).items() if isinstance(price, Price)}


@pytest.mark.parametrize(
    ("price", "units", "cost"),
    [
        (prices.GATEWAY_MESSAGES, "1e9", "1000"),
        (prices.GATEWAY_MESSAGES, "1.5e9", "1400"),
        (prices.CONNECTION_MINUTES, "1e6", "0.25"),
        (prices.HTTP_REQUESTS, "400e6", "390"),
        (prices.LAMBDA_REQUESTS, "3e6", "0.40"),
        (prices.LAMBDA_X86, "400000", "0"),
        (prices.LAMBDA_X86, "16.0004e9", "248333.60"),
        (prices.LAMBDA_ARM64, "1400000", "13.3334"),
        (prices.DYNAMODB_WRITES, "1e6", "0.625"),
        (prices.DYNAMODB_READS, "1e6", "0.125"),
        (prices.DYNAMODB_STORAGE, "4", "1"),
        (prices.DYNAMODB_STREAM_READS, "1e12", "0"),
        (prices.SQS_REQUESTS, "1e6", "0"),
        (prices.SQS_REQUESTS, "3e6", "0.80"),
        (prices.LOGS, "5", "0"),
        (prices.LOGS, "105", "50"),
        (prices.LAMBDA_LOGS, "60000", "12500"),
        (prices.XRAY_TRACES, "148800", "0.244"),
        (prices.EGRESS, "100", "0"),
        (prices.EGRESS, "10340", "921.60"),
    ],
)
def test_a_price_is_that_of_the_worked_example(price: Price, units: str, cost: str) -> None:
    """Free units first, then tier by tier."""
    assert price.of(Decimal(units)) == Decimal(cost)


@pytest.mark.parametrize(("size", "units"), [(1, 1), (32 * 1024, 1), (33 * 1024, 2), (128 * 1024, 4)])
def test_a_frame_is_metered_by_32_kb(size: int, units: int) -> None:
    """33 KB are two messages: https://aws.amazon.com/api-gateway/pricing/."""
    assert parts(size, prices.GATEWAY_MESSAGE_BYTES) == units


@given(price=st.sampled_from(sorted(ALL)), units=st.decimals(0, 10**12), more=st.decimals(0, 10**12))
def test_more_units_never_cost_less(price: str, units: Decimal, more: Decimal) -> None:
    """Whatever the tiers are."""
    assert ALL[price].of(units) <= ALL[price].of(units + more)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_price_names_its_source(name: str) -> None:
    """A page of AWS's, and tiers that end nowhere."""
    assert ALL[name].source.startswith("https://aws.amazon.com/")
    assert ALL[name].tiers[-1][0].is_infinite()

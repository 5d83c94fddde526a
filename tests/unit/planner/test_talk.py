"""Seed C's bill."""

from decimal import Decimal

import pytest

from tools.errors import OperatorError
from tools.planner import talk
from tools.planner.bill import total


def test_the_figure_of_the_talk_is_met_to_the_cent() -> None:
    """1,000 concurrent of 200 ms are 5,000 requests a second, at 256 MB for 30 days."""
    seconds, requests = talk.as_the_talk_has_it()
    assert requests.units == 12_960_000_000
    assert seconds.units == 648_000_000
    assert round(seconds.cost, 2) == Decimal("10793.35")
    assert round(requests.cost, 2) == Decimal("2591.80")
    assert round(total([seconds, requests]), 2) == Decimal("13385.15")


def test_costs_missing_from_the_talk_are_added() -> None:
    """Each request of two who talk is one message in and two out."""
    items = {item.name: item for item in talk.what_it_leaves_out(2)}
    assert [*items] == [
        "connection minutes",
        "gateway messages",
        "DynamoDB writes",
        "DynamoDB reads",
        "SQS requests",
        "egress",
    ]
    assert items["gateway messages"].units == 3 * 12_960_000_000
    assert items["gateway messages"].cost == 1_000 + Decimal(37880) * Decimal("0.8")
    assert items["connection minutes"].cost == Decimal("10.80")
    assert items["DynamoDB writes"].cost == 8_100
    assert all(item.cost > 0 for item in items.values())


@pytest.mark.parametrize("room_size", [-1, 0, 101])
def test_a_room_that_is_not_posted_to_directly_is_refused(room_size: int) -> None:
    """A larger one goes the way of a broadcast."""
    with pytest.raises(OperatorError, match="--room-size must be from 1 to 100"):
        talk.what_it_leaves_out(room_size)

"""The time of a broadcast that nothing else is beside."""

import pytest

from loudhailer.broadcast.estimate import estimated_express_seconds, estimated_seconds


@pytest.mark.parametrize(
    ("recipients", "seconds"),
    [
        (0, 0.15),
        (1, 0.15 + 1 / 2_450),
        (1_000, 0.15 + 250 / 2_450),  # eight chunks of 125: two for each lane
        (4_000, 0.15 + 1_000 / 2_450),
        (4_001, 0.15 + 1_500 / 2_450),  # the ninth chunk takes a lane as long as any other
        (10_000, 0.15 + 2_500 / 2_450),
    ],
)
def test_a_broadcast_takes_as_long_as_its_busiest_lane(recipients: int, seconds: float) -> None:
    """A ninth chunk on four lanes was not seen: 5,000 recipients took 0.76 s, and 0.66 were estimated."""
    assert estimated_seconds(recipients, posts_per_second=9_800, lanes=4, chunk_size=500) == pytest.approx(seconds)


def test_a_small_broadcast_begins_sooner() -> None:
    """Its chunk is posted by one lane, at once."""
    assert estimated_express_seconds(490, posts_per_second=9_800) == pytest.approx(0.1)

"""Places that are counted too slowly; the rules are tested with the stores, in `tests/contract`."""

from collections import Counter

from loudhailer.ids import TenantId
from loudhailer.limits.places.model import sessions_of, take_place
from tests.support.fakes.places import MemoryPlaceStore

HOLDER = sessions_of(TenantId("acme"))


def test_a_count_that_takes_too_long_is_reported(counted: Counter[str]) -> None:
    """The places stay taken, and an operator learns why."""
    places, seconds = MemoryPlaceStore(), iter(range(0, 100, 2))
    for expected in (True, False):
        taken = take_place(
            places, HOLDER, 1, rows=lambda: [0] * 9, now=100, expires_at=200, monotonic=lambda: next(seconds)
        )
        assert taken is expected
    assert counted["PlacesNotCounted"] == 1

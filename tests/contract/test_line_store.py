"""The promises of `LineStore`, kept by the twin and by DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from loudhailer.ids import HUB, SessionId, TenantId
from loudhailer.limits.line.dynamodb import DynamoLineStore
from loudhailer.limits.line.model import Kind, LineEnds, Turn
from loudhailer.limits.line.port import LONGEST_SECONDS, LineStore
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, dynamodb_of, table_of
from tests.support.broadcasts import NORTH
from tests.support.fakes.line import MemoryLineStore

NOW = 1_800_000_000.123456
ACME, S1, S2 = TenantId("acme"), SessionId("s1"), SessionId("s2")
SLOT, APPOINTMENT = Turn(Kind.SLOT, NOW + 1), Turn(Kind.APPOINTMENT, NOW + 1)


def store_of(request: pytest.FixtureRequest) -> LineStore:
    """The store for a fixture's parameter, empty."""
    if request.param == "memory":
        return MemoryLineStore()
    return DynamoLineStore(dynamodb_of(request), table_of(request)("limits"))


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> LineStore:
    """Each of the stores."""
    return store_of(request)


@pytest.fixture(params=NOT_REPEATED)
def once(request: pytest.FixtureRequest) -> LineStore:
    """The stores whose calls are carried out once."""
    return store_of(request)


def about(ends: LineEnds, slot: float, appointment: float) -> None:
    """Check the ends, to the microsecond."""
    assert (ends.slot, ends.appointment) == pytest.approx((slot, appointment), abs=2e-6)


def test_a_line_is_extended_from_now_or_from_its_end(once: LineStore) -> None:
    """Slots and appointments have ends of their own, and so has each cell."""
    about(once.extend(HUB, Kind.SLOT, 0.25, NOW), NOW + 0.25, 0)
    about(once.extend(HUB, Kind.SLOT, 0.25, NOW), NOW + 0.5, 0)
    about(once.extend(HUB, Kind.APPOINTMENT, 3, NOW), NOW + 0.5, NOW + 3)
    about(once.extend(HUB, Kind.SLOT, 0.1, NOW + 2), NOW + 2.1, NOW + 3)
    about(once.extend(NORTH, Kind.SLOT, 0.1, NOW + 2), NOW + 2.1, 0)


def test_a_line_ends_where_it_was_extended_to(once: LineStore) -> None:
    """A line that was never extended ends at zero."""
    about(once.ends(HUB), 0, 0)
    once.extend(HUB, Kind.SLOT, 0.25, NOW)
    about(once.ends(HUB), NOW + 0.25, 0)
    once.extend(HUB, Kind.APPOINTMENT, 3, NOW)
    about(once.ends(HUB), NOW + 0.25, NOW + 3)
    about(once.ends(NORTH), 0, 0)


def test_a_line_that_no_crowd_can_have_made_is_begun_again(once: LineStore) -> None:
    """A clock that was a day ahead made all clients wait for a day."""
    once.extend(HUB, Kind.SLOT, 1, NOW + 86_400)
    about(once.extend(HUB, Kind.SLOT, 1, NOW), NOW + 1, 0)
    once.extend(HUB, Kind.SLOT, LONGEST_SECONDS - 1, NOW)
    about(once.extend(HUB, Kind.SLOT, 1, NOW), NOW + LONGEST_SECONDS + 1, 0)


def test_a_repeated_extension_never_gives_the_same_time_twice(store: LineStore) -> None:
    """The SDK repeats a write whose answer was lost: times are lost then."""
    ends = [store.extend(HUB, Kind.SLOT, 0.25, NOW).slot for _ in range(4)]
    assert all(later - earlier >= 0.249999 for earlier, later in pairwise(ends))


def test_callers_at_once_get_times_of_their_own(once: LineStore) -> None:
    """None is lost."""
    with ThreadPoolExecutor(4) as pool:
        ends = sorted(pool.map(lambda _: once.extend(HUB, Kind.SLOT, 1, NOW).slot, range(12)))
    assert ends == pytest.approx([NOW + number for number in range(1, 13)], abs=2e-6)


def test_turns_are_kept_for_their_session(store: LineStore) -> None:
    """A slot and an appointment of one moment are two; the same turn again is one."""
    for turn in (SLOT, APPOINTMENT, SLOT):
        store.keep(ACME, S1, turn, expires_at=1_800_000_100)
    assert set(store.turns(ACME, S1)) == {SLOT, APPOINTMENT}
    assert list(store.turns(ACME, S2)) == []
    assert list(store.turns(TenantId("acme2"), S1)) == []


def test_a_turn_is_used_once(once: LineStore) -> None:
    """Late ones go with it; without any nothing is used."""
    late = Turn(Kind.APPOINTMENT, NOW - 400)
    assert not once.use(ACME, S1, SLOT, [])
    for turn in (SLOT, APPOINTMENT, late):
        once.keep(ACME, S1, turn, expires_at=1_800_000_100)
    assert once.use(ACME, S1, SLOT, [late])
    assert not once.use(ACME, S1, SLOT, [])
    assert set(once.turns(ACME, S1)) == {APPOINTMENT}
    assert once.use(ACME, S1, APPOINTMENT, [])
    assert list(once.turns(ACME, S1)) == []
    assert not once.use(ACME, S1, APPOINTMENT, [])

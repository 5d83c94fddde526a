"""The promises of `PlaceStore`, kept by the twin and by DynamoDB, and the rules that are built on them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loudhailer.ids import PlayerId, TenantId
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.limits.places.model import inbox_of, player_of, sessions_of, take_place
from loudhailer.limits.places.port import PlaceStore
from tests.support.fakes.places import MemoryPlaceStore

ACME, OTHER = TenantId("acme"), TenantId("acme-2")
HOLDER = inbox_of(ACME, PlayerId("ann"))


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> PlaceStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemoryPlaceStore()
    return DynamoPlaceStore(request.getfixturevalue("aws")("dynamodb"), request.getfixturevalue("table")("places"))


def take(store: PlaceStore, rows: int, now: int, maximum: int = 3) -> bool:
    """Take a place beside so many rows; tell whether there was one."""
    return take_place(store, HOLDER, maximum, rows=lambda: [1] * rows, now=now, expires_at=now + 100)


def test_places_are_taken_up_to_the_maximum(store: PlaceStore) -> None:
    """Each name, and each tenant, has its own; none at all is a maximum too."""
    assert [store.take(ACME, "sessions", 2, expires_at=9) for _ in range(3)] == [True, True, False]
    assert store.take(ACME, "inbox#ann", 2, expires_at=9)
    assert store.take(OTHER, "sessions", 2, expires_at=9)
    assert not store.take(OTHER, "none", 0, expires_at=9)


def test_two_hundred_concurrent_callers_take_exactly_the_maximum(store: PlaceStore) -> None:
    """A caller is refused when all are taken."""
    with ThreadPoolExecutor(16) as pool:
        taken = pool.map(lambda _: store.take(ACME, "sessions", 20, expires_at=9), range(200))
    assert sum(taken) == 20


def test_one_caller_in_an_interval_counts_the_rows(store: PlaceStore) -> None:
    """Nothing is to be counted before the first place is taken."""
    assert store.claim_count(ACME, "sessions", now=100, every=10) is None
    store.take(ACME, "sessions", 5, expires_at=9)
    assert [store.claim_count(ACME, "sessions", now=now, every=10) for now in (100, 100, 109, 110)] == [
        1,
        None,
        None,
        1,
    ]


def test_a_count_replaces_the_places_taken_before_it_began(store: PlaceStore) -> None:
    """A place that was taken meanwhile is not lost."""
    for _ in range(3):
        store.take(ACME, "sessions", 3, expires_at=9)
    store.correct(ACME, "sessions", seen=2, counted=0)
    assert not store.take(ACME, "sessions", 3, expires_at=9)
    store.correct(ACME, "sessions", seen=3, counted=2)
    assert [store.take(ACME, "sessions", 3, expires_at=9) for _ in range(2)] == [True, False]
    store.correct(ACME, "unknown", seen=0, counted=2)
    assert store.names(ACME) == ["sessions"]


def test_the_places_of_a_tenant_are_found_and_deleted(store: PlaceStore) -> None:
    """Nobody else's are."""
    for tenant, name in ((ACME, "sessions"), (ACME, HOLDER.name), (OTHER, "sessions")):
        store.take(tenant, name, 1, expires_at=9)
    assert sorted(store.names(ACME)) == [HOLDER.name, "sessions"]
    store.delete(ACME, [HOLDER.name, "sessions", "unknown"])
    assert (store.names(ACME), store.names(OTHER)) == ([], ["sessions"])
    assert store.take(ACME, "sessions", 1, expires_at=9)


def test_deleted_rows_make_room_after_the_next_count(store: PlaceStore) -> None:
    """No caller gives a place back: rows go by a TTL, too."""
    assert [take(store, rows, now=100) for rows in range(3)] == [True, True, True]
    assert take(store, rows=1, now=101)
    assert take(store, rows=2, now=101)
    assert not take(store, rows=0, now=102)
    assert take(store, rows=0, now=111)


def test_a_full_holder_is_counted_once_for_many_requests(store: PlaceStore) -> None:
    """A refusal costs two writes, and no count of all its rows."""
    counts: list[int] = []

    def count() -> list[int]:
        counts.append(1)
        return [2, 1]

    for now in (*[100] * 20, 109, 110):
        take_place(store, HOLDER, 3, rows=count, now=now, expires_at=now + 100)
    assert len(counts) == 2


def test_counting_stops_at_the_maximum(store: PlaceStore) -> None:
    """A full holder is full, however many more rows there are."""
    pages = iter([2, 2, 2])
    store.take(ACME, HOLDER.name, 1, expires_at=9)
    assert not take_place(store, HOLDER, 1, rows=lambda: pages, now=100, expires_at=200)
    assert list(pages) == [2, 2]


def test_rows_that_take_too_long_to_count_keep_their_places(store: PlaceStore) -> None:
    """A client waits for the answer: it is refused, and the next count starts again."""
    now = 0.0

    def slowly() -> Iterator[int]:
        nonlocal now
        while True:
            now += 1.0
            yield 0

    store.take(ACME, HOLDER.name, 1, expires_at=9)
    assert not take_place(store, HOLDER, 1, rows=slowly, now=100, expires_at=200, monotonic=lambda: now)
    assert now == 3
    assert not take(store, rows=0, now=109, maximum=1)
    assert take(store, rows=0, now=110, maximum=1)


def test_an_inbox_is_named_after_its_player() -> None:
    """A holder that is no inbox has no player."""
    assert player_of(HOLDER.name) == "ann"
    assert player_of(sessions_of(ACME).name) is None

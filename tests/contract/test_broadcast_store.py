"""One suite for the broadcasts' table: its in-memory twin and DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from loudhailer.broadcast.audience import Everyone, InRoom, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.model import Chunk, Source, Summary, Tally, TallyKey
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.errors import TransientError
from loudhailer.history.model import Position
from loudhailer.ids import BroadcastId, ChunkId, Epoch, PlayerId, RoomKey, SessionId
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.broadcasts import (
    ACCOUNT,
    BROADCAST,
    NORTH,
    NOW,
    OTHER_ACCOUNT,
    SOUTH,
    TENANT,
    chunk,
    connection,
    outcome,
    partition,
    report_of,
    source,
    summary,
)
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.limits import KEPT_SECONDS, MAX_SOURCES_AT_ONCE
from tests.support.tables import TableKind

NOW_MS = NOW * 1000
OTHER = BroadcastId("broadcast-2")
UNKNOWN = BroadcastId("broadcast-3")
LETTER = "b6c1c1e5-5f0d-4d5e-9d5c-5b0d6f2f1c11"
POSITION, LATER = Position(Epoch("e-_34567890a"), 1), Position(Epoch("other"), 10**14)
KEY = TallyKey(BROADCAST, ChunkId("0.0"))


class Spread(DynamoBroadcastStore):
    """A store that takes every broadcast for one whose rows are spread over sixteen keys, recorded or not."""

    def _keys_of(self, broadcast_id: BroadcastId) -> int:  # noqa: ARG002  # all are alike
        return 16


SPREAD = "dynamodb, simulated, spread over keys"


@pytest.fixture(params=["memory", *ADAPTERS, SPREAD])
def store(request: pytest.FixtureRequest) -> BroadcastStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemoryBroadcastStore()
    if request.param == SPREAD:
        simulated: Any = client_of_any_table()
        return Spread(simulated, "broadcasts-simulated", clock=lambda: NOW)
    return DynamoBroadcastStore(dynamodb_of(request), table_of(request)("broadcasts"), clock=lambda: NOW)


@pytest.mark.parametrize(
    "to",
    [
        Everyone(),
        OfTenant(TENANT),
        InRoom(TENANT, RoomKey("lobby")),
        OfPlayer(TENANT, PlayerId("ann@example.com")),
        OfSession(TENANT, SessionId("s-1")),
    ],
    ids=lambda to: type(to).__name__,
)
def test_a_summary_is_read_as_it_was_recorded(store: BroadcastStore, to: Any) -> None:
    """For every kind of audience."""
    recorded = summary(to=to)
    assert store.record(recorded) == recorded
    assert store.summary(BROADCAST) == recorded


def test_the_first_summary_of_a_broadcast_is_kept(store: BroadcastStore) -> None:
    """The second one gets the stored summary; another id is another broadcast."""
    first = store.record(summary())
    assert store.record(summary(content_hash="f" * 64)) == first
    other = summary(broadcast_id=OTHER, content_hash="f" * 64)
    assert store.record(other) == other
    assert store.summary(BROADCAST) == first


def whole(size: int = 3, **fields: Any) -> tuple[Summary, Source, Chunk]:
    """The rows of a broadcast whose recipients are fixed with it."""
    head = replace(summary(**fields), sources=1, expected=size, swarmed_at=NOW_MS, express=True)
    part = replace(source(0, expected=size), dispatched=size, queried_at=NOW_MS)
    return head, part, chunk(size=size)


@pytest.mark.parametrize("size", [0, 3])
def test_a_broadcast_is_recorded_with_its_recipients(store: BroadcastStore, size: int) -> None:
    """Its source is complete, and nothing can be fixed behind its chunk; without recipients it has none."""
    head, part, only = whole(size)
    assert store.record_small(head, part, only) is head
    assert store.summary(BROADCAST) == head
    assert store.sources(BROADCAST) == [part]
    assert store.chunk_sizes(BROADCAST, 0) == [size] * bool(size)
    behind = chunk(f"0.{bool(size):d}", first=size)
    assert store.fix_chunk(BROADCAST, behind).size == 0
    if size:
        assert store.chunk(BROADCAST, only.chunk_id) == only


def test_a_recorded_broadcast_is_not_changed_by_another_record(store: BroadcastStore) -> None:
    """Neither of one that was recorded with its recipients, nor of any other."""
    first, part, only = whole()
    store.record_small(first, part, only)
    assert store.record_small(*whole(5, content_hash="f" * 64)) == first
    assert store.chunk_sizes(BROADCAST, 0) == [3]
    other = store.record(summary(broadcast_id=OTHER))
    assert store.record_small(*whole(broadcast_id=OTHER)) == other
    assert store.sources(OTHER) == []
    assert store.record(summary()) == first


def test_reads_of_an_unknown_broadcast_return_nothing(store: BroadcastStore) -> None:
    """Reads answer None and empty lists, and raise no error."""
    store.record(summary())
    assert store.summary(UNKNOWN) is None
    assert store.source(BROADCAST, 0) is None
    assert store.chunk(BROADCAST, ChunkId("0.0")) is None
    assert report_of(store, UNKNOWN) is None
    assert (store.sources(BROADCAST), store.chunk_sizes(BROADCAST, 0), store.tallies(BROADCAST)) == ([], [], [])
    assert store.tallies_of([KEY]) == {}
    assert store.tallies_of([]) == {}


def test_notes_about_an_unknown_broadcast_are_ignored(store: BroadcastStore) -> None:
    """Notes about an unknown broadcast or source are not taken, and are no errors."""
    store.mark_announced(UNKNOWN)
    store.note_position(UNKNOWN, POSITION)
    store.complete_sources(UNKNOWN, 1, 5, NOW_MS)
    assert not store.complete_source(UNKNOWN, 0, chunks=0, dispatched=0, now=NOW_MS)
    assert not store.cancel(UNKNOWN)
    store.reopen_source(UNKNOWN, 0, LETTER)
    store.reopen_sources(UNKNOWN, LETTER)
    assert store.summary(UNKNOWN) is None
    assert store.source(UNKNOWN, 0) is None
    assert store.chunk(UNKNOWN, ChunkId("0.0")) is None


def test_the_acceptance_by_the_topic_is_recorded(store: BroadcastStore) -> None:
    """Nothing else of the summary changes."""
    recorded = store.record(summary())
    store.mark_announced(BROADCAST)
    store.mark_announced(BROADCAST)
    assert store.summary(BROADCAST) == replace(recorded, announced=True)


def test_the_position_of_a_message_is_noted_with_it(store: BroadcastStore) -> None:
    """The note may come with the announcement, and nothing else of the summary changes."""
    recorded = store.record(summary())
    assert store.positions_of([BROADCAST, UNKNOWN]) == {BROADCAST: None}
    store.note_position(BROADCAST, POSITION)
    assert store.summary(BROADCAST) == replace(recorded, position=POSITION)
    store.mark_announced(BROADCAST)
    assert store.summary(BROADCAST) == replace(recorded, announced=True, position=POSITION)
    other = store.record(summary(broadcast_id="other"))
    store.mark_announced(other.broadcast_id, position=LATER)
    assert store.summary(other.broadcast_id) == replace(other, announced=True, position=LATER)
    assert store.positions_of([BROADCAST, other.broadcast_id]) == {BROADCAST: POSITION, other.broadcast_id: LATER}


def test_the_further_cells_of_a_broadcast_are_kept(store: BroadcastStore) -> None:
    """With their counts where there are some; a summary without further cells says nothing of them."""
    for number, cells in enumerate(({}, {NORTH: 1_200, SOUTH: None}, None)):
        recorded = replace(
            summary(broadcast_id=f"b{number}"), cells=cells, ends_at=None if cells is None else NOW + 300
        )
        store.record(recorded)
        assert store.summary(recorded.broadcast_id) == recorded


def test_an_announcement_can_move_the_end_of_a_broadcast(store: BroadcastStore) -> None:
    """A broadcast may be announced long after it was recorded; without further cells it has no end."""
    recorded = store.record(replace(summary(), cells={NORTH: 1}, ends_at=NOW + 300))
    store.mark_announced(BROADCAST, ends_at=NOW + 900)
    assert store.summary(BROADCAST) == replace(recorded, announced=True, ends_at=NOW + 900)


def test_a_deadline_stays_when_the_broadcast_is_announced(store: BroadcastStore) -> None:
    """The publisher chose it, with further cells or without."""
    recorded = store.record(replace(summary(), ends_at=NOW + 5, has_deadline=True))
    store.mark_announced(BROADCAST)
    assert store.summary(BROADCAST) == replace(recorded, announced=True)


def test_each_new_version_is_higher_than_the_last(store: BroadcastStore) -> None:
    """Versions begin with the time, so that a recreated table continues above; the clock may go back."""
    taken = [store.take_version(BROADCAST, now) for now in (NOW_MS, NOW_MS - 5, NOW_MS)]
    assert NOW_MS <= taken[0] < NOW_MS + 1_000
    assert taken == sorted(set(taken))
    assert store.take_version(OTHER, NOW_MS + 9_000) >= NOW_MS + 9_000
    assert (store.summary(BROADCAST), store.sources(BROADCAST), store.tallies(BROADCAST)) == (None, [], [])


@pytest.mark.parametrize(
    "scope",
    [
        (),
        (partition(0), partition(1, "other")),
        InRoom(TENANT, RoomKey("lobby")),
        OfPlayer(TENANT, PlayerId("ann")),
        OfSession(TENANT, SessionId("s1")),
    ],
    ids=repr,
)
def test_a_source_is_read_as_it_was_fixed(store: BroadcastStore, scope: Any) -> None:
    """Whatever its scope, with a count and without one."""
    for number, expected in ((0, 7), (1, None)):
        fixed = source(number, scope=scope, expected=expected)
        assert store.fix_sources(BROADCAST, [fixed])
        assert store.source(BROADCAST, number) == fixed


def test_sources_are_fixed_all_or_none(store: BroadcastStore) -> None:
    """One taken number refuses the group, and the first source stays."""
    assert store.fix_sources(BROADCAST, [source(0), source(1)])
    assert not store.fix_sources(BROADCAST, [source(2), source(1, expected=99), source(3)])
    assert store.sources(BROADCAST) == [source(0), source(1)]
    assert store.fix_sources(OTHER, [source(0, expected=99)])
    assert store.sources(OTHER) == [source(0, expected=99)]


def test_sources_of_the_largest_transaction_are_read_in_order_of_number(store: BroadcastStore) -> None:
    """`10` comes after `9`."""
    many = [source(number) for number in range(MAX_SOURCES_AT_ONCE)]
    assert store.fix_sources(BROADCAST, many)
    assert store.fix_sources(BROADCAST, [source(MAX_SOURCES_AT_ONCE)])
    assert store.sources(BROADCAST) == [*many, source(MAX_SOURCES_AT_ONCE)]


def test_sources_are_completed_once(store: BroadcastStore) -> None:
    """The first count stays."""
    store.record(summary())
    store.complete_sources(BROADCAST, 3, 10, NOW_MS + 1)
    store.complete_sources(BROADCAST, 4, 99, NOW_MS + 2)
    assert store.summary(BROADCAST) == replace(summary(), sources=3, expected=10, swarmed_at=NOW_MS + 1)


def test_sources_without_counts_expect_nothing(store: BroadcastStore) -> None:
    """A room has no count."""
    store.record(summary())
    store.complete_sources(BROADCAST, 1, None, NOW_MS)
    assert store.summary(BROADCAST) == replace(summary(), sources=1, expected=None, swarmed_at=NOW_MS)


def test_a_chunk_is_read_as_it_was_fixed(store: BroadcastStore) -> None:
    """Partitions and ids in their order, and the young connections."""
    fixed = Chunk(
        chunk_id=ChunkId("12.3"),
        recipients={partition(9): [connection(1), connection(2)], partition(10): [connection(0)]},
        young=0b101,
        young_until=NOW + 30,
    )
    assert store.fix_chunk(BROADCAST, fixed) == fixed
    read = store.chunk(BROADCAST, ChunkId("12.3"))
    assert read == fixed
    assert list(read.recipients) == [partition(9), partition(10)]


def test_the_first_version_of_a_chunk_is_kept(store: BroadcastStore) -> None:
    """The second one gets the stored chunk."""
    first = store.fix_chunk(BROADCAST, chunk("0.0", 3))
    assert store.fix_chunk(BROADCAST, chunk("0.0", 2, first=7)) == first
    assert store.chunk(BROADCAST, ChunkId("0.0")) == first


def test_a_chunk_of_500_ids_of_the_greatest_length_is_kept(store: BroadcastStore) -> None:
    """The row is as large as it can get."""
    long_ids = [f"{number:0128d}" for number in range(500)]
    fixed = replace(chunk("0.0", 0), recipients={partition(0): long_ids}, young=(1 << 500) - 1)  # type: ignore[dict-item]
    store.fix_chunk(BROADCAST, fixed)
    assert store.chunk(BROADCAST, fixed.chunk_id) == fixed


def test_chunk_sizes_are_returned_for_one_source_in_order(store: BroadcastStore) -> None:
    """`1.10` comes after `1.9`, and source 11 is not source 1."""
    mine = [chunk(f"1.{number}", number + 1) for number in range(12)]
    for one in [*mine, chunk("11.0"), chunk("0.0")]:
        store.fix_chunk(BROADCAST, one)
    store.fix_chunk(OTHER, chunk("1.12"))
    assert store.chunk_sizes(BROADCAST, 1) == list(range(1, 13))


def test_a_source_is_completed_once(store: BroadcastStore) -> None:
    """The first note stays, and the second one reports it."""
    store.fix_sources(BROADCAST, [source(0), source(1)])
    store.fix_chunk(BROADCAST, chunk("0.0"))
    assert store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW_MS)
    for chunks in (1, 2):
        assert not store.complete_source(BROADCAST, 0, chunks=chunks, dispatched=4, now=NOW_MS + 1)
    assert store.sources(BROADCAST) == [replace(source(0), dispatched=3, queried_at=NOW_MS), source(1)]


def test_a_source_with_a_further_chunk_is_not_completed(store: BroadcastStore) -> None:
    """Nobody may overlook a chunk that another query has fixed."""
    store.fix_sources(BROADCAST, [source(0)])
    for number in range(2):
        store.fix_chunk(BROADCAST, chunk(f"0.{number}"))
    assert not store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW_MS)
    assert store.source(BROADCAST, 0) == source(0)
    assert store.complete_source(BROADCAST, 0, chunks=2, dispatched=6, now=NOW_MS)


def test_a_tally_replaces_only_the_version_that_was_read(store: BroadcastStore) -> None:
    """A first one only where there is none, a later one only over its own."""
    first = Tally(size=3).after(outcome(delivered=0b001), NOW_MS)
    second = first.after(outcome(gone=0b010), NOW_MS + 1)
    third = second.after(outcome(delivered=0b100, account=OTHER_ACCOUNT), NOW_MS + 2)
    assert not store.replace_tally(KEY, first, second)
    assert store.replace_tally(KEY, None, first)
    assert not store.replace_tally(KEY, None, second)
    assert store.replace_tally(KEY, first, second)
    assert not store.replace_tally(KEY, first, third)
    assert store.replace_tally(KEY, second, third)
    for other in (replace(third, delivered=0b001), replace(third, gone=0b110), replace(third, failed=0b100)):
        assert not store.replace_tally(KEY, other, first)
    assert store.tallies_of([KEY]) == {KEY: third}
    assert third.by_account == {ACCOUNT: 1, OTHER_ACCOUNT: 1}


def test_tallies_are_read_by_their_keys(store: BroadcastStore) -> None:
    """More than one call takes, of several broadcasts; missing ones are left out."""
    kept = {
        TallyKey(broadcast_id, ChunkId(f"0.{number}")): Tally(size=9).after(outcome(9, delivered=number), NOW_MS)
        for broadcast_id in (BROADCAST, OTHER)
        for number in range(1, 81)
    }
    for broadcast_id in (BROADCAST, OTHER):
        store.fix_sources(broadcast_id, [source(0)])
    for key, tally in kept.items():
        assert store.replace_tally(key, None, tally)
    missing = [TallyKey(UNKNOWN, ChunkId("0.1")), TallyKey(BROADCAST, ChunkId("1.1"))]
    assert store.tallies_of([*kept, *missing]) == kept
    found = store.tallies(OTHER)
    assert len(found) == 80
    assert all(tally in kept.values() for tally in found)


def test_concurrent_updates_of_a_tally_all_succeed_in_turn(store: BroadcastStore) -> None:
    """Each writer tries until the tally is unchanged since it was read: no outcome is lost."""

    def settle(place: int) -> None:
        while True:
            old = store.tallies_of([KEY]).get(KEY)
            new = (old or Tally(size=16)).after(outcome(16, delivered=1 << place), NOW_MS)
            if store.replace_tally(KEY, old, new):
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, range(16)))
    assert store.tallies_of([KEY])[KEY].delivered == (1 << 16) - 1
    assert store.tallies_of([KEY])[KEY].by_account == {ACCOUNT: 16}


def test_one_of_many_concurrent_writers_fixes_a_chunk(store: BroadcastStore) -> None:
    """Each caller gets the same chunk, and one group of sources is stored."""
    with ThreadPoolExecutor(8) as pool:
        chunks = list(pool.map(lambda size: store.fix_chunk(BROADCAST, chunk("0.0", size)), range(1, 9)))
        fixed = list(pool.map(lambda expected: store.fix_sources(OTHER, [source(0, expected=expected)]), range(8)))
    assert len({one.size for one in chunks}) == 1
    assert fixed.count(True) == 1
    stored = store.source(OTHER, 0)
    assert stored is not None
    assert stored.expected == fixed.index(True)


def test_a_completed_source_ends_with_an_empty_chunk(store: BroadcastStore) -> None:
    """A query that fixes a further chunk is refused; the chunks of the source are as many as before."""
    store.fix_sources(BROADCAST, [source(0)])
    store.fix_chunk(BROADCAST, chunk("0.0"))
    store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW_MS)
    assert store.fix_chunk(BROADCAST, chunk("0.1")).size == 0
    assert store.chunk_sizes(BROADCAST, 0) == [3]


def test_a_reopened_source_accepts_further_chunks(store: BroadcastStore) -> None:
    """It has the chunks that it had, and can be completed again; one that is open stays as it is."""
    store.fix_sources(BROADCAST, [source(0)])
    store.fix_chunk(BROADCAST, chunk("0.0"))
    for number in (0, 1):
        store.reopen_source(BROADCAST, number, LETTER)
    assert store.sources(BROADCAST) == [source(0)]
    store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW_MS)
    store.reopen_source(BROADCAST, 0, "another letter")
    assert store.source(BROADCAST, 0) == source(0)
    further = chunk("0.1", first=3)
    assert store.fix_chunk(BROADCAST, further) == further
    assert store.complete_source(BROADCAST, 0, chunks=2, dispatched=6, now=NOW_MS)


def test_recipients_never_searched_for_count_as_failed_until_the_source_is_reopened(store: BroadcastStore) -> None:
    """Count recipients that a source cut short did not find, and recipients that are in no source."""
    store.record(summary())
    store.fix_sources(BROADCAST, [source(0)])
    store.fix_chunk(BROADCAST, chunk("0.0"))
    store.complete_sources(BROADCAST, 1, 9, NOW_MS, missed=4)
    store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, missed=2, now=NOW_MS)
    assert store.source(BROADCAST, 0) == replace(source(0), dispatched=3, missed=2, queried_at=NOW_MS)
    assert (found := store.summary(BROADCAST)) is not None
    assert found.missed == 4
    assert (report := report_of(store, BROADCAST)) is not None
    assert (report.status, report.dispatched, report.failed, report.in_flight) == ("delivering", 9, 6, 3)
    store.reopen_source(BROADCAST, 0, LETTER)
    store.reopen_sources(BROADCAST, LETTER)
    assert store.source(BROADCAST, 0) == source(0)
    assert store.summary(BROADCAST) == summary()


def test_reopened_sources_can_be_completed_again(store: BroadcastStore) -> None:
    """The head is as it was before they were complete."""
    store.record(summary())
    store.complete_sources(BROADCAST, 1, 3, NOW_MS)
    store.reopen_sources(BROADCAST, LETTER)
    assert store.summary(BROADCAST) == summary()
    store.complete_sources(BROADCAST, 2, 6, NOW_MS)
    assert store.summary(BROADCAST) == replace(summary(), sources=2, expected=6, swarmed_at=NOW_MS)


def test_a_letter_that_comes_once_more_reopens_nothing(store: BroadcastStore) -> None:
    """SQS may deliver it after it was deleted: what was completed since then stays, another letter reopens it."""
    store.record(summary())
    store.fix_sources(BROADCAST, [source(0), source(1)])
    store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW_MS)
    for _ in range(2):
        store.reopen_sources(BROADCAST, LETTER)
        store.complete_sources(BROADCAST, 2, 6, NOW_MS)
        for number in (0, 1):
            store.reopen_source(BROADCAST, number, LETTER)
            store.complete_source(BROADCAST, number, chunks=0, dispatched=0, now=NOW_MS)
    store.reopen_sources(BROADCAST, LETTER)
    for number in (0, 1):
        store.reopen_source(BROADCAST, number, LETTER)
    assert store.summary(BROADCAST) == replace(summary(), sources=2, expected=6, swarmed_at=NOW_MS)
    assert [each.dispatched for each in store.sources(BROADCAST)] == [0, 0]
    store.reopen_sources(BROADCAST, "another letter")
    store.reopen_source(BROADCAST, 1, "another letter")
    assert store.summary(BROADCAST) == summary()
    assert [each.dispatched for each in store.sources(BROADCAST)] == [0, None]


def test_letters_that_reopen_a_source_at_once_lose_none_of_its_chunks(store: BroadcastStore) -> None:
    """Two operators redrive the same broadcast, and its source is searched and completed after each letter."""
    store.fix_sources(BROADCAST, [source(0)])
    store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW_MS)

    def redrive(number: int) -> None:
        store.reopen_source(BROADCAST, 0, f"letter {number}")
        chunks = len(store.chunk_sizes(BROADCAST, 0))
        with suppress(TransientError):  # the empty chunk that it has found is deleted: its message is delivered again
            store.fix_chunk(BROADCAST, chunk(f"0.{chunks}"))
        chunks = len(store.chunk_sizes(BROADCAST, 0))
        store.complete_source(BROADCAST, 0, chunks=chunks, dispatched=3 * chunks, now=NOW_MS + number)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(redrive, range(1, 13)))
    store.reopen_source(BROADCAST, 0, LETTER)
    sizes = store.chunk_sizes(BROADCAST, 0)
    assert sizes == [3] * len(sizes)
    assert store.complete_source(BROADCAST, 0, chunks=len(sizes), dispatched=3 * len(sizes), now=NOW_MS)
    assert (found := store.chunk(BROADCAST, ChunkId(f"0.{len(sizes)}"))) is not None
    assert found.size == 0


def test_a_cancellation_is_recorded(store: BroadcastStore) -> None:
    """The report names it, and nothing else of the summary changes."""
    store.record(summary())
    assert store.cancel(BROADCAST)
    assert store.cancel(BROADCAST)
    assert store.summary(BROADCAST) == replace(summary(), cancelled=True)
    assert (report := report_of(store, BROADCAST)) is not None
    assert report.cancelled


def test_an_expiry_is_recorded_and_can_be_removed(store: BroadcastStore) -> None:
    """The report names it, nothing else changes, and an unknown broadcast is not made."""
    store.record(summary())
    store.mark_expired(BROADCAST)
    assert store.summary(BROADCAST) == replace(summary(), expired=True)
    assert (report := report_of(store, BROADCAST)) is not None
    assert report.expired
    store.live_again(BROADCAST)
    assert store.summary(BROADCAST) == summary()
    store.mark_expired(UNKNOWN)
    store.live_again(UNKNOWN)
    assert store.summary(UNKNOWN) is None


def test_a_broadcast_that_was_cut_short_stays_expired(store: BroadcastStore) -> None:
    """Keep the mark: a redrive does not reach recipients that were not found."""
    store.record(summary())
    store.complete_sources(BROADCAST, 0, None, NOW_MS, cut_short=True)
    store.mark_expired(BROADCAST)
    for _ in range(2):
        found = store.summary(BROADCAST)
        assert found == replace(summary(), expired=True, cut_short=True, sources=0, swarmed_at=NOW_MS)
        store.live_again(BROADCAST)


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_call_that_completes_nothing_cuts_no_broadcast_short(store: BroadcastStore, *, cut_short: bool) -> None:
    """Another call was first, and knows whether all recipients were found; a summary is not created."""
    store.record(summary())
    store.fix_sources(BROADCAST, [source(0)])
    store.fix_sources(OTHER, [source(0)])
    store.complete_sources(BROADCAST, 1, None, NOW_MS)
    store.complete_sources(BROADCAST, 1, None, NOW_MS, cut_short=True)
    assert store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW_MS, cut_short=cut_short)
    assert not store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW_MS, cut_short=True)
    assert not store.complete_source(OTHER, 0, chunks=0, dispatched=0, now=NOW_MS, cut_short=True)
    found = store.summary(BROADCAST)
    assert found is not None
    assert (found.cut_short, found.expired, store.summary(OTHER)) == (cut_short, cut_short, None)


def test_a_report_is_the_sum_of_the_rows(store: BroadcastStore) -> None:
    """From accepted to finished, and beyond: later deliveries count as well."""
    store.record(summary())
    assert (accepted := report_of(store, BROADCAST)) is not None
    assert (accepted.status, accepted.expected, accepted.dispatched) == ("accepted", None, 0)
    store.fix_sources(BROADCAST, [source(0), source(1)])
    store.complete_sources(BROADCAST, 2, 6, NOW_MS + 1)
    store.fix_chunk(BROADCAST, chunk("0.0", 3))
    store.replace_tally(KEY, None, Tally(size=3).after(outcome(delivered=0b011), NOW_MS + 5))
    assert (delivering := report_of(store, BROADCAST)) is not None
    assert (delivering.status, delivering.expected, delivering.dispatched) == ("delivering", 6, 3)
    assert (delivering.delivered, delivering.in_flight) == (2, 1)
    store.complete_source(BROADCAST, 0, chunks=1, dispatched=3, now=NOW_MS + 2)
    store.complete_source(BROADCAST, 1, chunks=0, dispatched=0, now=NOW_MS + 3)
    tally = store.tallies_of([KEY])[KEY]
    store.replace_tally(KEY, tally, tally.after(outcome(gone=0b100), NOW_MS + 9))
    assert (finished := report_of(store, BROADCAST)) is not None
    assert (finished.status, finished.delivered, finished.gone) == ("finished", 2, 1)
    assert (finished.finished_at, finished.by_account) == (NOW_MS + 9, {ACCOUNT: 2})
    tally = store.tallies_of([KEY])[KEY]
    store.replace_tally(KEY, tally, tally.after(outcome(delivered=0b100), NOW_MS + 20))
    assert (redriven := report_of(store, BROADCAST)) is not None
    assert (redriven.status, redriven.delivered, redriven.gone) == ("finished", 3, 0)


def test_a_source_fixed_after_completion_does_not_belong_to_the_broadcast(store: BroadcastStore) -> None:
    """A swarm that knew other partitions fixed it too late: the report does not wait for it."""
    store.record(summary())
    store.fix_sources(BROADCAST, [source(0)])
    store.complete_sources(BROADCAST, 1, 3, NOW_MS)
    store.fix_sources(BROADCAST, [source(1)])
    store.complete_source(BROADCAST, 0, chunks=0, dispatched=0, now=NOW_MS)
    assert (report := report_of(store, BROADCAST)) is not None
    assert report.status == "finished"


def test_a_chunk_row_without_a_size_is_counted(aws: Callable[[str], Any], table: Callable[[TableKind], str]) -> None:
    """As a release wrote it that had no such attribute: its report and its source come to their ends."""
    name = table("broadcasts")
    store = DynamoBroadcastStore(aws("dynamodb"), name, clock=lambda: NOW)
    for one in (chunk("0.0", 3), chunk("0.1", 2)):
        store.fix_chunk(BROADCAST, one)
    aws("dynamodb").update_item(
        TableName=name,
        Key={"broadcastId": {"S": BROADCAST}, "part": {"S": "chunk#0.0"}},
        UpdateExpression="REMOVE chunkSize",
    )
    assert store.chunk_sizes(BROADCAST, 0) == [3, 2]


@pytest.mark.parametrize(
    ("recorded_over", "keys"),
    [(1, {BROADCAST}), (16, {BROADCAST, f"{BROADCAST}#0", f"{BROADCAST}#2"})],
    ids=["one-key", "sixteen-keys"],
)
def test_a_broadcast_keeps_its_first_keys(
    aws: Callable[[str], Any], table: Callable[[TableKind], str], recorded_over: int, keys: set[str]
) -> None:
    """Later broadcasts may have another number of keys: two releases run side by side during a rollout."""
    name = table("broadcasts")
    numbers = {0: 3, 16: 2, 18: 4}
    stores = [
        DynamoBroadcastStore(aws("dynamodb"), name, clock=lambda: NOW, keys=over) for over in (recorded_over, 1, 16)
    ]
    stores[0].record(summary())
    stores[1].fix_sources(BROADCAST, [source(number) for number in range(19)])
    for number, size in numbers.items():
        fixed = chunk(f"{number}.0", size)
        assert stores[1].fix_chunk(BROADCAST, fixed) is fixed
        assert stores[2].fix_chunk(BROADCAST, chunk(f"{number}.0", 1)) == fixed
        key = TallyKey(BROADCAST, fixed.chunk_id)
        assert stores[2].replace_tally(key, None, Tally(size=size, delivered=1))
        assert stores[1].tallies_of([key])[key].size == size
    for each in stores:
        assert [found.number for found in each.sources(BROADCAST)] == list(range(19))
        assert sorted(tally.size for tally in each.tallies(BROADCAST)) == sorted(numbers.values())
    rows = aws("dynamodb").scan(TableName=name)["Items"]
    assert {row["broadcastId"]["S"] for row in rows if not row["part"]["S"].startswith("source#")} == keys


def test_the_sources_of_a_spread_broadcast_end_at_a_gap(
    aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """Leave out sources behind a missing one: a group may be put during the read; the next read finds it."""
    store = Spread(aws("dynamodb"), table("broadcasts"), clock=lambda: NOW)
    store.fix_sources(BROADCAST, [source(number) for number in (0, 1, 3)])
    assert [found.number for found in store.sources(BROADCAST)] == [0, 1]


def test_the_summary_expires_after_the_other_rows(aws: Callable[[str], Any], table: Callable[[TableKind], str]) -> None:
    """In epoch seconds, as DynamoDB's TTL wants it; a redriven broadcast starts again."""
    name = table("broadcasts")
    now = NOW
    store = DynamoBroadcastStore(aws("dynamodb"), name, clock=lambda: now)
    store.record(summary())
    store.fix_sources(BROADCAST, [Source(number=0, scope=(partition(0),), expected=1)])
    store.fix_chunk(BROADCAST, chunk())
    store.replace_tally(KEY, None, Tally(size=3))
    rows = aws("dynamodb").scan(TableName=name)["Items"]
    assert sorted(row["part"]["S"] for row in rows) == ["chunk#0.0", "source#0", "summary", "tally#0.0"]
    expiries = {row["part"]["S"]: int(row["expiresAt"]["N"]) - NOW for row in rows}
    assert expiries == {"summary": 2 * KEPT_SECONDS} | dict.fromkeys(
        ("chunk#0.0", "source#0", "tally#0.0"), KEPT_SECONDS
    )
    now += 1_000
    store.live_again(BROADCAST)
    (stored,) = [row for row in aws("dynamodb").scan(TableName=name)["Items"] if row["part"]["S"] == "summary"]
    assert int(stored["expiresAt"]["N"]) == now + 2 * KEPT_SECONDS

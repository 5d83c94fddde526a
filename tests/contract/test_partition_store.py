"""Promises of `PartitionStore`, kept by the twin and by DynamoDB."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loudhailer import ids
from loudhailer.ids import Partition, ProbeId, TenantId, channel_key, nth_partition, patterns_of, tenant_of
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.partitions.model import PartitionCount, Sample
from loudhailer.partitions.port import PartitionStore
from tests.contract.conftest import ADAPTERS, NOT_REPEATED, dynamodb_of, table_of
from tests.support.fakes.partitions import MemoryPartitionStore

ACME = TenantId("acme")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)
ABSENT = nth_partition(ACME, 9)
EARLIER, LATER = "1".zfill(40), "2".zfill(40)


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> PartitionStore:
    """The twin, then the adapter."""
    if request.param == "memory":
        return MemoryPartitionStore()
    return DynamoPartitionStore(dynamodb_of(request), table_of(request)("partitions"))


def only(store: PartitionStore) -> PartitionCount:
    """The only partition."""
    (row,) = store.everywhere()
    return row


def test_a_partition_is_opened_once(store: PartitionStore) -> None:
    """Opening again leaves the count alone."""
    store.open(FIRST)
    assert store.advance(FIRST, seen="", checkpoint=EARLIER, delta=3)
    store.open(FIRST)
    store.open(SECOND)
    assert store.of(ACME) == [
        PartitionCount(FIRST, count=3, checkpoint=EARLIER),
        PartitionCount(SECOND),
    ]


def test_partitions_are_listed_by_tenant_or_all_together(store: PartitionStore) -> None:
    """A tenant's id that begins another's does not reach its partitions."""
    longer = nth_partition(TenantId("acme2"), 0)
    for partition in (SECOND, FIRST, longer):
        store.open(partition)
    assert [row.partition for row in store.of(ACME)] == [FIRST, SECOND]
    assert {row.partition for row in store.everywhere()} == {FIRST, SECOND, longer}
    assert store.of(TenantId("nobody")) == []


def test_a_channels_partitions_are_an_audience_of_their_own(store: PartitionStore) -> None:
    """Each pattern has its partitions, which are neither the tenant's nor another pattern's."""
    audiences = [channel_key(ACME, pattern) for pattern in patterns_of(ids.channel("a/b"))]
    keys = [nth_partition(audience, number) for audience in audiences for number in (0, 1)]
    for partition in (*keys, FIRST):
        store.open(partition)
    assert store.advance(keys[0], seen="", checkpoint=EARLIER, delta=2)
    assert store.checkpoints(keys) == {keys[0]: EARLIER, keys[1]: "", keys[2]: "", keys[3]: ""}
    assert [row.partition for audience in audiences for row in store.of(audience)] == keys
    assert [row.partition for row in store.of(ACME)] == [FIRST]


def test_the_first_partitions_of_all_tenants_are_no_more_than_asked_for(store: PartitionStore) -> None:
    """All of them, if there are fewer, however few rows a page has."""
    for tenant in ("a", "b", "c", "d", "e"):
        store.open(nth_partition(TenantId(tenant), 0))
    assert {row.partition for row in store.first_everywhere(6)} == {row.partition for row in store.everywhere()}
    assert len({row.partition for row in store.first_everywhere(4)}) == len(store.first_everywhere(4)) == 4


def test_segments_are_together_everywhere(store: PartitionStore) -> None:
    """Each partition is in one of them, and those of an audience in the same."""
    for tenant in range(10):
        for number in range(2):
            store.open(nth_partition(TenantId(f"t{tenant}"), number))
    segments = [store.segment(number, of=4, most=100) for number in range(4)]
    found = [row.partition for segment in segments for row in segment]
    assert sorted(found) == sorted(row.partition for row in store.everywhere())
    assert sum(len({tenant_of(row.partition) for row in segment}) for segment in segments) == 10
    assert sum(len(store.segment(number, of=4, most=1)) for number in range(4)) == sum(map(bool, segments))


def test_checkpoints_are_returned_for_existing_partitions(store: PartitionStore) -> None:
    """More partitions than one call takes; an absent one is left out."""
    partitions = [nth_partition(ACME, number) for number in range(130)]
    for partition in partitions:
        store.open(partition)
    assert store.advance(FIRST, seen="", checkpoint=LATER, delta=0)
    assert store.checkpoints([*partitions, Partition("nobody#00000")]) == {
        **dict.fromkeys(partitions, ""),
        FIRST: LATER,
    }


def test_a_count_is_updated_only_from_the_checkpoint_that_was_read(store: PartitionStore) -> None:
    """The second of two writers changes nothing, and an absent partition is not made."""
    store.open(FIRST)
    assert store.advance(FIRST, seen="", checkpoint=EARLIER, delta=2)
    assert not store.advance(FIRST, seen="", checkpoint=LATER, delta=2)
    assert store.advance(FIRST, seen=EARLIER, checkpoint=LATER, delta=-1)
    assert not store.advance(ABSENT, seen="", checkpoint=LATER, delta=1)
    assert only(store) == PartitionCount(FIRST, count=1, checkpoint=LATER)


def test_one_of_many_concurrent_writers_moves_a_checkpoint(store: PartitionStore) -> None:
    """Twenty threads that saw the same checkpoint: one of them moves it."""
    store.open(FIRST)

    def advance(_: int) -> bool:
        return store.advance(FIRST, seen="", checkpoint=EARLIER, delta=1)

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(advance, range(20))) == 1
    assert only(store).count == 1


def test_the_last_counted_probe_is_recorded(store: PartitionStore) -> None:
    """Twice is as good as once, and an absent partition is not made."""
    store.open(FIRST)
    for probe in ("a", "b", "b"):
        store.note_probe(FIRST, ProbeId(probe))
    store.note_probe(ABSENT, ProbeId("a"))
    assert only(store) == PartitionCount(FIRST, probe=ProbeId("b"))


def test_a_recount_replaces_the_count_of_an_unchanged_partition(store: PartitionStore) -> None:
    """Marked, sampled, corrected; the marks are gone then."""
    store.open(FIRST)
    store.advance(FIRST, seen="", checkpoint=EARLIER, delta=7)
    store.mark_for_recount(FIRST)
    sample = Sample(5, EARLIER, at=60)
    assert store.keep_sample(FIRST, sample, recount=True)
    assert only(store) == PartitionCount(FIRST, 7, EARLIER, recount=True, sample=sample)
    assert store.correct(FIRST, sample)
    assert only(store) == PartitionCount(FIRST, 5, EARLIER)
    assert not store.correct(FIRST, sample)


def test_a_count_without_a_mark_is_corrected_too(store: PartitionStore) -> None:
    """It was seen to be wrong."""
    store.open(FIRST)
    sample = Sample(5, "", at=60)
    assert store.keep_sample(FIRST, sample, recount=False)
    assert store.correct(FIRST, sample)
    assert only(store) == PartitionCount(FIRST, 5)


def test_a_sample_of_a_newly_marked_partition_is_discarded(store: PartitionStore) -> None:
    """A sample for a recount is discarded, too, if the mark is gone."""
    store.open(FIRST)
    sample = Sample(5, "", at=60)
    assert not store.keep_sample(FIRST, sample, recount=True)
    store.mark_for_recount(FIRST)
    assert not store.keep_sample(FIRST, sample, recount=False)
    assert only(store) == PartitionCount(FIRST, recount=True)


def test_only_the_stored_sample_corrects_a_count(store: PartitionStore) -> None:
    """One that a new mark or another run replaced says nothing any more."""
    store.open(FIRST)
    store.mark_for_recount(FIRST)
    sample = Sample(5, "", at=60)
    store.keep_sample(FIRST, sample, recount=True)
    store.mark_for_recount(FIRST)
    assert not store.correct(FIRST, sample)
    store.keep_sample(FIRST, Sample(4, "", at=61), recount=True)
    assert not store.correct(FIRST, sample)
    assert only(store).recount


def test_a_recount_is_refused_after_a_new_record(store: PartitionStore) -> None:
    """A sample of an older checkpoint is neither kept nor applied."""
    store.open(FIRST)
    store.mark_for_recount(FIRST)
    stale = Sample(5, "", at=60)
    assert store.keep_sample(FIRST, stale, recount=True)
    store.advance(FIRST, seen="", checkpoint=EARLIER, delta=1)
    assert not store.correct(FIRST, stale)
    assert not store.keep_sample(FIRST, stale, recount=True)
    assert only(store).count == 1


def test_a_sample_without_a_mark_is_refused_after_a_new_record(store: PartitionStore) -> None:
    """Such a sample no longer belongs to the count."""
    store.open(FIRST)
    store.advance(FIRST, seen="", checkpoint=EARLIER, delta=1)
    assert not store.keep_sample(FIRST, Sample(5, "", at=60), recount=False)
    assert only(store) == PartitionCount(FIRST, 1, EARLIER)


def test_a_new_mark_removes_the_old_sample(store: PartitionStore) -> None:
    """Changes may have been lost again after the sample."""
    store.open(FIRST)
    store.keep_sample(FIRST, Sample(0, "", at=60), recount=False)
    store.mark_for_recount(FIRST)
    assert only(store) == PartitionCount(FIRST, recount=True)


@pytest.mark.parametrize("store", NOT_REPEATED, indirect=True)
def test_an_empty_partition_is_retired_then_removed(store: PartitionStore) -> None:
    """In two steps, of which the second needs the first."""
    store.open(FIRST)
    assert not store.remove(FIRST, checkpoint="")
    assert store.retire(FIRST, checkpoint="", at=1000)
    assert only(store) == PartitionCount(FIRST, retired_at=1000)
    assert store.remove(FIRST, checkpoint="")
    assert store.everywhere() == []


def test_a_partition_in_use_is_neither_retired_nor_removed(store: PartitionStore) -> None:
    """Connections, or a checkpoint that moved, say that it is in use."""
    store.open(FIRST)
    store.open(SECOND)
    assert store.retire(FIRST, checkpoint="", at=1000)
    for partition in (FIRST, SECOND):
        store.advance(partition, seen="", checkpoint=EARLIER, delta=1)
        assert not store.retire(partition, checkpoint=EARLIER, at=2000)
        assert not store.remove(partition, checkpoint=EARLIER)
        store.advance(partition, seen=EARLIER, checkpoint=LATER, delta=-1)
        assert not store.retire(partition, checkpoint=EARLIER, at=2000)
        assert not store.remove(partition, checkpoint=EARLIER)
    assert len(store.everywhere()) == 2


def test_a_partition_in_doubt_is_neither_retired_nor_removed(store: PartitionStore) -> None:
    """Its count of nothing may be wrong."""
    store.open(FIRST)
    store.open(SECOND)
    assert store.retire(FIRST, checkpoint="", at=1000)
    for partition in (FIRST, SECOND):
        store.mark_for_recount(partition)
    assert not store.remove(FIRST, checkpoint="")
    assert not store.retire(SECOND, checkpoint="", at=1000)
    assert len(store.everywhere()) == 2


def test_a_retired_partition_is_reinstated(store: PartitionStore) -> None:
    """The mark and the sample go, the rest stays."""
    store.open(FIRST)
    store.keep_sample(FIRST, Sample(0, "", at=60), recount=False)
    store.retire(FIRST, checkpoint="", at=1000)
    store.reinstate(FIRST)
    assert only(store) == PartitionCount(FIRST)


def test_only_open_creates_a_row(store: PartitionStore) -> None:
    """Nothing resurrects a partition that was removed."""
    store.mark_for_recount(ABSENT)
    store.reinstate(ABSENT)
    for recount in (False, True):
        store.keep_sample(ABSENT, Sample(0, "", at=60), recount=recount)
    store.correct(ABSENT, Sample(0, "", at=60))
    store.retire(ABSENT, checkpoint="", at=60)
    store.remove(ABSENT, checkpoint="")
    assert store.everywhere() == []

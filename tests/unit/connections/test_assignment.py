"""Spread of new connections over partitions."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer import ids
from loudhailer.errors import TransientError
from loudhailer.ids import AudienceKey, Partition, TenantId, channel_key, nth_partition
from loudhailer.partitions import assignment as module
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.partitions.model import PartitionCount, Sample
from tests.support.executors import AtOnce
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.properties import examples

ACME = TenantId("acme")
FIRST, SECOND = nth_partition(ACME, 0), nth_partition(ACME, 1)


class BrokenStore(MemoryPartitionStore):
    """Refuses to open partitions."""

    def open(self, partition: Partition) -> None:
        """Fail."""
        raise TransientError(f"not opened: {partition}")


class AssignmentFixture:
    """A tenant's partitions, some environments of the authorizer, and a clock that a test moves."""

    def __init__(self, *, capacity: int, maximum: int, environments: int = 1) -> None:
        self.store = MemoryPartitionStore()
        self.now = 1000.0
        self.capacity = capacity
        self.maximum = maximum
        self.environments = [self.assigner(seed) for seed in range(environments)]

    def assigner(self, seed: int = 0) -> PartitionAssigner:
        """One more environment."""
        return PartitionAssigner(
            self.store,
            executor=AtOnce(),
            capacity=self.capacity,
            maximum=self.maximum,
            clock=lambda: self.now,
            random=Random(seed),  # noqa: S311  # a test repeats itself
        )

    def account(self, assigned: Counter[Partition]) -> None:
        """The stream catches up with the assignments."""
        for partition, connections in assigned.items():
            row = self.store.rows[partition]
            self.store.advance(
                partition,
                seen=row.checkpoint,
                checkpoint=str(int(row.checkpoint or 0) + 1).zfill(40),
                delta=connections - row.count,
            )


def put(assignment: AssignmentFixture, *rows: PartitionCount) -> None:
    """Put rows as they are."""
    assignment.store.rows.update({row.partition: row for row in rows})


def test_the_first_connection_of_a_tenant_opens_its_first_partition() -> None:
    """The row exists before the partition is assigned."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    assert assignment.assigner().assign(ACME) == FIRST
    assert assignment.store.of(ACME) == [PartitionCount(FIRST)]


def test_the_members_of_a_channel_are_spread_as_connections_are() -> None:
    """Its partitions are its own, beside those of its tenant."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    assigner, news = assignment.assigner(), channel_key(ACME, ids.pattern("news/*"))
    assert [assigner.assign(news), assigner.assign(ACME)] == [nth_partition(news, 0), FIRST]
    assert assignment.store.of(news) == [PartitionCount(nth_partition(news, 0))]


def test_an_environment_remembers_a_bounded_number_of_audiences(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was read first is forgotten, and read again when it is assigned to."""
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    assignment, read = AssignmentFixture(capacity=10, maximum=5), list[AudienceKey]()

    class CountingStore(MemoryPartitionStore):
        def of(self, audience: AudienceKey, *, consistent: bool = True) -> list[PartitionCount]:
            read.append(audience)
            return super().of(audience, consistent=consistent)

    assignment.store = CountingStore()
    assigner = assignment.assigner()
    for tenant in ("a", "b", "a", "c", "b", "a"):
        assigner.assign(TenantId(tenant))
    assert read == ["a", "b", "c", "a"]


def test_the_emptier_of_two_partitions_is_taken() -> None:
    """With two there is no chance in it."""
    assignment = AssignmentFixture(capacity=1000, maximum=5)
    put(assignment, PartitionCount(FIRST, 7), PartitionCount(SECOND, 4))
    assigner = assignment.assigner()
    assigned = [assigner.assign(ACME) for _ in range(3)]
    assert assigned == [SECOND] * 3


def test_own_assignments_correct_the_counts_that_were_read() -> None:
    """Within the two seconds of the cache an environment counts for itself."""
    assignment = AssignmentFixture(capacity=1000, maximum=5)
    put(assignment, PartitionCount(FIRST, 0), PartitionCount(SECOND, 0))
    assigner = assignment.assigner()
    assert Counter(assigner.assign(ACME) for _ in range(100)) == {FIRST: 50, SECOND: 50}


def test_counts_are_read_again_after_about_two_seconds() -> None:
    """Until then what other environments did is not seen."""
    assignment = AssignmentFixture(capacity=1000, maximum=5)
    put(assignment, PartitionCount(FIRST, 0), PartitionCount(SECOND, 100))
    assigner = assignment.assigner()
    assert assigner.assign(ACME) == FIRST
    put(assignment, PartitionCount(FIRST, 200))
    assignment.now += 1.4
    assert assigner.assign(ACME) == FIRST
    assignment.now += 1.2
    assert assigner.assign(ACME) == SECOND


def test_environments_that_started_together_do_not_read_together() -> None:
    """At most a third of a hundred environments read in the same tenth of a second; before, all did."""
    assignment = AssignmentFixture(capacity=1000, maximum=5, environments=100)
    put(assignment, PartitionCount(FIRST))
    reads = Counter[int]()
    read = assignment.store.of

    def note(audience: AudienceKey, *, consistent: bool = True) -> list[PartitionCount]:
        assert not consistent, "half the units are enough, since counts are late anyhow"
        reads[round(assignment.now * 10)] += 1
        return read(audience)

    assignment.store.of = note  # type: ignore[method-assign]
    for _ in range(28):
        for environment in assignment.environments:
            environment.assign(ACME)
        assignment.now += 0.1
    together, *later = (reads[moment] for moment in sorted(reads))
    assert (together, sum(later)) == (100, 100)
    assert max(later) <= 33


def test_a_quarter_more_partitions_are_opened_at_half_full() -> None:
    """Eight partitions of ten, forty connections: two more, not one."""
    assignment = AssignmentFixture(capacity=10, maximum=100)
    put(assignment, *(PartitionCount(nth_partition(ACME, number), 5) for number in range(8)))
    assignment.assigner().assign(ACME)
    assert len(assignment.store.rows) == 10


def test_no_partition_is_opened_below_half_full() -> None:
    """One connection less, and the eight are enough."""
    assignment = AssignmentFixture(capacity=10, maximum=100)
    put(assignment, *(PartitionCount(nth_partition(ACME, number), 5) for number in range(7)))
    put(assignment, PartitionCount(nth_partition(ACME, 7), 4))
    assignment.assigner().assign(ACME)
    assert len(assignment.store.rows) == 8


def test_numbers_that_were_freed_are_used_again() -> None:
    """So that numbers stay below the maximum."""
    assignment = AssignmentFixture(capacity=10, maximum=3)
    put(assignment, PartitionCount(FIRST, 9), PartitionCount(nth_partition(ACME, 2), 9))
    assignment.assigner().assign(ACME)
    assert SECOND in assignment.store.rows


@pytest.mark.parametrize("marks", [{"retired_at": 900}, {"recount": True}])
def test_marked_partitions_are_avoided(marks: dict[str, int]) -> None:
    """However empty they are; while all are marked, another is opened."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    put(assignment, PartitionCount(FIRST, **marks), PartitionCount(SECOND, 4))  # type: ignore[arg-type]
    assert assignment.assigner().assign(ACME) == SECOND
    put(assignment, PartitionCount(SECOND, **marks))  # type: ignore[arg-type]
    assert assignment.assigner().assign(ACME) == nth_partition(ACME, 2)


def test_marked_partitions_are_used_if_nothing_else_is_left() -> None:
    """At the maximum the least loaded of them is used."""
    assignment = AssignmentFixture(capacity=10, maximum=2)
    put(assignment, PartitionCount(FIRST, 30, recount=True), PartitionCount(SECOND, 20, retired_at=900))
    assert assignment.assigner().assign(ACME) == SECOND


def test_a_partition_that_cannot_be_opened_does_not_block_the_others() -> None:
    """Opening is tried again with the next connection."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    assignment.store = BrokenStore()
    put(assignment, PartitionCount(FIRST, 9))
    assert assignment.assigner().assign(ACME) == FIRST


def test_a_tenant_without_any_partition_must_wait_for_one() -> None:
    """There is nothing to assign."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    assignment.store = BrokenStore()
    with pytest.raises(TransientError):
        assignment.assigner().assign(ACME)


@given(
    counts=st.lists(st.integers(-3, 50), max_size=12),
    marked=st.sets(st.integers(0, 11)),
    capacity=st.integers(1, 20),
    maximum=st.integers(1, 12),
    connections=st.integers(1, 60),
)
def test_every_assignment_names_an_existing_partition(
    counts: list[int], marked: set[int], capacity: int, maximum: int, connections: int
) -> None:
    """Whatever the counts, marks and limits: never an error, never more partitions than the maximum."""
    assignment = AssignmentFixture(capacity=capacity, maximum=maximum)
    put(
        assignment,
        *(
            PartitionCount(nth_partition(ACME, number), connections, recount=number in marked)
            for number, connections in enumerate(counts)
        ),
    )
    assigner = assignment.assigner()
    for _ in range(connections):
        assert assigner.assign(ACME) in assignment.store.rows
    assert len(assignment.store.rows) <= max(maximum, len(counts))


@examples(20)
@given(seed=st.integers(0, 2**16), environments=st.integers(1, 25))
def test_connections_of_a_storm_are_balanced_over_many_environments(seed: int, environments: int) -> None:
    """500 connects a second, counts that lag by two seconds: no partition gets far beyond its share."""
    assignment = AssignmentFixture(capacity=100, maximum=100, environments=environments)
    pick = Random(seed)  # noqa: S311  # a test repeats itself
    assigned: Counter[Partition] = Counter()
    lagging: list[Counter[Partition]] = []
    for _ in range(8):
        for _ in range(250):
            assigned[pick.choice(assignment.environments).assign(ACME)] += 1
        lagging.append(assigned.copy())
        assignment.now += 0.5
        if len(lagging) > 4:
            assignment.account(lagging.pop(0))
    assignment.account(assigned)
    assignment.now += 2
    before = assigned.copy()
    for _ in range(2000):
        assigned[pick.choice(assignment.environments).assign(ACME)] += 1
        if assigned.total() % 50 == 0:
            assignment.account(assigned)
            assignment.now += 2
    late = assigned - before
    assert len(assignment.store.rows) * assignment.capacity > assigned.total(), "more room was opened early enough"
    assert max(late.values()) < 2 * assignment.capacity, "no partition took the storm alone"


def test_a_partition_of_an_earlier_assignment_is_opened_again() -> None:
    """A retired one is in use again and a removed one has a row again; one in doubt keeps its sample."""
    assignment = AssignmentFixture(capacity=10, maximum=5)
    sample = Sample(3, "", 900)
    third = nth_partition(ACME, 2)
    put(
        assignment,
        PartitionCount(FIRST, retired_at=900, sample=Sample(0, "", 800)),
        PartitionCount(SECOND, 4, recount=True, sample=sample),
    )
    for partition in (FIRST, SECOND, third):
        assignment.assigner().reopen(partition)
    assert assignment.store.of(ACME) == [
        PartitionCount(FIRST),
        PartitionCount(SECOND, 4, recount=True, sample=sample),
        PartitionCount(third),
    ]


def test_a_retired_partition_is_not_lost_to_a_removal_while_it_is_reopened() -> None:
    """`reconcile` removes it at any moment; the partition has a row in the end."""

    class Removing(MemoryPartitionStore):
        def open(self, partition: Partition) -> None:
            super().open(partition)
            self.remove(partition, checkpoint="")

        def reinstate(self, partition: Partition) -> None:
            super().reinstate(partition)
            self.remove(partition, checkpoint="")

    assignment = AssignmentFixture(capacity=10, maximum=5)
    assignment.store = Removing()
    put(assignment, PartitionCount(FIRST, retired_at=900))
    assignment.assigner().reopen(FIRST)
    assert [row.retired_at for row in assignment.store.of(ACME)] == [None]


def test_threads_that_forget_audiences_at_once_do_not_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each audience that is read takes the place of another one."""
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    assigner = AssignmentFixture(capacity=10, maximum=5).assigner()
    audiences = [channel_key(ACME, ids.pattern(f"a/{number}")) for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(assigner.is_new, audiences))

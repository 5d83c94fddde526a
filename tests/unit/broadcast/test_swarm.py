"""A broadcast is planned once, whatever happens meanwhile."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.broadcast.swarm.swarm import Swarm, plan
from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.messages import SourceMessage
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.report import report_of
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import Partition, PlayerId, RoomKey, SessionId, tenant_of
from loudhailer.partitions.model import PartitionCount
from tests.support.broadcasts import (
    BROADCAST,
    LIFETIME,
    NOW,
    TENANT,
    announcement,
    partition,
    source_message,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import MAX_SOURCES_AT_ONCE, PARTITIONS_A_SOURCE, RECIPIENTS_A_SOURCE
from tests.unit.broadcast.faults import Fuse, Turns, killed, watched


class SwarmFixture:
    """The tables and the queue that swarms work on."""

    def __init__(self, counts: Mapping[Partition, int] | None = None) -> None:
        self.partitions = MemoryPartitionStore()
        self.broadcasts = MemoryBroadcastStore()
        self.queue = MemoryQueue()
        self.now = float(NOW)
        self.broadcasts.record(summary())
        self.count(counts or {})

    def count(self, counts: Mapping[Partition, int]) -> None:
        """Open partitions and set their counts."""
        self.partitions.rows |= {key: PartitionCount(key, count) for key, count in counts.items()}

    def swarm(
        self, call: Callable[..., Any] = lambda method, *arguments, **named: method(*arguments, **named)
    ) -> Swarm:
        """A swarm whose calls go through `call`."""
        return Swarm(
            watched(self.partitions, call),
            watched(self.broadcasts, call),
            watched(self.queue, call),
            clock=lambda: self.now,
        )

    def run(self, to: Audience | None = None, **fields: Any) -> None:
        """Handle one announcement."""
        self.swarm()(announcement(to, **fields).to_wire())

    @property
    def sent(self) -> list[SourceMessage]:
        """The messages that are in the queue."""
        return [SourceMessage.from_wire(body) for body in self.queue.bodies]

    def planned(self) -> list[Partition]:
        """The partitions of all sources that belong to the broadcast; each source was sent, as it stands."""
        head = self.broadcasts.summary(BROADCAST)
        assert head is not None
        sources = self.broadcasts.sources(BROADCAST)[: head.sources]
        assert [source.number for source in sources] == list(range(len(sources)))
        assert {message.source: message.scope for message in self.sent} == {
            source.number: source.scope for source in sources
        }
        counted = sum(source.expected or 0 for source in sources)
        assert head.expected == (sum(row.count for row in self.partitions.rows.values()) if head.expired else counted)
        return [key for source in sources if isinstance(source.scope, tuple) for key in source.scope]


SEVEN = {partition(number): 1500 for number in range(7)}


def test_every_known_partition_is_in_exactly_one_source_empty_ones_too() -> None:
    """A connection may have come since they were counted."""
    world = SwarmFixture({partition(0): 0, partition(1): 3, partition(0, "other"): 0})
    world.run()
    assert sorted(world.planned()) == sorted(world.partitions.rows)
    scope = tuple(sorted(world.partitions.rows))
    assert world.sent == [source_message(scope, expires_at=NOW + LIFETIME)]


def test_a_source_carries_the_payload_of_its_broadcast_unopened() -> None:
    """`post_message` opens it."""
    world = SwarmFixture({partition(0): 3})
    payload = Payload("not base64 at all", "base64")
    world.swarm()(replace(announcement(), payload=payload).to_wire())
    assert [message.payload for message in world.sent] == [payload]


def test_a_tenants_broadcast_reads_no_other_tenants_partitions() -> None:
    """A tenant whose id begins like another's is another tenant."""
    world = SwarmFixture({partition(0): 1, partition(0, "acme2"): 1, partition(0, "other"): 1})
    world.run(OfTenant(TENANT))
    assert world.planned() == [partition(0)]


@pytest.mark.parametrize(
    "scope",
    [InRoom(TENANT, RoomKey("lobby")), OfPlayer(TENANT, PlayerId("ann")), OfSession(TENANT, SessionId("s1"))],
    ids=["room", "player", "session"],
)
def test_a_room_a_player_and_a_session_are_one_source_each(scope: InRoom | OfPlayer | OfSession) -> None:
    """Nothing is expected, because nothing is counted."""
    world = SwarmFixture(SEVEN)
    world.run(scope)
    assert [(message.source, message.scope) for message in world.sent] == [(0, scope)]
    head = world.broadcasts.summary(BROADCAST)
    assert head is not None
    assert (head.sources, head.expected) == (1, None)


def test_a_broadcast_without_partitions_has_no_sources_and_is_finished() -> None:
    """A tenant to whom nobody ever connected is not an error."""
    world = SwarmFixture()
    world.run(OfTenant(TENANT))
    report = report_of(world.broadcasts, BROADCAST)
    assert world.planned() == []
    assert report is not None
    assert (report.status, report.expected, report.dispatched) == ("finished", 0, 0)


@given(st.dictionaries(st.integers(0, 2000).map(partition), st.integers(0, 6000), max_size=450), st.integers(0, 9))
def test_a_plan_has_every_partition_once_in_key_order_and_keeps_to_its_sizes(
    counts: dict[Partition, int], first: int
) -> None:
    """Only a partition that is too large by itself makes a source too large."""
    sources = list(plan(counts, first=first))
    scopes = [source.scope for source in sources if isinstance(source.scope, tuple)]
    assert [key for scope in scopes for key in scope] == sorted(counts)
    assert [source.number for source in sources] == list(range(first, first + len(sources)))
    for source, scope in zip(sources, scopes, strict=True):
        assert source.expected == sum(counts[key] for key in scope)
        assert len(scope) <= PARTITIONS_A_SOURCE
        assert source.expected <= RECIPIENTS_A_SOURCE or len(scope) == 1


def test_more_sources_than_one_transaction_takes_are_put_in_several() -> None:
    """Two hundred and fifty full partitions make as many sources."""
    world = SwarmFixture({partition(number): RECIPIENTS_A_SOURCE for number in range(250)})
    world.run()
    assert len(world.broadcasts.sources(BROADCAST)) == 250 > 2 * MAX_SOURCES_AT_ONCE
    assert sorted(world.planned()) == sorted(world.partitions.rows)


def test_a_repeated_announcement_sends_only_what_is_not_finished(counted: Counter[str]) -> None:
    """A source that was queried to its end is not sent again."""
    world = SwarmFixture(SEVEN)
    world.run()
    first = world.sent
    world.broadcasts.complete_source(BROADCAST, 1, chunks=0, dispatched=0, now=NOW * 1000)
    world.queue.bodies.clear()
    world.run()
    assert world.sent == [message for message in first if message.source != 1]
    assert counted["SourceSent"] == len(first) + len(first) - 1


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_killed_at_any_call_it_goes_on_with_the_same_plan(*, carried_out: bool) -> None:
    """Whatever the counts say by then: the sources that stand stay, and every partition is in exactly one."""
    many = {partition(number): RECIPIENTS_A_SOURCE for number in range(150)}
    for at in range(1, 1000):
        world = SwarmFixture(many)
        swarm = world.swarm(Fuse(at, carried_out=carried_out).call)
        finished = not killed(swarm, announcement().to_wire())
        standing = world.broadcasts.sources(BROADCAST)
        world.count({key: 7 * number % 9000 for number, key in enumerate(many)})
        world.count({partition(number): 10 for number in range(200, 205)})
        world.run()
        assert world.broadcasts.sources(BROADCAST)[: len(standing)] == standing
        again = Counter(world.planned())
        assert again.keys() >= many.keys()
        assert set(again.values()) == {1}
        if finished:
            return
    pytest.fail("it never came to its end")


@given(st.lists(st.integers(0, 1), max_size=40), st.booleans())
def test_two_at_once_come_to_one_plan(schedule: list[int], opened: bool) -> None:  # noqa: FBT001  # drawn
    """Also when a partition was opened between the one's reading and the other's."""
    world = SwarmFixture(SEVEN)
    turns = Turns(schedule)
    other = world
    if opened:
        other = SwarmFixture({**SEVEN, partition(8): 1})
        other.broadcasts, other.queue = world.broadcasts, world.queue
    swarms = [world.swarm(turns.actor(0).call), other.swarm(turns.actor(1).call)]
    errors = turns.run(*(partial(swarm, announcement().to_wire()) for swarm in swarms))
    assert errors == []
    planned = Counter(world.planned())
    assert planned.keys() >= SEVEN.keys()
    assert set(planned.values()) == {1}
    for source in world.broadcasts.sources(BROADCAST):
        world.broadcasts.complete_source(BROADCAST, source.number, chunks=0, dispatched=0, now=NOW * 1000)
    report = report_of(world.broadcasts, BROADCAST)
    assert report is not None
    assert report.status == "finished"


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (Everyone(), sum(SEVEN.values()) + 5),
        (OfTenant(TENANT), sum(SEVEN.values())),
        (InRoom(TENANT, RoomKey("hall")), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broadcast_that_expires_unplanned_says_so(
    counted: Counter[str], audience: Audience, expected: int | None
) -> None:
    """The report finishes, is marked as expired, and has the known number of recipients, never 0 for want of a plan."""
    world = SwarmFixture({**SEVEN, partition(0, "other"): 5})
    world.now += LIFETIME
    world.run(audience)
    report = report_of(world.broadcasts, BROADCAST)
    assert world.sent == []
    assert report is not None
    assert (report.status, report.expired, report.expected) == ("finished", True, expected)
    assert (report.dispatched, report.failed) == (expected or 0, expected or 0)
    assert counted["RecipientMissed"] == (expected or 0)
    assert counted["BroadcastExpired"] == 1


def test_a_count_that_is_in_doubt_takes_nothing_off_what_was_expected() -> None:
    """A partition's count may be below zero until it is counted again."""
    world = SwarmFixture({partition(0): 7, partition(1): -2})
    world.now += LIFETIME
    world.run()
    report = report_of(world.broadcasts, BROADCAST)
    assert report is not None
    assert report.expected == 7


def test_a_broadcast_that_was_planned_in_time_is_not_expired_by_a_second_delivery() -> None:
    """The announcement comes again after its lifetime: the sources are sent again, and `query` judges each."""
    world = SwarmFixture(SEVEN)
    world.run()
    world.now += LIFETIME
    world.run()
    report = report_of(world.broadcasts, BROADCAST)
    assert report is not None
    assert (report.expired, report.expected) == (False, sum(SEVEN.values()))


def test_a_broadcast_that_expires_half_planned_sends_what_is_fixed() -> None:
    """Its sources are settled by those who come after, so that the report ends."""
    world = SwarmFixture({partition(number): RECIPIENTS_A_SOURCE for number in range(150)})
    assert killed(world.swarm(Fuse(4, carried_out=True).call), announcement().to_wire())
    world.now += LIFETIME
    world.run()
    assert len(world.planned()) == MAX_SOURCES_AT_ONCE
    summary = world.broadcasts.summary(BROADCAST)
    assert summary is not None
    assert summary.missed == (150 - MAX_SOURCES_AT_ONCE) * RECIPIENTS_A_SOURCE


def test_a_cancelled_broadcast_is_planned_no_further_and_finishes() -> None:
    """Nothing is sent; the report says that it was cancelled."""
    world = SwarmFixture(SEVEN)
    world.broadcasts.cancel(BROADCAST)
    world.run()
    report = report_of(world.broadcasts, BROADCAST)
    assert world.sent == []
    assert report is not None
    assert (report.status, report.cancelled, report.expired) == ("finished", True, False)
    assert report.expected == sum(SEVEN.values())


def test_a_malformed_announcement_is_a_permanent_error() -> None:
    """Nothing is fixed and nothing is sent."""
    world = SwarmFixture(SEVEN)
    with pytest.raises(MalformedMessageError):
        world.swarm()("{}")
    assert world.broadcasts.sources(BROADCAST) == []
    assert {tenant_of(key) for key in world.partitions.rows} == {TENANT}


def test_everyone_is_every_tenant() -> None:
    """The plan has the partitions of all tenants together."""
    world = SwarmFixture({partition(0): 1, partition(0, "other"): 1})
    world.run(Everyone())
    assert {tenant_of(key) for key in world.planned()} == {"acme", "other"}


def test_every_line_of_a_swarm_names_the_broadcast(logged: Callable[..., list[Any]]) -> None:
    """An operator follows it by it."""
    world = SwarmFixture(SEVEN)
    world.run()
    sources = len(world.sent)
    assert logged("message", "broadcast_id", "sources", "sent") == [("sources sent", BROADCAST, sources, sources)]


def test_a_source_has_the_priority_of_its_broadcast() -> None:
    """A message to a large room stays behind the broadcasts."""
    world = SwarmFixture()
    said = replace(announcement(InRoom(TENANT, RoomKey("red"))), priority=Priority.LOW)
    world.swarm()(said.to_wire())
    assert [SourceMessage.from_wire(body).priority for body in world.queue.bodies] == [Priority.LOW]
    assert world.queue.groups == [TENANT]

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
from loudhailer import ids
from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.messages import EVERYONE, SourceMessage
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.payload import Payload
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import Partition, PlayerId, RoomKey, SessionId, tenant_of
from loudhailer.partitions.model import PartitionCount
from tests.support.audiences import audiences
from tests.support.broadcasts import (
    BROADCAST,
    LIFETIME,
    NOW,
    TENANT,
    announcement,
    partition,
    report_of,
    source_message,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import (
    MAX_BATCH_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_SOURCES_AT_ONCE,
    PARTITIONS_A_SOURCE,
    RECIPIENTS_A_SOURCE,
)
from tests.unit.broadcast.faults import FaultTurns, Fuse, killed, watched


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
            audiences(watched(self.partitions, call)),
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
        """The partitions of all sources that belong to the broadcast; each source was sent as it is stored."""
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


def test_every_known_partition_even_an_empty_one_is_in_exactly_one_source() -> None:
    """A connection may have come since they were counted."""
    tables = SwarmFixture({partition(0): 0, partition(1): 3, partition(0, "other"): 0})
    tables.run()
    assert sorted(tables.planned()) == sorted(tables.partitions.rows)
    scope = tuple(sorted(tables.partitions.rows))
    sent = replace(source_message(scope, expires_at=NOW + LIFETIME), expected=3, group=EVERYONE)
    assert tables.sent == [sent]


def test_a_source_carries_the_payload_of_its_broadcast_unopened() -> None:
    """`post_message` opens it."""
    tables = SwarmFixture({partition(0): 3})
    payload = Payload("not base64 at all", "base64")
    tables.swarm()(replace(announcement(), payload=payload).to_wire())
    assert [message.payload for message in tables.sent] == [payload]


def test_a_tenants_broadcast_reads_no_other_tenants_partitions() -> None:
    """A tenant whose id begins like another's is another tenant."""
    tables = SwarmFixture({partition(0): 1, partition(0, "acme2"): 1, partition(0, "other"): 1})
    tables.run(OfTenant(TENANT))
    assert tables.planned() == [partition(0)]


@pytest.mark.parametrize(
    "scope",
    [InRoom(TENANT, RoomKey("lobby")), OfPlayer(TENANT, PlayerId("ann")), OfSession(TENANT, SessionId("s1"))],
    ids=["room", "player", "session"],
)
def test_a_room_a_player_and_a_session_are_one_source_each(scope: InRoom | OfPlayer | OfSession) -> None:
    """Nothing is expected, because nothing is counted."""
    tables = SwarmFixture(SEVEN)
    tables.run(scope)
    assert [(message.source, message.scope) for message in tables.sent] == [(0, scope)]
    head = tables.broadcasts.summary(BROADCAST)
    assert head is not None
    assert (head.sources, head.expected) == (1, None)


def test_a_broadcast_without_partitions_has_no_sources_and_is_finished() -> None:
    """A tenant without any connection is not an error."""
    tables = SwarmFixture()
    tables.run(OfTenant(TENANT))
    report = report_of(tables.broadcasts, BROADCAST)
    assert tables.planned() == []
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


def test_sources_beyond_one_transaction_are_put_in_several() -> None:
    """Two hundred and fifty full partitions make as many sources."""
    tables = SwarmFixture({partition(number): RECIPIENTS_A_SOURCE for number in range(250)})
    tables.run()
    assert len(tables.broadcasts.sources(BROADCAST)) == 250 > 2 * MAX_SOURCES_AT_ONCE
    assert sorted(tables.planned()) == sorted(tables.partitions.rows)


def test_a_repeated_announcement_sends_only_unfinished_sources(counted: Counter[str]) -> None:
    """A source that was queried to its end is not sent again."""
    tables = SwarmFixture(SEVEN)
    tables.run()
    first = tables.sent
    tables.broadcasts.complete_source(BROADCAST, 1, chunks=0, dispatched=0, now=NOW * 1000)
    tables.queue.bodies.clear()
    tables.run()
    assert tables.sent == [message for message in first if message.source != 1]
    assert counted["SourceSent"] == len(first) + len(first) - 1


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_swarm_killed_at_any_call_continues_with_the_same_plan(*, carried_out: bool) -> None:
    """Whatever the counts say by then: existing sources stay, and every partition is in exactly one."""
    many = {partition(number): RECIPIENTS_A_SOURCE for number in range(150)}
    for at in range(1, 1000):
        tables = SwarmFixture(many)
        swarm = tables.swarm(Fuse(at, carried_out=carried_out).call)
        finished = not killed(swarm, announcement().to_wire())
        fixed = tables.broadcasts.sources(BROADCAST)
        tables.count({key: 7 * number % 9000 for number, key in enumerate(many)})
        tables.count({partition(number): 10 for number in range(200, 205)})
        tables.run()
        assert tables.broadcasts.sources(BROADCAST)[: len(fixed)] == fixed
        again = Counter(tables.planned())
        assert again.keys() >= many.keys()
        assert set(again.values()) == {1}
        if finished:
            return
    pytest.fail("it never came to its end")


@given(st.lists(st.integers(0, 1), max_size=40), st.booleans())
def test_two_concurrent_swarms_agree_on_one_plan(schedule: list[int], opened: bool) -> None:  # noqa: FBT001  # drawn
    """Also when a partition was opened between the one's reading and the other's."""
    tables = SwarmFixture(SEVEN)
    turns = FaultTurns(schedule)
    other = tables
    if opened:
        other = SwarmFixture({**SEVEN, partition(8): 1})
        other.broadcasts, other.queue = tables.broadcasts, tables.queue
    swarms = [tables.swarm(turns.actor(0).call), other.swarm(turns.actor(1).call)]
    errors = turns.run(*(partial(swarm, announcement().to_wire()) for swarm in swarms))
    assert errors == []
    planned = Counter(tables.planned())
    assert planned.keys() >= SEVEN.keys()
    assert set(planned.values()) == {1}
    for source in tables.broadcasts.sources(BROADCAST):
        tables.broadcasts.complete_source(BROADCAST, source.number, chunks=0, dispatched=0, now=NOW * 1000)
    report = report_of(tables.broadcasts, BROADCAST)
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
def test_a_broadcast_that_expires_unplanned_is_reported_as_expired(
    counted: Counter[str], audience: Audience, expected: int | None
) -> None:
    """The report finishes, is marked as expired, and has the known number of recipients, never 0 without a plan."""
    tables = SwarmFixture({**SEVEN, partition(0, "other"): 5})
    tables.now += LIFETIME
    tables.run(audience)
    report = report_of(tables.broadcasts, BROADCAST)
    assert tables.sent == []
    assert report is not None
    assert (report.status, report.expired, report.expected) == ("finished", True, expected)
    assert (report.dispatched, report.failed) == (expected or 0, expected or 0)
    assert counted["RecipientMissed"] == (expected or 0)
    assert counted["BroadcastExpired"] == 1


def test_a_doubtful_count_lowers_no_expected_number() -> None:
    """A partition's count may be below zero until it is counted again."""
    tables = SwarmFixture({partition(0): 7, partition(1): -2})
    tables.now += LIFETIME
    tables.run()
    report = report_of(tables.broadcasts, BROADCAST)
    assert report is not None
    assert report.expected == 7


def test_a_broadcast_that_was_planned_in_time_is_not_expired_by_a_second_delivery() -> None:
    """The announcement is delivered again after its lifetime: the sources are sent again, and `query` judges each."""
    tables = SwarmFixture(SEVEN)
    tables.run()
    tables.now += LIFETIME
    tables.run()
    report = report_of(tables.broadcasts, BROADCAST)
    assert report is not None
    assert (report.expired, report.expected) == (False, sum(SEVEN.values()))


def test_an_expired_broadcast_completed_by_another_swarm_is_not_reported_as_expired() -> None:
    """The other swarm has planned all partitions in time."""
    tables = SwarmFixture(SEVEN)
    tables.now += LIFETIME
    complete = tables.broadcasts.complete_sources

    def after_another(*arguments: Any, **numbers: Any) -> None:
        complete(BROADCAST, 0, 0, NOW * 1000)
        complete(*arguments, **numbers)

    tables.broadcasts.complete_sources = after_another  # type: ignore[method-assign]
    tables.run()
    report = report_of(tables.broadcasts, BROADCAST)
    assert report is not None
    assert (report.expired, report.failed) == (False, 0)


def test_a_broadcast_that_expires_half_planned_sends_its_fixed_sources() -> None:
    """Later functions settle its sources, so that the report ends."""
    tables = SwarmFixture({partition(number): RECIPIENTS_A_SOURCE for number in range(150)})
    assert killed(tables.swarm(Fuse(4, carried_out=True).call), announcement().to_wire())
    tables.now += LIFETIME
    tables.run()
    assert len(tables.planned()) == MAX_SOURCES_AT_ONCE
    summary = tables.broadcasts.summary(BROADCAST)
    assert summary is not None
    assert summary.missed == (150 - MAX_SOURCES_AT_ONCE) * RECIPIENTS_A_SOURCE


def test_a_cancelled_broadcast_is_not_planned_further_and_finishes() -> None:
    """Nothing is sent; the report says that it was cancelled."""
    tables = SwarmFixture(SEVEN)
    tables.broadcasts.cancel(BROADCAST)
    tables.run()
    report = report_of(tables.broadcasts, BROADCAST)
    assert tables.sent == []
    assert report is not None
    assert (report.status, report.cancelled, report.expired) == ("finished", True, False)
    assert report.expected == sum(SEVEN.values())


def test_a_malformed_announcement_is_a_permanent_error() -> None:
    """Nothing is fixed and nothing is sent."""
    tables = SwarmFixture(SEVEN)
    with pytest.raises(MalformedMessageError):
        tables.swarm()("{}")
    assert tables.broadcasts.sources(BROADCAST) == []
    assert {tenant_of(key) for key in tables.partitions.rows} == {TENANT}


def test_an_audience_of_everyone_covers_every_tenant() -> None:
    """The plan has the partitions of all tenants together."""
    tables = SwarmFixture({partition(0): 1, partition(0, "other"): 1})
    tables.run(Everyone())
    assert {tenant_of(key) for key in tables.planned()} == {"acme", "other"}


def test_every_line_of_a_swarm_names_the_broadcast(logged: Callable[..., list[Any]]) -> None:
    """An operator follows it by it."""
    tables = SwarmFixture(SEVEN)
    tables.run()
    sources = len(tables.sent)
    assert logged("message", "broadcast_id", "sources", "sent") == [("sources sent", BROADCAST, sources, sources)]


def test_a_source_has_the_priority_of_its_broadcast() -> None:
    """A message to a large room stays behind the broadcasts."""
    tables = SwarmFixture()
    broadcast = replace(announcement(InRoom(TENANT, RoomKey("red"))), priority=Priority.LOW)
    tables.swarm()(broadcast.to_wire())
    assert [SourceMessage.from_wire(body).priority for body in tables.queue.bodies] == [Priority.LOW]
    assert tables.queue.groups == [TENANT]


@pytest.mark.parametrize(("audience", "group"), [(Everyone(), EVERYONE), (OfTenant(TENANT), TENANT)])
def test_sources_know_their_group_and_how_many_recipients_the_broadcast_has(audience: Audience, group: str) -> None:
    """`query` cuts chunks by the number, and sends them in the group."""
    tables = SwarmFixture({partition(number): 3_000 for number in range(3)})
    tables.run(audience)
    sources = [SourceMessage.from_wire(body) for body in tables.queue.bodies]
    assert len(sources) == 3
    assert {(source.expected, source.group) for source in sources} == {(9_000, group)}
    assert tables.queue.groups == [group] * 3


@pytest.mark.parametrize("has_deadline", [False, True])
def test_each_source_has_the_deadline_of_its_announcement(*, has_deadline: bool) -> None:
    """A chunk that comes too late for a deadline is no dead letter."""
    tables = SwarmFixture(SEVEN)
    tables.swarm()(replace(announcement(), has_deadline=has_deadline).to_wire())
    assert {SourceMessage.from_wire(body).has_deadline for body in tables.queue.bodies} == {has_deadline}


def test_a_count_below_zero_is_zero() -> None:
    """The end of a connection may be counted before its beginning; the source is read and searched nevertheless."""
    tables = SwarmFixture({partition(0): -1})
    tables.run()
    assert [SourceMessage.from_wire(body).expected for body in tables.queue.bodies] == [0]
    assert [source.expected for source in tables.broadcasts.sources(BROADCAST)] == [0]
    recorded = tables.broadcasts.summary(BROADCAST)
    assert recorded is not None
    assert recorded.expected == 0


NEWS = OfChannel(TENANT, ids.channel("news/uk"))


def of_pattern(pattern: str, number: int = 0) -> Partition:
    """A partition of the subscribers of a pattern."""
    return ids.nth_partition(ids.channel_key(TENANT, ids.pattern(pattern)), number)


def test_a_channels_broadcast_is_for_each_pattern_that_matches_it() -> None:
    """The tenant's connections, and subscribers of other patterns, are in no source."""
    tables = SwarmFixture({of_pattern("news/uk"): 3, of_pattern("news/*"): 2, of_pattern("news/*", 1): 1})
    expected = [of_pattern("news/*"), of_pattern("news/*", 1), of_pattern("news/uk")]
    tables.run(NEWS)
    assert tables.planned() == expected
    assert [message.expected for message in tables.sent] == [6]


def test_partitions_beside_a_channels_are_ignored() -> None:
    """Neither `news` nor `news/uk/*` matches `news/uk`."""
    tables = SwarmFixture(
        dict.fromkeys([partition(0), of_pattern("news"), of_pattern("news/uk/*"), of_pattern("sport")], 5)
    )
    tables.count({of_pattern("news/uk"): 3})
    tables.run(NEWS)
    assert [message.scope for message in tables.sent] == [(of_pattern("news/uk"),)]


def test_a_channel_without_subscribers_has_no_source() -> None:
    """Its broadcast is over at once."""
    tables = SwarmFixture({})
    tables.run(NEWS)
    assert tables.sent == []
    head = tables.broadcasts.summary(BROADCAST)
    assert head is not None
    assert (head.sources, head.expected) == (0, 0)


def test_long_names_make_more_sources() -> None:
    """The keys of a source's partitions fit into its message beside the longest data."""
    name = "/".join(["x" * 50] * 5)
    channel = ids.channel(name)
    counts = {of_pattern(name, number): 1 for number in range(200)}
    sources = list(plan(counts, first=0))
    scopes = [source.scope for source in sources if isinstance(source.scope, tuple)]
    assert [key for scope in scopes for key in scope] == sorted(counts)
    assert all(sum(map(len, scope)) <= 16 * 1024 for scope in scopes)
    frame = "x" * (MAX_MESSAGE_BYTES - 200)
    for source in sources:
        wire = source_message(source.scope, frame=frame).to_wire()
        assert len(wire.encode()) <= MAX_BATCH_BYTES, channel

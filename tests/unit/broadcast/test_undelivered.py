"""Messages that nobody could handle end as failed, and rest where they can be sent again."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functions.broadcast.settle.settle import Settle
from functions.broadcast.settle.undelivered import GiveUp
from loudhailer.broadcast.audience import OfSession
from loudhailer.broadcast.model import Source
from loudhailer.broadcast.report import Report
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import BroadcastId, SessionId
from tests.support.broadcasts import (
    BROADCAST,
    NOW,
    TENANT,
    announcement,
    chunk,
    chunk_message,
    outcome,
    partition,
    report_of,
    source_message,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.queues import MemoryQueue

SCOPE = (partition(0),)


class GiveUpFixture:
    """A broadcast of two sources; the first one has two chunks of three and five recipients."""

    def __init__(self) -> None:
        self.broadcasts = MemoryBroadcastStore()
        self.dead_letters = MemoryQueue()
        self.broadcasts.record(summary())
        self.broadcasts.fix_sources(
            BROADCAST, [Source(number=0, scope=SCOPE, expected=8), Source(number=1, scope=(partition(1),), expected=2)]
        )
        self.broadcasts.fix_chunk(BROADCAST, chunk("0.0", 3))
        self.broadcasts.fix_chunk(BROADCAST, chunk("0.1", 5))
        settle = Settle(self.broadcasts, MemoryConnectionStore(), MemoryQueue(), MemoryQueue(), clock=lambda: NOW)
        self.settle = settle
        self.give_up = GiveUp(settle, self.broadcasts, self.dead_letters, clock=lambda: NOW)

    def report(self) -> Report:
        """The present report."""
        report = report_of(self.broadcasts, BROADCAST)
        assert report is not None
        assert report.dispatched == report.delivered + report.gone + report.failed + report.in_flight
        return report


def test_a_given_up_chunk_fails_its_remaining_connections() -> None:
    """The others keep their outcomes, even if these are reported later."""
    broadcast = GiveUpFixture()
    message = replace(chunk_message(size=3), remaining=0b110)
    broadcast.give_up(message.to_wire())
    assert (broadcast.report().failed, broadcast.report().in_flight) == (2, 6)
    broadcast.settle.outcomes([outcome(3, delivered=0b011, chunk_id="0.0")])
    assert (broadcast.report().delivered, broadcast.report().failed) == (2, 1)
    assert broadcast.report().by_account == {"111111111111": 2}


def test_a_given_up_source_fails_its_existing_chunks_and_ends() -> None:
    """No further recipients are looked for; a query that comes after all finds the end."""
    broadcast = GiveUpFixture()
    broadcast.settle.outcomes([outcome(5, delivered=0b11111, chunk_id="0.1")])
    broadcast.give_up(source_message(SCOPE).to_wire())
    source = broadcast.broadcasts.source(BROADCAST, 0)
    assert source is not None
    assert (source.dispatched, source.queried_at) == (8, NOW * 1000)
    assert (broadcast.report().delivered, broadcast.report().failed) == (5, 3)
    assert broadcast.broadcasts.fix_chunk(BROADCAST, chunk("0.2", 1)).size == 0


def test_recipients_not_yet_found_in_a_given_up_source_fail() -> None:
    """Two were expected, and no chunk exists. The count may lag behind, so the report is expired."""
    broadcast = GiveUpFixture()
    broadcast.give_up(source_message((partition(1),), source=1).to_wire())
    source = broadcast.broadcasts.source(BROADCAST, 1)
    assert source is not None
    assert (source.dispatched, source.missed) == (0, 2)
    assert broadcast.report().expired
    assert (broadcast.report().dispatched, broadcast.report().failed, broadcast.report().in_flight) == (10, 2, 8)


def test_a_given_up_source_without_a_count_is_reported_as_expired() -> None:
    """The recipients in a session are not counted: without the mark, the report says that nobody failed."""
    broadcast = GiveUpFixture()
    scope = OfSession(TENANT, SessionId("s1"))
    broadcast.broadcasts.fix_sources(BROADCAST, [Source(number=2, scope=scope, expected=None)])
    broadcast.give_up(source_message(scope, source=2).to_wire())
    source = broadcast.broadcasts.source(BROADCAST, 2)
    assert source is not None
    assert (source.dispatched, source.missed) == (0, 0)
    assert broadcast.report().expired


def test_a_completed_source_is_not_changed() -> None:
    """Its chunks are on their way: they have outcomes of their own."""
    broadcast = GiveUpFixture()
    broadcast.broadcasts.complete_source(BROADCAST, 0, chunks=2, dispatched=8, now=NOW * 1000)
    broadcast.give_up(source_message(SCOPE).to_wire())
    assert (broadcast.report().failed, broadcast.report().in_flight) == (0, 8)


def test_a_source_extended_by_a_query_is_retried() -> None:
    """The query has fixed a further chunk: the source does not end without it, and the message is delivered again."""
    broadcast = GiveUpFixture()
    sizes = broadcast.broadcasts.chunk_sizes

    def before_another(*arguments: Any) -> list[int]:
        found = sizes(*arguments)
        broadcast.broadcasts.fix_chunk(BROADCAST, chunk("0.2", 4))
        return found

    broadcast.broadcasts.chunk_sizes = before_another  # type: ignore[assignment, method-assign]  # a query comes in between
    with pytest.raises(TransientError, match="another query is still working on the source"):
        broadcast.give_up(source_message(SCOPE).to_wire())
    assert broadcast.dead_letters.bodies == []
    broadcast.broadcasts.chunk_sizes = sizes  # type: ignore[method-assign]
    broadcast.give_up(source_message(SCOPE).to_wire())
    assert (broadcast.report().failed, broadcast.report().dispatched) == (12, 12)


def test_a_source_completed_by_its_query_meanwhile_is_not_reported_as_expired() -> None:
    """The query has found all recipients, although the source's message was received too often."""
    broadcast = GiveUpFixture()
    complete = broadcast.broadcasts.complete_source

    def after_the_query(*arguments: Any, **numbers: Any) -> bool:
        complete(BROADCAST, 0, chunks=2, dispatched=8, now=NOW * 1000)
        return complete(*arguments, **numbers)

    broadcast.broadcasts.complete_source = after_the_query  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        broadcast.give_up(source_message(SCOPE).to_wire())
    broadcast.give_up(source_message(SCOPE).to_wire())
    assert not broadcast.report().expired


def test_a_broadcast_completed_by_swarm_meanwhile_is_not_reported_as_expired() -> None:
    """All partitions are planned and all recipients are found."""
    broadcast = GiveUpFixture()
    broadcast.broadcasts.complete_source(BROADCAST, 0, chunks=2, dispatched=8, now=NOW * 1000)
    broadcast.broadcasts.complete_source(BROADCAST, 1, chunks=0, dispatched=0, now=NOW * 1000)
    complete = broadcast.broadcasts.complete_sources

    def after_swarm(*arguments: Any, **numbers: Any) -> None:
        complete(BROADCAST, 2, 10, NOW * 1000)
        complete(*arguments, **numbers)

    broadcast.broadcasts.complete_sources = after_swarm  # type: ignore[method-assign]
    broadcast.give_up(announcement().to_wire())
    assert (broadcast.report().expired, broadcast.report().expected) == (False, 10)


def test_the_end_of_a_broadcast_is_noted_with_its_first_source_only() -> None:
    """Each further note would be a write to the row that all functions share."""
    broadcast = GiveUpFixture()
    complete, noted = broadcast.broadcasts.complete_source, list[bool]()

    def complete_and_note(*arguments: Any, **numbers: Any) -> bool:
        noted.append(numbers["cut_short"])
        return complete(*arguments, **numbers)

    broadcast.broadcasts.complete_source = complete_and_note  # type: ignore[method-assign]
    broadcast.give_up(announcement().to_wire())
    assert (noted, broadcast.report().expired) == ([True, False], True)


def test_a_broadcast_with_sources_fixed_meanwhile_is_given_up_again() -> None:
    """A `swarm` may be killed before it sends its sources: without another attempt, the report would never end."""
    broadcast = GiveUpFixture()
    sources = broadcast.broadcasts.sources

    def before_swarm(broadcast_id: BroadcastId) -> list[Source]:
        found = sources(broadcast_id)
        broadcast.broadcasts.fix_sources(BROADCAST, [Source(number=2, scope=(partition(2),), expected=1)])
        broadcast.broadcasts.complete_sources(BROADCAST, 3, 11, NOW * 1000)
        return found

    broadcast.broadcasts.sources = before_swarm  # type: ignore[method-assign]  # swarm comes in between
    with pytest.raises(TransientError, match="swarm has fixed more sources meanwhile"):
        broadcast.give_up(announcement().to_wire())
    assert broadcast.dead_letters.bodies == []
    broadcast.broadcasts.sources = sources  # type: ignore[method-assign]
    broadcast.give_up(announcement().to_wire())
    assert (broadcast.report().status, broadcast.report().failed) == ("finished", 11)


def test_a_given_up_broadcast_ends_with_its_existing_sources() -> None:
    """Its report ends as expired, since more recipients may be where `swarm` has not looked."""
    broadcast = GiveUpFixture()
    broadcast.give_up(announcement().to_wire())
    report = broadcast.report()
    assert (report.status, report.dispatched, report.failed, report.expected) == ("finished", 10, 10, None)
    assert report.expired
    assert report.finished_at == NOW * 1000


def test_a_source_fixed_while_its_broadcast_ends_is_excluded() -> None:
    """A swarm runs at the same time; a report with a source that nobody ends would never finish."""
    broadcast = GiveUpFixture()
    sizes = broadcast.broadcasts.chunk_sizes

    def meanwhile(broadcast_id: BroadcastId, source: int) -> list[int]:
        broadcast.broadcasts.fix_sources(BROADCAST, [Source(number=2, scope=(partition(2),), expected=1)])
        return sizes(broadcast_id, source)

    broadcast.broadcasts.chunk_sizes = meanwhile  # type: ignore[method-assign]
    broadcast.give_up(announcement().to_wire())
    assert broadcast.report().status == "finished"


def test_a_given_up_outcome_is_tried_once_more_and_not_kept() -> None:
    """It shows the true result, not the failed message."""
    broadcast = GiveUpFixture()
    broadcast.give_up(outcome(3, delivered=0b111, chunk_id="0.0").to_wire())
    assert broadcast.report().delivered == 3
    assert broadcast.dead_letters.bodies == []


@pytest.mark.parametrize("body", [announcement().to_wire(), source_message(SCOPE).to_wire()], ids=["all", "source"])
def test_a_given_up_message_is_kept_in_the_dead_letter_queue(body: str, counted: Counter[str]) -> None:
    """The copy is unchanged, so that it can be sent again."""
    broadcast = GiveUpFixture()
    broadcast.give_up(body)
    assert broadcast.dead_letters.bodies == [body]
    assert broadcast.dead_letters.attributes == [{"reason": "it was received too often"}]
    assert counted["MessageGivenUp"] == 1


def test_giving_a_message_up_twice_has_no_further_effect() -> None:
    """The queue may deliver it again."""
    broadcast = GiveUpFixture()
    for _ in range(2):
        broadcast.give_up(announcement().to_wire())
    assert (broadcast.report().dispatched, broadcast.report().failed) == (10, 10)


def test_a_message_of_an_unknown_kind_is_refused() -> None:
    """There is nothing to settle in it."""
    with pytest.raises(MalformedMessageError):
        GiveUpFixture().give_up('{"v":1}')


def test_giving_up_a_message_is_logged(logged: Callable[..., list[Any]]) -> None:
    """With its broadcast and its kind."""
    GiveUpFixture().give_up(announcement().to_wire())
    assert ("message given up", BROADCAST, "Announcement") in logged("message", "broadcast_id", "kind")

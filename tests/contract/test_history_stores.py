"""Promises of `HistoryStore` and `PublicationStore`, kept by the twins and by DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from loudhailer.codec import JsonText
from loudhailer.errors import TransientError
from loudhailer.history.dynamodb import DynamoHistoryStore, DynamoPublicationStore
from loudhailer.history.model import SEGMENT_IDS, Head, Position, Publication
from loudhailer.history.port import HistoryStore, PublicationStore
from loudhailer.history.sequence import Sequence, Sequenced
from loudhailer.ids import BroadcastId, Channel, ChannelKey, Epoch, TenantId
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.fakes.history import MemoryHistoryStore, MemoryPositionNotes, MemoryPublicationStore
from tests.support.tables import TableKind

ACME, OTHER = TenantId("acme"), TenantId("acme2")
NEWS, SPORT, OF_OTHER = ChannelKey("acme#news/uk"), ChannelKey("acme#sport"), ChannelKey("acme2#news/uk")
EPOCH = Epoch("e-_34567890a")
HEAD = Head(epoch=EPOCH, generation=100, made_at=100_000)
LATER = Head(epoch=Epoch("another"), generation=200, made_at=200_000)
M1, M2, M3 = BroadcastId("m1"), BroadcastId("m2"), BroadcastId("m-_3")
FULL = [BroadcastId(f"{number:064}") for number in range(SEGMENT_IDS)]


@dataclass
class Case:
    """The stores."""

    history: HistoryStore
    publications: PublicationStore


@pytest.fixture(params=["memory", *ADAPTERS])
def case(request: pytest.FixtureRequest) -> Case:
    """Empty tables."""
    if request.param == "memory":
        return Case(MemoryHistoryStore(), MemoryPublicationStore())
    client, table = dynamodb_of(request), table_of(request)
    return Case(DynamoHistoryStore(client, table("history")), DynamoPublicationStore(client, table("publications")))


def filled(case: Case, *messages: BroadcastId, channel: ChannelKey = NEWS) -> Head:
    """The head of a channel after the messages were appended."""
    head = case.history.begin(channel, HEAD, 900)
    for message in messages:
        found = case.history.append(channel, head, message, 900)
        assert found is not None
        head = found
    return head


def test_a_channel_has_the_head_that_was_put_first(case: Case) -> None:
    """A second one changes nothing, and other channels have none."""
    assert case.history.head(NEWS) is None
    assert case.history.begin(NEWS, HEAD, 900) == HEAD
    assert case.history.begin(NEWS, LATER, 900) == HEAD
    assert [case.history.head(channel) for channel in (NEWS, SPORT, OF_OTHER)] == [HEAD, None, None]


def test_an_id_that_is_appended_is_the_last_one(case: Case) -> None:
    """Its offset follows from its place, and the head is returned as it is read."""
    head = filled(case, M1, M2)
    assert head == replace(HEAD, ids=(M1, M2)) == case.history.head(NEWS)
    assert head.positions() == {M1: Position(EPOCH, 1), M2: Position(EPOCH, 2)}
    assert head.last == 2


def test_the_same_id_is_appended_once(case: Case) -> None:
    """Whichever head the caller has read of that segment."""
    for read in (filled(case, M1, M2), HEAD):
        assert case.history.append(NEWS, read, M1, 900) == replace(HEAD, ids=(M1, M2))


def test_nothing_is_appended_to_another_segment_or_epoch(case: Case) -> None:
    """The caller learns which one it is."""
    head = filled(case, M1)
    for read in (head.next_segment(), replace(head, epoch=LATER.epoch)):
        assert case.history.append(NEWS, read, M2, 900) == head
    assert case.history.head(NEWS) == head


def test_nothing_is_appended_where_there_is_no_head(case: Case) -> None:
    """Not even a row without an epoch is left behind."""
    assert case.history.append(NEWS, HEAD, M1, 900) is None
    assert case.history.head(NEWS) is None


def test_a_full_segment_takes_no_further_id(case: Case) -> None:
    """With the longest ids, too."""
    head = filled(case, *FULL)
    assert head.is_full
    assert head.positions()[FULL[-1]] == Position(EPOCH, SEGMENT_IDS)
    assert case.history.append(NEWS, head, M1, 900) == head == case.history.head(NEWS)


def test_offsets_continue_behind_a_closed_segment(case: Case) -> None:
    """The head has the ids behind it, and the segment can be read."""
    head = filled(case, *FULL)
    case.history.keep_segment(NEWS, head, 900)
    case.history.move(NEWS, head, head.next_segment())
    head = filled(case, M1)
    assert head == Head(epoch=EPOCH, generation=100, made_at=100_000, segment=1, ids=(M1,))
    assert head.positions() == {M1: Position(EPOCH, SEGMENT_IDS + 1)}
    assert case.history.segments(NEWS, EPOCH, 0, 1) == {0: tuple(FULL)}


def test_a_head_moves_as_it_was_read_only(case: Case) -> None:
    """Not if an id came in between, nor if it is of another segment or epoch by now."""
    head = filled(case, M1, M2)
    for read in (replace(head, ids=(M1,)), replace(head, segment=1), replace(head, epoch=LATER.epoch)):
        case.history.move(NEWS, read, LATER)
    assert case.history.head(NEWS) == head
    case.history.move(NEWS, head, LATER)
    assert case.history.head(NEWS) == LATER
    case.history.move(NEWS, head, HEAD)
    assert case.history.head(NEWS) == LATER
    case.history.move(SPORT, HEAD, LATER)
    assert case.history.head(SPORT) is None


def test_a_closed_segment_loses_no_id(case: Case) -> None:
    """A function that has read the head before its last id came closes it, too."""
    head = filled(case, M1, M2)
    for read, kept in ((replace(head, ids=(M1,)), (M1,)), (head, (M1, M2)), (replace(head, ids=(M1,)), (M1, M2))):
        case.history.keep_segment(NEWS, read, 900)
        assert case.history.segments(NEWS, EPOCH, 0, 0) == {0: kept}


def test_segments_are_read_by_their_numbers(case: Case) -> None:
    """Other epochs and channels are left out, and numbers have as many digits as they may."""
    numbers = (0, 9, 10, 11, 100, 10**11)
    for number in numbers:
        case.history.keep_segment(NEWS, replace(HEAD, segment=number, ids=(BroadcastId(f"m{number}"),)), 900)
    case.history.keep_segment(NEWS, replace(LATER, segment=10, ids=(M1,)), 900)
    case.history.keep_segment(OF_OTHER, replace(HEAD, segment=10, ids=(M2,)), 900)
    case.history.begin(NEWS, HEAD, 900)
    assert case.history.segments(NEWS, EPOCH, 9, 11) == {number: (f"m{number}",) for number in (9, 10, 11)}
    assert list(case.history.segments(NEWS, EPOCH, 0, 10**11)) == list(numbers)
    assert case.history.segments(NEWS, LATER.epoch, 0, 9) == {}


def test_a_message_is_read_as_it_was_kept(case: Case) -> None:
    """Its text is unchanged; missing messages, and those of another tenant, are omitted."""
    kept = [
        Publication(tenant=tenant, broadcast_id=message, channel=channel, message=JsonText(text), published_at=at)
        for tenant, message, channel, text, at in (
            (ACME, M1, Channel("news/uk"), '{"n": 1E2, "big":18446744073709551616}', 1_700_000_000_001),
            (ACME, M3, Channel("sport"), '"é€😀"', 2),
            (OTHER, M1, Channel("news/uk"), "null", 3),
        )
    ]
    for one in kept:
        case.publications.put(one, 900)
    case.publications.put(kept[0], 950)
    assert case.publications.of(ACME, [M1, M2, M3]) == {M1: kept[0], M3: kept[1]}
    assert case.publications.of(OTHER, [M1, M3]) == {M1: kept[2]}
    assert case.publications.of(ACME, []) == {}


def test_an_erased_tenant_has_no_history(case: Case) -> None:
    """Another tenant, whose id begins with the same letters, keeps its own."""
    for channel in (NEWS, SPORT, OF_OTHER):
        case.history.keep_segment(channel, filled(case, M1, channel=channel), 900)
    for tenant in (ACME, OTHER):
        one = Publication(
            tenant=tenant, broadcast_id=M1, channel=Channel("sport"), message=JsonText("1"), published_at=1
        )
        case.publications.put(one, 900)
    assert [case.history.forget(ACME), case.publications.forget(ACME)] == [4, 1]
    assert [case.history.head(channel) is None for channel in (NEWS, SPORT, OF_OTHER)] == [True, True, False]
    assert case.history.segments(NEWS, EPOCH, 0, 0) == {}
    assert [list(case.publications.of(tenant, [M1])) for tenant in (ACME, OTHER)] == [[], [M1]]
    assert [case.history.forget(ACME), case.publications.forget(ACME)] == [0, 0]


def test_the_offsets_of_parallel_messages_are_dense(
    aws: Callable[[str], Any], table: Callable[[TableKind], str]
) -> None:
    """200 messages in 16 threads get the offsets 1 to 200, one each."""
    messages = [BroadcastId(f"m{number}") for number in range(200)]
    history, notes = DynamoHistoryStore(aws("dynamodb"), table("history")), MemoryPositionNotes(*messages)
    sequence = Sequence(history, notes, clock=lambda: 1_000.0)
    channel = Sequenced(NEWS, generation=100, seconds=60)

    def append(message: BroadcastId) -> Position:
        while True:
            with suppress(TransientError):  # as a publisher that is answered 503
                return sequence.append(channel, message)

    with ThreadPoolExecutor(16) as pool:
        positions = list(pool.map(append, messages))
    assert sorted(position.offset for position in positions) == list(range(1, 201))
    head = history.head(NEWS)
    assert head is not None
    assert {position.epoch for position in positions} == {head.epoch}
    closed = history.segments(NEWS, head.epoch, 0, head.segment)
    in_order = [message for number in sorted(closed) for message in closed[number]] + list(head.ids)
    assert in_order == sorted(messages, key=lambda message: positions[messages.index(message)].offset)

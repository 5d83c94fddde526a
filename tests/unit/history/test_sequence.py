"""The algorithm that gives a message its offset, one call after the other; all orders are in test_interleavings."""

from typing import override

import pytest

from loudhailer.errors import TransientError
from loudhailer.history.model import HEAD_KEPT_SECONDS, SEGMENT_IDS, Head, Position
from loudhailer.history.sequence import Sequence, Sequenced
from loudhailer.ids import BroadcastId, ChannelKey, Epoch
from tests.support.fakes.history import MemoryHistoryStore, MemoryPositionNotes

NEWS = ChannelKey("acme#news")
CHANNEL = Sequenced(NEWS, generation=100, seconds=60)
NOW = 1_000.5


def messages(number: int) -> list[BroadcastId]:
    """So many ids."""
    return [BroadcastId(f"m{place}") for place in range(1, number + 1)]


def sequence_of(history: MemoryHistoryStore, *noted: BroadcastId) -> Sequence:
    """The algorithm on a history, and on the summaries of the messages."""
    return Sequence(history, MemoryPositionNotes(*noted), clock=lambda: NOW)


def test_the_first_message_of_a_channel_makes_its_head() -> None:
    """It has the setting's generation, and an epoch that a frame has room for."""
    history = MemoryHistoryStore()
    epoch, offset = sequence_of(history).append(CHANNEL, BroadcastId("m1"))
    assert (len(epoch), offset) == (12, 1)
    assert history.heads == {
        NEWS: Head(epoch=epoch, generation=100, made_at=1_000_500, ids=(BroadcastId("m1"),)),
    }


def test_offsets_continue_over_segments() -> None:
    """And each closed segment has its ids."""
    history, sent = MemoryHistoryStore(), messages(2 * SEGMENT_IDS + 1)
    sequence = sequence_of(history, *sent)
    positions = [sequence.append(CHANNEL, message) for message in sent]
    assert [position.offset for position in positions] == list(range(1, len(sent) + 1))
    again = [sequence.append(CHANNEL, message) for message in sent]
    assert again == positions
    segments = history.segments(NEWS, positions[0].epoch, 0, 9)
    assert segments == {0: tuple(sent[:SEGMENT_IDS]), 1: tuple(sent[SEGMENT_IDS : 2 * SEGMENT_IDS])}


def test_a_later_generation_begins_a_new_epoch() -> None:
    """The messages of the former one keep their positions; a publisher that knows the former setting follows."""
    history, (first, second, third) = MemoryHistoryStore(), messages(3)
    sequence = sequence_of(history, first, second, third)
    old = sequence.append(CHANNEL, first)
    later = Sequenced(NEWS, generation=200, seconds=60)
    new = sequence.append(later, second)
    assert new.epoch != old.epoch
    assert new.offset == 1
    assert sequence.append(later, first) == old
    assert sequence.append(CHANNEL, third) == Position(new.epoch, 2)


def test_a_head_that_is_gone_is_made_again() -> None:
    """It may go between the two calls."""

    class Going(MemoryHistoryStore):
        goes = True

        @override
        def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
            if self.goes:
                self.goes = False
                self.heads.clear()
            return super().append(channel, head, message, expires_at)

    history = Going()
    history.begin(NEWS, Head(epoch=Epoch("old"), generation=100, made_at=1), 0)
    position = sequence_of(history).append(CHANNEL, BroadcastId("m1"))
    assert position.epoch != "old"
    assert position.offset == 1


def test_a_message_that_finds_every_segment_full_is_refused() -> None:
    """The request can be sent again."""

    class Busy(MemoryHistoryStore):
        @override
        def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
            for number in range(SEGMENT_IDS):
                super().append(channel, head, BroadcastId(f"{head.segment}-{number}"), expires_at)
            return super().append(channel, head, message, expires_at)

    with pytest.raises(TransientError, match="filled by others"):
        sequence_of(Busy()).append(CHANNEL, BroadcastId("m1"))


def test_a_head_that_others_change_each_time_is_given_up() -> None:
    """An id that comes in between lets the head stay as it is, and it is closed again."""

    class Busy(MemoryHistoryStore):
        @override
        def move(self, channel: ChannelKey, head: Head, to: Head) -> None:
            pass

    history = Busy()
    history.begin(NEWS, Head(epoch=Epoch("old"), generation=1, made_at=1), 0)
    with pytest.raises(TransientError, match="changed by others"):
        sequence_of(history).head(CHANNEL)


def test_rows_expire_when_nothing_needs_them() -> None:
    """A head 30 days after its last message, a segment a day after the setting's time."""
    expiries: dict[str, int] = {}

    class Watched(MemoryHistoryStore):
        @override
        def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
            expiries["head"] = expires_at
            return super().append(channel, head, message, expires_at)

        @override
        def keep_segment(self, channel: ChannelKey, head: Head, expires_at: int) -> None:
            expiries["segment"] = expires_at
            super().keep_segment(channel, head, expires_at)

    sent = messages(SEGMENT_IDS + 1)
    sequence = sequence_of(Watched(), *sent)
    for message in sent:
        sequence.append(CHANNEL, message)
    assert expiries == {"head": 1_000 + HEAD_KEPT_SECONDS, "segment": 1_000 + 60 + 24 * 3600}

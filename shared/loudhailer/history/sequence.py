"""Give a message its offset: one plain update of the channel's head, so that 50 a second fit on one channel.

No id gets two offsets. `HistoryStore.append` refuses an id that its segment has. If the id is in an earlier segment, or
epoch, that one was closed before the head was read here. Closing notes the offset first, and the note is read after
the head, so it is found. See decision 0053.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loudhailer import ids
from loudhailer.errors import TransientError
from loudhailer.history.model import HEAD_KEPT_SECONDS, KEPT_LONGER_SECONDS, Head, Position
from loudhailer.history.port import HistoryStore, PositionNotes
from loudhailer.ids import BroadcastId, ChannelKey

_ROUNDS = 10
"""Attempts to append an id. One is lost to each segment that others fill and close meanwhile."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A channel with history.

    Attributes:
        key: the tenant and the channel.
        generation: when the setting's history began, in epoch seconds.
        seconds: how long messages are kept.
    """

    key: ChannelKey
    generation: int
    seconds: int


class Sequence:
    """Appends messages to channels; `clock` is in epoch seconds."""

    def __init__(self, history: HistoryStore, notes: PositionNotes, *, clock: Callable[[], float]) -> None:
        self._history = history
        self._notes = notes
        self._clock = clock

    def append(self, channel: Sequenced, message: BroadcastId) -> Position:
        """Return the only position of the message, which is appended if it has none.

        The message and its summary must be durable. TransientError: others were faster at every attempt.
        """
        for _ in range(_ROUNDS):
            head = self.head(channel)
            if (noted := self._notes.positions_of([message]).get(message)) is not None:
                return noted
            found = self._history.append(channel.key, head, message, self._in(HEAD_KEPT_SECONDS))
            if found is None:
                continue
            if (position := found.positions().get(message)) is not None:
                return position
            if found.is_full:
                self._close(channel, found, found.next_segment())
        raise TransientError("a channel's segments were filled by others at every attempt")

    def head(self, channel: Sequenced) -> Head:
        """Return the channel's head, of this generation or a later one; it is made if there is none.

        TransientError: others changed it at every attempt.
        """
        for _ in range(_ROUNDS):
            head = self._history.head(channel.key)
            if head is None:
                head = self._history.begin(channel.key, self._first(channel), self._in(HEAD_KEPT_SECONDS))
            if head.generation >= channel.generation:
                return head
            self._close(channel, head, self._first(channel))
        raise TransientError("a channel's head was changed by others at every attempt")

    def _close(self, channel: Sequenced, head: Head, to: Head) -> None:
        """Close the head's segment; several functions may do so at once, and an id may come in between.

        An id that comes in between is not noted. Then the head does not move, and is closed again.
        """
        positions = head.positions()
        for message, noted in self._notes.positions_of(positions).items():
            if noted is None:
                self._notes.note_position(message, positions[message])
        self._history.keep_segment(channel.key, head, self._in(channel.seconds + KEPT_LONGER_SECONDS))
        self._history.move(channel.key, head, to)

    def _first(self, channel: Sequenced) -> Head:
        now = self._clock()
        return Head(epoch=ids.new_epoch(), generation=channel.generation, made_at=int(now * 1000))

    def _in(self, seconds: int) -> int:
        return int(self._clock()) + seconds

"""The store of broadcasts and the topic, as use cases need them.

A fixed row keeps its first content, even if it is put again. So every step of a broadcast can be repeated after a
crash, and repeats the same work.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from loudhailer.broadcast.model import Chunk, Source, Summary, Tally, TallyKey
from loudhailer.history.model import Position
from loudhailer.history.port import PositionNotes
from loudhailer.ids import BroadcastId, ChunkId

MAX_SOURCES_AT_ONCE = 100
"""Actions of one transaction:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


class BroadcastStore(PositionNotes, Protocol):
    """The rows of all broadcasts. Reads are consistent; errors of the table are TransientErrors.

    A summary has the position of a message to a channel with history: see `PositionNotes`.
    """

    def record(self, summary: Summary) -> Summary:
        """Put the summary if its id is new; return the stored summary, which may be an older one."""

    def record_small(self, summary: Summary, source: Source, chunk: Chunk) -> Summary:
        """Put a broadcast with its one source, complete, and its one chunk, none if that is empty: all rows or none.

        Returns the recorded summary, which is the older one if the id is not new.
        """

    def mark_announced(
        self, broadcast_id: BroadcastId, *, ends_at: int | None = None, position: Position | None = None
    ) -> None:
        """Note that the topic, or the express queue, has taken the broadcast; with further cells, when it ends.

        The position of a message to a channel with history is noted in the same write.
        """

    def cancel(self, broadcast_id: BroadcastId) -> bool:
        """Note that the broadcast is cancelled; return False if there is no such broadcast."""

    def mark_expired(self, broadcast_id: BroadcastId) -> None:
        """Note that its lifetime ended before it was sent to everyone who was found."""

    def live_again(self, broadcast_id: BroadcastId) -> None:
        """Undo the note of `expire`, for messages that are sent again; the summary then lives as long as a new one.

        A broadcast that was cut short stays expired: no message has the recipients that were not found.
        """

    def summary(self, broadcast_id: BroadcastId) -> Summary | None:
        """The summary; None if there is no such broadcast."""

    def fix_sources(self, broadcast_id: BroadcastId, sources: Sequence[Source]) -> bool:
        """Put up to MAX_SOURCES_AT_ONCE sources, all or none; return False if one of the numbers is taken."""

    def sources(self, broadcast_id: BroadcastId) -> list[Source]:
        """Return all fixed sources, by number."""

    def source(self, broadcast_id: BroadcastId, number: int) -> Source | None:
        """One source."""

    def complete_sources(
        self,
        broadcast_id: BroadcastId,
        count: int,
        expected: int | None,
        now: int,
        *,
        missed: int = 0,
        cut_short: bool = False,
    ) -> None:
        """Note, once, that the first `count` sources are all; `now` in epoch milliseconds.

        A source that is fixed later is not part of the broadcast, and must not be sent. `missed` of the expected
        recipients are in no source. `cut_short`: the broadcast ended before all were planned.
        """

    def fix_chunk(self, broadcast_id: BroadcastId, chunk: Chunk) -> Chunk:
        """Put the chunk if its id is new; return the stored chunk, which may be an older one."""

    def chunk(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Chunk | None:
        """One chunk."""

    def chunk_sizes(self, broadcast_id: BroadcastId, source: int) -> list[int]:
        """Return the number of recipients of each fixed chunk of a source, in order, without the empty last one.

        The recipients themselves are not read, because they may not fit into memory.
        """

    def complete_source(
        self,
        broadcast_id: BroadcastId,
        number: int,
        *,
        chunks: int,
        dispatched: int,
        now: int,
        missed: int = 0,
        cut_short: bool = False,
    ) -> bool:
        """Note, once, that the first `chunks` chunks of a source are all and sent, and their number of recipients.

        According to the counts, `missed` further recipients were not searched. From then on `fix_chunk` finds an empty
        chunk after them. With `cut_short`, the summary notes in the same write that the broadcast ended before all
        recipients were found. Return False, and note nothing, if a further chunk is fixed, or if it was noted before;
        `now` in epoch milliseconds.
        """

    def reopen_source(self, broadcast_id: BroadcastId, number: int, letter: str) -> None:
        """Undo, once for a dead letter's id, that the source is complete, so that its recipients can be searched again.

        SQS may deliver a letter once more after it was deleted. If the letter reopened the source a second time, and
        the operator's command ended before it sent the message, the source would stay open. Several operators may do
        this at once: no chunk of the source is lost. TransientError if others change it all the time.
        """

    def reopen_sources(self, broadcast_id: BroadcastId, letter: str) -> None:
        """Undo, once for a dead letter's id, that all sources are known, so that the missing ones can be planned."""

    def tallies_of(self, keys: Iterable[TallyKey]) -> Mapping[TallyKey, Tally]:
        """Return the tallies that exist; missing keys are omitted."""

    def replace_tally(self, key: TallyKey, old: Tally | None, new: Tally) -> bool:
        """Replace the old tally (None: there is none) by the new one; return False if it has changed."""

    def tallies(self, broadcast_id: BroadcastId) -> list[Tally]:
        """All tallies of a broadcast."""

    def take_version(self, broadcast_id: BroadcastId, now_ms: int) -> int:
        """Return a number that is higher than each number that was taken for the broadcast before.

        The first one is `now_ms`, so that a cell that was taken down and recreated continues above its former numbers.
        """


class Topic(Protocol):
    """Passes announcements to all cells."""

    def publish(self, body: str, *, group: str | None = None) -> None:
        """Pass the message to every cell; TransientError if the topic did not take it.

        `group` is its message group in the cells' queues, see `Queue.send_all`.
        """

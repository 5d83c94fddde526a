"""The store of broadcasts and the topic, as use cases need them.

What is fixed once stays as it was first written, whoever comes second: that is what lets every step of a broadcast be
repeated after a crash and do the same work again, not other work.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from loudhailer.broadcast.model import Chunk, Source, Summary, Tally, TallyKey
from loudhailer.ids import BroadcastId, ChunkId

MAX_SOURCES_AT_ONCE = 100
"""Actions of one transaction: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


class BroadcastStore(Protocol):
    """The rows of all broadcasts. Reads are consistent; errors of the table are TransientErrors."""

    def record(self, summary: Summary) -> Summary:
        """Put the summary if its id is new; the summary that stands, which is the older one if there was one."""

    def mark_announced(self, broadcast_id: BroadcastId, *, ends_at: int | None = None) -> None:
        """Note that the topic has taken the broadcast, and, where there are further cells, when it ends."""

    def cancel(self, broadcast_id: BroadcastId) -> bool:
        """Note that nobody is to be sent it any more; False if there is no such broadcast."""

    def mark_expired(self, broadcast_id: BroadcastId, *, cut_short: bool = False) -> None:
        """Note that its lifetime ended before it was sent to everyone; `cut_short` if it was before all were found."""

    def live_again(self, broadcast_id: BroadcastId) -> None:
        """Take that back, for messages that are sent once more; the summary then stands as long as a new one.

        One that was cut short stays expired: no message has those who were not found.
        """

    def summary(self, broadcast_id: BroadcastId) -> Summary | None:
        """The summary; None if there is no such broadcast."""

    def fix_sources(self, broadcast_id: BroadcastId, sources: Sequence[Source]) -> bool:
        """Put up to MAX_SOURCES_AT_ONCE sources, all or none; False if one of these numbers was taken before."""

    def sources(self, broadcast_id: BroadcastId) -> list[Source]:
        """All sources that are fixed, by number."""

    def source(self, broadcast_id: BroadcastId, number: int) -> Source | None:
        """One source."""

    def complete_sources(
        self, broadcast_id: BroadcastId, count: int, expected: int | None, now: int, *, missed: int = 0
    ) -> None:
        """Note, once, that the first `count` sources are all; `now` in epoch milliseconds.

        A further one that somebody fixes meanwhile is no part of the broadcast: it must not be sent. Of the expected
        recipients, `missed` are in none of them.
        """

    def fix_chunk(self, broadcast_id: BroadcastId, chunk: Chunk) -> Chunk:
        """Put the chunk if its id is new; the chunk that stands, which is the older one if there was one."""

    def chunk(self, broadcast_id: BroadcastId, chunk_id: ChunkId) -> Chunk | None:
        """One chunk."""

    def chunk_sizes(self, broadcast_id: BroadcastId, source: int) -> list[int]:
        """Return the number of recipients of each fixed chunk of a source, in order, without the one that ends it.

        The recipients themselves are not read: they may be more than there is memory for.
        """

    def complete_source(
        self, broadcast_id: BroadcastId, number: int, *, chunks: int, dispatched: int, now: int, missed: int = 0
    ) -> bool:
        """Note, once, that the first `chunks` chunks of a source are all and sent, and how many recipients they have.

        Further recipients, `missed` by count, were not looked for.

        From then on `fix_chunk` finds an empty chunk behind them. False, and nothing noted, if a further chunk is
        fixed, or if it was noted before; `now` in epoch milliseconds.
        """

    def reopen_source(self, broadcast_id: BroadcastId, number: int) -> None:
        """Take back that the source is complete, so that its recipients can be looked for again."""

    def reopen_sources(self, broadcast_id: BroadcastId) -> None:
        """Take back that the broadcast's sources are complete, so that those left out can be planned."""

    def tallies_of(self, keys: Iterable[TallyKey]) -> Mapping[TallyKey, Tally]:
        """Return the tallies that exist; missing keys are omitted."""

    def replace_tally(self, key: TallyKey, old: Tally | None, new: Tally) -> bool:
        """Put the new tally if the old one (None: none) still stands; False if it does not."""

    def tallies(self, broadcast_id: BroadcastId) -> list[Tally]:
        """All tallies of a broadcast."""

    def take_version(self, broadcast_id: BroadcastId, now_ms: int) -> int:
        """Return a number that is higher than each one that was taken for the broadcast before.

        The first one is `now_ms`, so that a cell that was taken down and made anew goes on above its former numbers.
        """


class Topic(Protocol):
    """Takes announcements."""

    def publish(self, body: str, *, group: str | None = None) -> None:
        """Hand the message to every cell; TransientError if the topic did not take it.

        `group` is the one that it belongs to in the cells' queues, see `Queue.send_all`.
        """

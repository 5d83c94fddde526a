"""Divide a broadcast's audience into sources, fix them, and send each source to `query`.

A channel has the partitions of its name and of each pattern that matches it.

The counts only determine the sizes of the sources. Every known partition is in exactly one source, even an empty one: a
connection may have arrived since it was counted. Sources are written in groups, each group as a whole, after the
sources before it were read. If two swarms process the same broadcast, the second continues with the partitions that are
in no source yet. It sends a source again if it may not have been sent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import batched

from loudhailer.broadcast.audience import Counted, Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant, keys_of
from loudhailer.broadcast.messages import Announcement, SourceMessage
from loudhailer.broadcast.model import Source, Summary
from loudhailer.broadcast.port import MAX_SOURCES_AT_ONCE, BroadcastStore
from loudhailer.ids import BroadcastId, CellName, Partition
from loudhailer.observability import count, logger
from loudhailer.partitions.audiences import Audiences
from loudhailer.partitions.model import PartitionCount
from loudhailer.queues.port import Queue

RECIPIENTS_A_SOURCE = 4_000
PARTITIONS_A_SOURCE = 200

BYTES_OF_KEYS = 16 * 1024
"""Bytes of the partitions' keys of a source: beside 175 KB of data they fit into a message, however long a
channel's name is."""


class Swarm:
    """Plans one broadcast and sends its sources to `query`; `cell` is the name of a further cell, None in the hub's.

    A further cell receives all announcements of the hub's topic, and of its own topic.
    """

    def __init__(
        self,
        audiences: Audiences,
        broadcasts: BroadcastStore,
        queue: Queue,
        *,
        clock: Callable[[], float],
        cell: CellName | None = None,
    ) -> None:
        self._audiences = audiences
        self._broadcasts = broadcasts
        self._queue = queue
        self._clock = clock
        self._cell = cell

    def __call__(self, body: str) -> None:
        """Handle one announcement; when it returns, every source is fixed and its message is in the queue."""
        announcement = Announcement.from_wire(body)
        with logger.append_context_keys(broadcast_id=announcement.broadcast_id):
            if self._cell is not None and not self._takes_part(self._cell, announcement):
                count("BroadcastOfOtherCells")
                logger.info("the broadcast is not for this cell")
                return
            sources = self._fixed_sources(announcement)
            unfinished = [source for source in sources if source.dispatched is None]
            expected = _expected(sources)
            bodies = (_message(announcement, source, expected).to_wire() for source in unfinished)
            self._queue.send_all(bodies, group=announcement.group)
            count("SourceSent", len(unfinished))
            logger.info("sources sent", sources=len(sources), sent=len(unfinished))

    def _takes_part(self, cell: CellName, announcement: Announcement) -> bool:
        """Tell whether a broadcast is for this cell. A further cell records a summary of its own."""
        if announcement.cells is None:
            # Either another function of this cell has recorded it, or it is for the hub's cell only.
            return self._broadcasts.summary(announcement.broadcast_id) is not None
        if cell not in announcement.cells:
            return False
        self._broadcasts.record(
            Summary(
                broadcast_id=announcement.broadcast_id,
                audience=announcement.audience,
                content_hash=announcement.content_hash or "",
                published_at=announcement.published_at,
                announced=True,
                ends_at=announcement.expires_at,
            )
        )
        return True

    def _fixed_sources(self, announcement: Announcement) -> list[Source]:
        broadcast_id = announcement.broadcast_id
        summary = self._broadcasts.summary(broadcast_id)
        if summary is not None and summary.sources is not None:
            return self._broadcasts.sources(broadcast_id)[: summary.sources]
        is_cancelled = summary is not None and summary.cancelled
        if is_cancelled or announcement.expires_at <= self._clock():
            return self._cut_short(announcement, is_cancelled=is_cancelled)
        match announcement.audience:
            case InRoom() | OfPlayer() | OfSession() as scope:
                self._broadcasts.fix_sources(broadcast_id, [Source(number=0, scope=scope, expected=None)])
            case Everyone() | OfTenant() | OfChannel() as audience:
                self._fix_partitions(broadcast_id, self._counts(audience))
        sources = self._broadcasts.sources(broadcast_id)
        return self._complete(broadcast_id, sources, _expected(sources))

    def _cut_short(self, announcement: Announcement, *, is_cancelled: bool) -> list[Source]:
        """Declare the existing sources complete; the counts give the number of recipients that were expected."""
        logger.warning("the broadcast was over before it was planned to the end", cancelled=is_cancelled)
        if not is_cancelled:
            count("BroadcastExpired")
        sources = self._broadcasts.sources(announcement.broadcast_id)
        expected, missed = None, 0
        if isinstance(announcement.audience, Counted):
            expected = sum(max(0, known.count) for known in self._counts(announcement.audience))
            missed = max(0, expected - sum(source.expected or 0 for source in sources))
            count("RecipientMissed", missed)
        return self._complete(announcement.broadcast_id, sources, expected, missed=missed, cut_short=not is_cancelled)

    def _counts(self, audience: Counted) -> list[PartitionCount]:
        if isinstance(audience, Everyone):
            return self._audiences.everywhere()
        return self._audiences.of(keys_of(audience))

    def _fix_partitions(self, broadcast_id: BroadcastId, counts: Iterable[PartitionCount]) -> None:
        # A count may be below zero for a moment: the end of a connection was counted before its beginning.
        expected = {known.partition: max(0, known.count) for known in counts}
        while True:
            fixed = self._broadcasts.sources(broadcast_id)
            unplanned = expected.keys() - {partition for source in fixed for partition in _partitions(source)}
            if not unplanned:
                return
            planned = plan({partition: expected[partition] for partition in unplanned}, first=len(fixed))
            for group in batched(planned, MAX_SOURCES_AT_ONCE, strict=False):
                if not self._broadcasts.fix_sources(broadcast_id, group):
                    break

    def _complete(
        self,
        broadcast_id: BroadcastId,
        sources: list[Source],
        expected: int | None,
        *,
        missed: int = 0,
        cut_short: bool = False,
    ) -> list[Source]:
        now_ms = int(self._clock() * 1000)
        self._broadcasts.complete_sources(
            broadcast_id, len(sources), expected, now_ms, missed=missed, cut_short=cut_short
        )
        # Another swarm that knew other partitions may have completed the sources first: then its sources are final.
        summary = self._broadcasts.summary(broadcast_id)
        return sources if summary is None else sources[: summary.sources]


def plan(expected: Mapping[Partition, int], *, first: int) -> Iterator[Source]:
    """Yield sources of about RECIPIENTS_A_SOURCE recipients each, in key order, numbered from `first`."""
    group: list[Partition] = []
    recipients = size = 0
    for partition in sorted(expected):
        full = recipients + expected[partition] > RECIPIENTS_A_SOURCE or len(group) == PARTITIONS_A_SOURCE
        if group and (full or size + len(partition) > BYTES_OF_KEYS):
            yield Source(number=first, scope=tuple(group), expected=recipients)
            first, group, recipients, size = first + 1, [], 0, 0
        group.append(partition)
        recipients += expected[partition]
        size += len(partition)
    if group:
        yield Source(number=first, scope=tuple(group), expected=recipients)


def _partitions(source: Source) -> tuple[Partition, ...]:
    return source.scope if isinstance(source.scope, tuple) else ()


def _expected(sources: Sequence[Source]) -> int | None:
    """Return the recipients of all sources by their counts; None if a source has no count."""
    counted = [source.expected for source in sources if source.expected is not None]
    return sum(counted) if len(counted) == len(sources) else None


def _message(announcement: Announcement, source: Source, expected: int | None) -> SourceMessage:
    return SourceMessage(
        broadcast_id=announcement.broadcast_id,
        source=source.number,
        scope=source.scope,
        payload=announcement.payload,
        published_at=announcement.published_at,
        expires_at=announcement.expires_at,
        priority=announcement.priority,
        # A former release may have recorded a count below zero.
        expected=None if expected is None else max(0, expected),
        group=announcement.group,
        has_deadline=announcement.has_deadline,
    )

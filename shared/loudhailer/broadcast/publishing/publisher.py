"""Record a broadcast and send it on its way, once its request is known to be legal.

A broadcast is durable before it is acknowledged. The summary is recorded first. So the same broadcast again is
announced again only if the topic may not have it yet. A broadcast to few recipients takes the short path, unless it is
bulk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import Audience, Counted
from loudhailer.broadcast.model import Chunk, Priority, Summary
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.search import Page
from loudhailer.errors import TransientError
from loudhailer.ids import CellName, Partition
from loudhailer.observability import count, logger

type Urgency = Literal["express", "bulk"]

type Counts = Callable[[Audience], Mapping[Partition, int] | None]
"""Returns the number of connections in each partition of an audience; None for one that is not counted."""


class CellsOfAudience(Protocol):
    """Names the further cells of an audience."""

    def of(self, audience: Audience) -> Mapping[CellName, int | None]:
        """Return the further cells that may have recipients, each with their number, or None."""


@dataclass(slots=True)
class FoundRecipients:
    """Recipients of a broadcast that were found before it is announced; None for an unknown value.

    Attributes:
        counts: connections of each partition of the audience.
        recipients: all of them, if they are few.
        has_failed: reading or recording the recipients failed.
    """

    counts: Mapping[Partition, int] | None = None
    recipients: Page | None = None
    has_failed: bool = False

    @property
    def expected(self) -> int | None:
        """Return the sum of the counts."""
        return None if self.counts is None else sum(self.counts.values())


class Publisher:
    """Finds the recipients of small broadcasts, records broadcasts and sends them; `priority` is that of large ones."""

    def __init__(
        self,
        counts: Counts,
        broadcasts: BroadcastStore,
        announce: Announcer,
        short_path: ShortPath,
        *,
        priority: Priority = Priority.NORMAL,
    ) -> None:
        self._counts = counts
        self._broadcasts = broadcasts
        self._announce = announce
        self._short_path = short_path
        self._priority = priority

    @property
    def most_express(self) -> int:
        """Most recipients of a small broadcast; 0 if no broadcast is small."""
        return self._short_path.most

    def find(self, summary: Summary, wanted: Urgency | None) -> FoundRecipients:
        """Return the counts of the audience's partitions, and the recipients of a small broadcast.

        Either is None if it is not known, not needed, or cannot be read now: then `swarm` and `query` read the
        recipients. The answer has no number if there are further cells, and the recorded one if there is one.
        """
        found = FoundRecipients()
        if summary.cells or summary.expected is not None:
            return found
        may_be_small = wanted != "bulk" and self._short_path.most > 0
        try:
            found.counts = self._counts(summary.audience)
            is_known = found.counts is not None or not isinstance(summary.audience, Counted)
            if may_be_small and is_known:
                found.recipients = self._short_path.recipients(summary.audience, found.counts or {})
        except TransientError as error:
            found.has_failed = True
            if may_be_small:
                count("ShortPathLeft")
                logger.exception("the recipients of a broadcast could not be read; it takes the long way")
            else:
                logger.warning("the recipients of a broadcast could not be counted", error=str(error))
        return found

    def record(self, summary: Summary, found: FoundRecipients) -> tuple[Summary, Chunk | None]:
        """Record the broadcast; return the recorded summary, and the chunk of a small broadcast that is new.

        A transaction may conflict with another one, or its answer may be lost. Then the summary is put alone. After the
        first of the two writes, the other one's condition fails.
        """
        if found.recipients is not None:
            try:
                return self._short_path.record(summary, found.counts or {}, found.recipients)
            except TransientError:
                found.has_failed = True
                count("ShortPathLeft")
                logger.exception("a broadcast could not be recorded at once; it takes the long way")
        return self._broadcasts.record(summary), None

    def send(self, recorded: Summary, chunk: Chunk | None, frame: str) -> None:
        """Send a recorded broadcast, with its chunk if it is new and small; return once a queue or the topic has it."""
        if recorded.express:
            announcement = self._announce.announcement(recorded, frame)
            self._short_path.send(announcement, chunk, cancelled=recorded.cancelled)
            self._announce.note(recorded, announcement)
        else:
            self._announce(recorded, frame, priority=self._priority)

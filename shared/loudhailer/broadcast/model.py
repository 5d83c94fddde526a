"""The rows of a broadcast: what was fixed once, and what has become of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from loudhailer.broadcast.audience import Audience
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.scope import Scope
from loudhailer.ids import BroadcastId, CellName, ChunkId

KEPT_SECONDS = 7 * 24 * 3600
"""Time that a broadcast's report can be asked for."""

SUMMARY_KEPT_SECONDS = 2 * KEPT_SECONDS
"""Seconds for which the summary stands. DynamoDB deletes what has expired within days, in any order: as long as other
rows of a broadcast may be left, its id must not begin another one.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html"""


class Priority(StrEnum):
    """The lanes that a message's posts use; no field on the wire stands for the normal ones."""

    NORMAL = "normal"
    LOW = "low"
    """A client's message to a large room: it has lanes of its own, and never goes before anyone's broadcast.

    Tenants share those lanes, and the queues before them: one that talks more than others must not come before them.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The head of a broadcast.

    Attributes:
        broadcast_id: names the broadcast.
        audience: whom it is for.
        content_hash: SHA-256, in hex, of audience and message: the same id with another hash is another broadcast.
        published_at: epoch milliseconds.
        announced: the topic has taken it.
        cancelled: nobody is to be sent it any more.
        expired: its lifetime ended before it was sent to everyone.
        cut_short: it ended before all recipients were found.
        sources: how many sources it has; None until all are fixed.
        expected: how many recipients the counts spoke of; None where there are no counts, or not yet.
        missed: how many of these are in no source, since the broadcast was over before all were planned.
        swarmed_at: epoch milliseconds; when its sources were complete.
        cells: the further cells that it is for, each with its recipients by the last counts, or None where there is no
            count; None as a whole where there are no further cells.
        ends_at: epoch seconds; after this no one is sent it any more. It is noted where there are further cells.
    """

    broadcast_id: BroadcastId
    audience: Audience
    content_hash: str
    published_at: int
    announced: bool = False
    cancelled: bool = False
    expired: bool = False
    cut_short: bool = False
    sources: int | None = None
    expected: int | None = None
    missed: int = 0
    swarmed_at: int | None = None
    cells: Mapping[CellName, int | None] | None = None
    ends_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A part of the audience whose recipients one `query` finds.

    Attributes:
        number: from 0, without gaps.
        scope: where to look.
        expected: recipients by count; None where there is no count.
        dispatched: recipients found; None until all of its chunks have been sent.
        missed: recipients by count who were not looked for, since the broadcast was over, or nobody could, before.
        queried_at: epoch milliseconds; when that was.
    """

    number: int
    scope: Scope
    expected: int | None
    dispatched: int | None = None
    missed: int = 0
    queried_at: int | None = None

    def missed_behind(self, found: int) -> int:
        """Number of expected recipients beyond `found`: they are missed if the search ends here."""
        return max(0, (self.expected or 0) - found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Recipients, fixed; see `ChunkMessage` for the fields."""

    chunk_id: ChunkId
    recipients: Recipients
    young: Bitmap
    young_until: int

    @property
    def size(self) -> int:
        """Number of recipients."""
        return sum(map(len, self.recipients.values()))


def end_of_source(number: int, chunks: int) -> Chunk:
    """The chunk without recipients that is fixed behind a source's last one, so that no further one can be."""
    return Chunk(chunk_id=ChunkId(f"{number}.{chunks}"), recipients={}, young=0, young_until=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Outcomes of a chunk's connections in one attempt, by the account that tried; the rest is still to come.

    `expired` says that some failed because the broadcast's lifetime was over.
    """

    broadcast_id: BroadcastId
    chunk_id: ChunkId
    size: int
    account: str
    delivered: Bitmap
    gone: Bitmap
    failed: Bitmap
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The union of a chunk's outcomes, delivered over gone over failed.

    Applying an outcome twice, late, or in another order gives the same tally, but for `by_account` when two accounts
    delivered to the same connection: the first one settled is given the credit.
    """

    size: int
    delivered: Bitmap = 0
    gone: Bitmap = 0
    failed: Bitmap = 0
    by_account: Mapping[str, int] = field(default_factory=dict)
    settled_at: int = 0

    def after(self, outcome: Outcomes, now: int) -> "Tally":
        """The tally with the outcome in it, settled at `now` (epoch milliseconds); itself if that changes nothing."""
        delivered = self.delivered | outcome.delivered
        gone = (self.gone | outcome.gone) & ~delivered
        failed = (self.failed | outcome.failed) & ~delivered & ~gone
        if (delivered, gone, failed) == (self.delivered, self.gone, self.failed):
            return self
        by_account = dict(self.by_account)
        if news := (delivered & ~self.delivered).bit_count():
            by_account[outcome.account] = by_account.get(outcome.account, 0) + news
        return replace(
            self,
            delivered=delivered,
            gone=gone,
            failed=failed,
            by_account=by_account,
            settled_at=max(now, self.settled_at),
        )


@dataclass(frozen=True, slots=True)
class TallyKey:
    """Names a tally among those of all broadcasts."""

    broadcast_id: BroadcastId
    chunk_id: ChunkId

"""The rows of a broadcast: its fixed parts, and the outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from loudhailer.broadcast.audience import Audience
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.scope import Scope
from loudhailer.history.model import Position
from loudhailer.ids import BroadcastId, CellName, ChunkId

KEPT_SECONDS = 7 * 24 * 3600
"""Seconds for which a broadcast's report can be read."""

SUMMARY_KEPT_SECONDS = 2 * KEPT_SECONDS
"""Seconds for which the summary is kept. DynamoDB deletes expired rows within days, in any order. While other rows of a
broadcast may still exist, its id must not be used for another one.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html"""


class Priority(StrEnum):
    """The kind of lanes that a message's posts use; messages omit it if it is normal."""

    NORMAL = "normal"
    LOW = "low"
    """A client's message to a large room: its lanes have lower priority than those of broadcasts.

    Tenants share those lanes and their queues: a tenant that sends more than others must not delay them.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The head of a broadcast.

    Attributes:
        broadcast_id: the broadcast's id.
        audience: the recipients.
        content_hash: SHA-256, in hex, of audience and message: the same id with another hash is another broadcast.
        published_at: epoch milliseconds.
        announced: the topic has taken it.
        cancelled: it is not sent any more.
        expired: its lifetime ended before it was sent to everyone.
        cut_short: it ended before all recipients were found.
        sources: number of its sources; None until all are fixed.
        expected: number of recipients according to the counts; None if there are no counts, or not yet.
        missed: number of these that are in no source, because the broadcast ended before all were planned.
        swarmed_at: epoch milliseconds; when its sources were complete.
        express: its recipients were fixed with it, in one chunk, which goes to the express lanes.
        cells: the further cells that may have recipients, each with their number by the last counts, or None without
            counts; None as a whole if the hub has the only cell.
        ends_at: epoch seconds; after this the broadcast is not sent any more. Recorded if there are further cells, or
            if the publisher chose it.
        has_deadline: the publisher chose `ends_at`; it stays the same however often the request is repeated.
        position: its place among the messages of its channel, if that has history, once it is noted.
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
    express: bool = False
    cells: Mapping[CellName, int | None] | None = None
    ends_at: int | None = None
    has_deadline: bool = False
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A part of the audience whose recipients one `query` finds.

    Attributes:
        number: from 0, without gaps.
        scope: the partitions, room, player or session.
        expected: recipients according to the counts; None if there is no count.
        dispatched: recipients found; None until all of its chunks have been sent.
        missed: recipients according to the counts that were not searched, because the broadcast ended or the source
            failed before.
        queried_at: epoch milliseconds; time at which the search ended.
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
    """The fixed recipients of a chunk; see `ChunkMessage` for the fields."""

    chunk_id: ChunkId
    recipients: Recipients
    young: Bitmap
    young_until: int

    @property
    def size(self) -> int:
        """Number of recipients."""
        return sum(map(len, self.recipients.values()))


def end_of_source(number: int, chunks: int) -> Chunk:
    """The chunk without recipients that is fixed after a source's last one, so that no further chunk can be fixed."""
    return Chunk(chunk_id=ChunkId(f"{number}.{chunks}"), recipients={}, young=0, young_until=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Outcomes of a chunk's connections in one attempt, and the account that made it; the others are still to come.

    `expired` says that some failed because the broadcast's lifetime ended.
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
    """The union of a chunk's outcomes; delivered overrides gone, and gone overrides failed.

    Applying an outcome twice, late, or in another order gives the same tally. Only `by_account` may differ, if two
    accounts delivered to the same connection: the outcome that is settled first counts.
    """

    size: int
    delivered: Bitmap = 0
    gone: Bitmap = 0
    failed: Bitmap = 0
    by_account: Mapping[str, int] = field(default_factory=dict)
    settled_at: int = 0

    def after(self, outcome: Outcomes, now: int) -> "Tally":
        """Return the tally with the outcome, settled at `now` (epoch milliseconds); itself if nothing changes."""
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
    """The key of a tally among those of all broadcasts."""

    broadcast_id: BroadcastId
    chunk_id: ChunkId

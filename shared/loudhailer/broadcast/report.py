"""The report of a broadcast: the sum of its rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loudhailer.broadcast.model import Source, Summary, Tally
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.ids import BroadcastId, CellName

type ReportStatus = Literal["accepted", "delivering", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Numbers of a broadcast's recipients; `dispatched == delivered + gone + failed + in_flight` at every moment.

    Attributes:
        status: `accepted` until its sources are fixed, `finished` once every recipient has an outcome.
        expected: recipients according to the counts; None if there is no count.
        dispatched: recipients found so far, and expected recipients that were not found before the broadcast ended.
        delivered: connections whose frame API Gateway accepted.
        gone: connections that were closed.
        failed: recipients that were given up, including expected recipients that were not found.
        published_at: epoch milliseconds.
        finished_at: epoch milliseconds, or None.
        by_account: delivered, by the AWS account that posted.
        cancelled: an operator has ended it; recipients that it had not reached have failed.
        expired: its lifetime ended before it was sent to everyone; the other recipients have failed.
        by_cell: the part of each cell, if the broadcast is for further ones; the numbers are the sums of theirs.
        waiting_for: the further cells that have neither finished nor been silent for too long.
        silent: the further cells that have not reported their end in time; their recipients have failed.
    """

    status: ReportStatus
    expected: int | None
    dispatched: int
    delivered: int
    gone: int
    failed: int
    published_at: int
    finished_at: int | None
    by_account: Mapping[str, int]
    cancelled: bool = False
    expired: bool = False
    by_cell: Mapping[CellName, "Report"] = field(default_factory=dict)
    waiting_for: tuple[CellName, ...] = ()
    silent: tuple[CellName, ...] = ()

    @property
    def in_flight(self) -> int:
        """Recipients without an outcome yet."""
        return self.dispatched - self.delivered - self.gone - self.failed

    def to_wire(self) -> dict[str, Any]:
        """Return the body of `GET /broadcast/{id}`; it has fields about cells only if there are further cells."""
        wire: dict[str, Any] = {
            "status": self.status,
            "expected": self.expected,
            "dispatched": self.dispatched,
            "delivered": self.delivered,
            "gone": self.gone,
            "failed": self.failed,
            "inFlight": self.in_flight,
            "publishedAt": self.published_at,
            "finishedAt": self.finished_at,
            "byAccount": dict(self.by_account),
            "cancelled": self.cancelled,
            "expired": self.expired,
        }
        if self.by_cell:
            wire["byCell"] = {cell: report.to_wire() for cell, report in self.by_cell.items()}
            wire["waitingFor"] = list(self.waiting_for)
            wire["silent"] = list(self.silent)
        return wire

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> "Report":
        """Read a report from a body that `to_wire` made."""
        return Report(
            status=wire["status"],
            expected=wire["expected"],
            dispatched=wire["dispatched"],
            delivered=wire["delivered"],
            gone=wire["gone"],
            failed=wire["failed"],
            published_at=wire["publishedAt"],
            finished_at=wire["finishedAt"],
            by_account=wire["byAccount"],
            cancelled=wire["cancelled"],
            expired=wire["expired"],
            by_cell={CellName(cell): Report.from_wire(report) for cell, report in wire.get("byCell", {}).items()},
            waiting_for=tuple(wire.get("waitingFor", ())),
            silent=tuple(wire.get("silent", ())),
        )


def summed(broadcasts: BroadcastStore, broadcast_id: BroadcastId) -> tuple[Summary, Report] | None:
    """Return the summary of a broadcast and the sum of this cell's rows; None if there is no such broadcast."""
    tallies = broadcasts.tallies(broadcast_id)
    summary = broadcasts.summary(broadcast_id)
    if summary is None:
        return None
    sources = broadcasts.sources(broadcast_id)[: summary.sources]
    dispatched = sum(
        sum(broadcasts.chunk_sizes(broadcast_id, source.number)) if source.dispatched is None else source.dispatched
        for source in sources
    )
    return summary, summarise(summary, sources, dispatched, tallies)


def summarise(summary: Summary, sources: Iterable[Source], dispatched: int, tallies: Iterable[Tally]) -> Report:
    """Sum up the rows; `dispatched` is the number of recipients of all fixed chunks.

    Read the tallies before the chunks: a chunk is fixed before it has an outcome, so every recipient with an outcome is
    counted.
    """
    sources, tallies = list(sources), list(tallies)
    delivered = sum(tally.delivered.bit_count() for tally in tallies)
    gone = sum(tally.gone.bit_count() for tally in tallies)
    missed = summary.missed + sum(source.missed for source in sources)
    dispatched += missed
    failed = missed + sum(tally.failed.bit_count() for tally in tallies)
    by_account: Counter[str] = Counter()
    for tally in tallies:
        by_account.update(tally.by_account)
    queried = summary.sources == len(sources) and all(source.dispatched is not None for source in sources)
    finished = queried and dispatched == delivered + gone + failed
    ends = [summary.swarmed_at, *(source.queried_at for source in sources), *(tally.settled_at for tally in tallies)]
    return Report(
        status="finished" if finished else "accepted" if summary.sources is None else "delivering",
        expected=summary.expected,
        dispatched=dispatched,
        delivered=delivered,
        gone=gone,
        failed=failed,
        published_at=summary.published_at,
        finished_at=max(end for end in ends if end is not None) if finished else None,
        by_account=by_account,
        cancelled=summary.cancelled,
        expired=summary.expired,
    )

"""The report of a broadcast over several cells: the sum of the hub's rows and the snapshots of the further cells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.report import Report, summed
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.ids import HUB, BroadcastId, CellName


def report_over_cells(
    broadcasts: BroadcastStore, snapshots: SnapshotStore, broadcast_id: BroadcastId, *, now: float, grace: int
) -> Report | None:
    """Return the report of a broadcast with the parts of its further cells, if it has some; see `combined`.

    None if there is no such broadcast.
    """
    found = summed(broadcasts, broadcast_id)
    if found is None:
        return None
    summary, own = found
    reported = snapshots.of(broadcast_id, summary.cells) if summary.cells else {}
    return combined(summary, own, reported, now, grace)


def combined(summary: Summary, own: Report, snapshots: Mapping[CellName, Report], now: float, grace: int) -> Report:
    """Return the report of a broadcast over the hub's cell and the further cells that its summary names.

    A further cell that has not finished `grace` seconds after the broadcast's end is silent: its recipients without an
    outcome have failed, unless a later snapshot has one. Without further cells, it is `own`.

    Args:
        summary: the broadcast's summary at the hub.
        own: the report of the hub's own rows.
        snapshots: the last report of each cell that has sent one.
        now: epoch seconds.
        grace: seconds in which an outcome may still come after a broadcast's end.
    """
    if summary.cells is None:
        return own
    # No cell can know of a broadcast that the topic has not taken yet.
    is_taken = summary.announced or own.status != "accepted"
    silent_from = (summary.ends_at or 0) + grace
    parts = {HUB: own}
    waiting_for: list[CellName] = []
    silent: list[CellName] = []
    for cell, expected in sorted(summary.cells.items()):
        part = snapshots.get(cell) or _nothing_of(summary)
        if part.status == "finished":
            parts[cell] = part
            continue
        part = replace(part, expected=expected if part.expected is None else part.expected)
        if now < silent_from or not is_taken:
            parts[cell] = part
            waiting_for.append(cell)
        else:
            parts[cell] = _given_up(part, silent_from)
            silent.append(cell)
    return _sum(summary, parts, waiting_for=tuple(waiting_for), silent=tuple(silent))


def _nothing_of(summary: Summary) -> Report:
    """Return the part of a cell that has sent no snapshot yet."""
    return Report(
        status="accepted",
        expected=None,
        dispatched=0,
        delivered=0,
        gone=0,
        failed=0,
        published_at=summary.published_at,
        finished_at=None,
        by_account={},
    )


def _given_up(part: Report, at: int) -> Report:
    """Return the part of a silent cell: its recipients without an outcome, found or only expected, have failed."""
    dispatched = max(part.dispatched, part.expected or 0)
    return replace(
        part,
        status="finished",
        dispatched=dispatched,
        failed=dispatched - part.delivered - part.gone,
        finished_at=at * 1000,
    )


def _sum(
    summary: Summary,
    parts: Mapping[CellName, Report],
    *,
    waiting_for: tuple[CellName, ...],
    silent: tuple[CellName, ...],
) -> Report:
    reports = list(parts.values())
    counted = [part.expected for part in reports if part.expected is not None]
    states = {part.status for part in reports}
    ends = [part.finished_at for part in reports if part.finished_at is not None]
    by_account: Counter[str] = Counter()
    for part in reports:
        by_account.update(part.by_account)
    return Report(
        status=reports[0].status if len(states) == 1 else "delivering",
        expected=sum(counted) if len(counted) == len(reports) else None,
        dispatched=sum(part.dispatched for part in reports),
        delivered=sum(part.delivered for part in reports),
        gone=sum(part.gone for part in reports),
        failed=sum(part.failed for part in reports),
        published_at=summary.published_at,
        finished_at=max(ends) if states == {"finished"} else None,
        by_account=by_account,
        cancelled=any(part.cancelled for part in reports),
        expired=any(part.expired for part in reports),
        by_cell=parts,
        waiting_for=waiting_for,
        silent=silent,
    )

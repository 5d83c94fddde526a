"""Report a further cell's part of a broadcast to the hub when its rows have changed.

Delivery is at least once, and batches of different shards come side by side. A version is taken before the rows are
read. So the report with the highest version contains every row of earlier records, and the hub keeps that report.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.report import summed
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.ids import BroadcastId, CellName
from loudhailer.observability import count, logger
from loudhailer.streams.records import StreamRecord, batch_response, parsed


class ReportToHub:
    """Reports each broadcast whose rows have changed to the hub, once a batch."""

    def __init__(
        self, broadcasts: BroadcastStore, snapshots: SnapshotStore, *, cell: CellName, clock: Callable[[], float]
    ) -> None:
        self._broadcasts = broadcasts
        self._snapshots = snapshots
        self._cell = cell
        self._clock = clock

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Handle one batch of the stream; the answer names the first record whose broadcast is not reported yet."""
        first: dict[BroadcastId, StreamRecord] = {}
        for broadcast_id, record in parsed(event["Records"], _changed):
            first.setdefault(broadcast_id, record)
        failed: list[StreamRecord] = []
        for broadcast_id, record in first.items():
            try:
                with logger.append_context_keys(broadcast_id=broadcast_id):
                    self._report(broadcast_id)
            except Exception:  # noqa: BLE001  # whatever it is, the other broadcasts are reported
                count("SnapshotFailed")
                logger.exception("the report could not be sent to the hub", broadcast_id=broadcast_id)
                failed.append(record)
        return batch_response(min(failed, key=lambda record: record.order).sequence_number if failed else None)

    def _report(self, broadcast_id: BroadcastId) -> None:
        version = self._broadcasts.take_version(broadcast_id, int(self._clock() * 1000))
        found = summed(self._broadcasts, broadcast_id)
        if found is None:
            return
        summary, report = found
        if summary.ends_at is None:
            # A message to one of the cell's own rooms: the hub has no broadcast of that id.
            return
        if self._snapshots.put(broadcast_id, self._cell, version, report):
            count("SnapshotSent")
            logger.info("the hub has the report", status=report.status, delivered=report.delivered)
        else:
            count("SnapshotSuperseded")
            logger.info("the hub has a later report")


def _changed(record: StreamRecord) -> tuple[BroadcastId, StreamRecord] | None:
    """Return the broadcast whose row was put or changed; None for a row that has expired."""
    if record.event == "REMOVE":
        return None
    return BroadcastId(record.keys["broadcastId"]["S"].partition("#")[0]), record

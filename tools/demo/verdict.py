"""Tables of the demonstration's results, and the verdict."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from loudhailer.broadcast.report import Report
from loudhailer.ids import HUB, CellName
from tools.operations.census import TenantCount


@dataclass(frozen=True)
class BroadcastResult:
    """One broadcast, as the sockets saw it and as the service reports it.

    Attributes:
        audience: its audience, in words.
        expected: sockets that must receive it.
        received: sockets that did, of those.
        duplicates: frames beyond each socket's first; allowed, as delivery is at least once.
        strays: sockets that received it though it was not for them.
        latencies: milliseconds from publishing to each socket's first frame.
        report: what `GET /broadcast/{id}` says.
        by_cell: sockets that must receive it and have not moved, by the cell that they are connected to.
        moved: sockets that have moved, and may receive it on both of their cells.
    """

    audience: str
    expected: int
    received: int
    duplicates: int
    strays: int
    latencies: Sequence[float]
    report: Report
    by_cell: Mapping[CellName, int] = field(default_factory=dict)
    moved: int = 0

    @property
    def reported_by_cell(self) -> Mapping[CellName, Report]:
        """The part of each cell in the report; of a deployment with one cell, that is the whole."""
        return self.report.by_cell or {HUB: self.report}

    @property
    def lost(self) -> int:
        """Sockets that must have received it and did not."""
        return self.expected - self.received

    @property
    def faults(self) -> list[str]:
        """Faults, in sentences."""
        faults = []
        if self.lost:
            faults.append(f"The broadcast to {self.audience} lost {self.lost} of {self.expected} frames.")
        if self.strays:
            faults.append(f"The broadcast to {self.audience} reached {self.strays} sockets it was not for.")
        report = self.report
        if report.status != "finished":
            faults.append(f"The report of the broadcast to {self.audience} is {report.status}, not finished.")
        if not self.expected <= report.delivered <= report.dispatched <= self.expected + self.moved:
            faults.append(
                f"The report of the broadcast to {self.audience} says {report.dispatched} dispatched and "
                f"{report.delivered} delivered of {self._and_moved(self.expected)}."
            )
        reported = {cell: part.delivered for cell, part in self.reported_by_cell.items()}
        faults += [
            f"The report of the broadcast to {self.audience} says {reported.get(cell, 0)} delivered by {cell}, "
            f"not {self._and_moved(sockets)}."
            for cell, sockets in self.by_cell.items()
            if not sockets <= reported.get(cell, 0) <= sockets + self.moved
        ]
        return faults

    def _and_moved(self, sockets: int) -> str:
        return f"{sockets} to {sockets + self.moved}" if self.moved else str(sockets)


@dataclass(frozen=True)
class CountResult:
    """A tenant's counts against the sockets that are really open."""

    moment: str
    sockets: int
    count: TenantCount

    @property
    def faults(self) -> list[str]:
        """Faults, in sentences."""
        if self.count.agrees_with(self.sockets):
            return []
        count = self.count
        fault = (
            f"{self.moment.capitalize()}, tenant {count.tenant} has {self.sockets} sockets, but {count.rows} rows, "
            f"{count.counted} counted and {count.reserved} reserved."
        )
        return [fault]


def faults_of_cells(cells: Iterable[CellName], used: Collection[CellName]) -> list[str]:
    """One sentence for each cell that got no socket: nothing was shown of it."""
    return [
        f"The cell {cell} got no socket. Of a few, that may be chance: try more with --sockets."
        for cell in cells
        if cell not in used
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank); NaN for no values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def broadcast_table(results: Sequence[BroadcastResult]) -> Table:
    """One row a broadcast."""
    table = Table(title="Broadcasts", title_justify="left")
    table.add_column("to")
    for column in ("expected", "received", "duplicates", "lost", "stray", "p50 ms", "p99 ms", "last ms", "reported"):
        table.add_column(column, justify="right")
    for result in results:
        numbers = (result.expected, result.received, result.duplicates, result.lost, result.strays)
        times = (percentile(result.latencies, share) for share in (0.5, 0.99, 1))
        reported = f"{result.report.delivered} {result.report.status}"
        table.add_row(
            result.audience,
            *map(str, numbers),
            *(f"{time:.0f}" for time in times),
            reported,
            style=_style(result.faults),
        )
    return table


def cell_table(results: Sequence[BroadcastResult]) -> Table:
    """One row a cell and broadcast."""
    table = Table(title="The same by cell", title_justify="left")
    table.add_column("to")
    table.add_column("cell")
    for column in ("sockets", "delivered", "gone", "failed", "reported"):
        table.add_column(column, justify="right")
    for result in results:
        for cell, part in result.reported_by_cell.items():
            numbers = (result.by_cell.get(cell, 0), part.delivered, part.gone, part.failed)
            table.add_row(result.audience, cell, *map(str, numbers), part.status, style=_style(result.faults))
    return table


def count_table(results: Sequence[CountResult]) -> Table:
    """One row a tenant and moment."""
    table = Table(title="Counts against the truth", title_justify="left")
    table.add_column("when")
    table.add_column("tenant")
    for column in ("sockets", "rows", "counted", "tenant total", "partitions"):
        table.add_column(column, justify="right")
    for result in results:
        count = result.count
        numbers = (result.sockets, count.rows, count.counted, count.reserved, count.partitions)
        table.add_row(result.moment, count.tenant, *map(str, numbers), style=_style(result.faults))
    return table


def _style(faults: list[str]) -> str:
    return "red" if faults else ""

"""The demonstration itself: sockets come, three broadcasts go out, half the sockets leave, and all is counted."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from loudhailer.broadcast.audience import Audience, to_wire
from loudhailer.broadcast.report import Report
from loudhailer.ids import CellName
from tools.client.crowd import Crowd, Reception
from tools.client.http import HttpApi
from tools.client.socket import Departure, Refusal, socket_url
from tools.console import Terminal
from tools.demo.scenario import Scenario, Seat, occupied
from tools.demo.verdict import BroadcastResult, CountResult, faults_of_cells
from tools.errors import OperatorError
from tools.operations.broadcasts import described
from tools.operations.cells import copy_tenants_now
from tools.operations.census import count_tenant
from tools.operations.tenants import keyed
from tools.stack.deployment import Deployment

_CONCURRENT_HANDSHAKES = 40
_COUNTS_TIMEOUT_SECONDS = 60.0
_FRAMES_TIMEOUT_SECONDS = 30.0
_REPORT_TIMEOUT_SECONDS = 30.0
_CELLS_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_DUPLICATES_WAIT_SECONDS = 2.0
"""Seconds after the last broadcast in which a late duplicate still would be counted."""


@dataclass(frozen=True)
class SentBroadcast:
    """A broadcast that was sent: its audience and its final report.

    Attributes:
        cells: where each recipient was that had not moved until the report.
    """

    broadcast_id: str
    audience: str
    recipients: set[int]
    report: Report
    cells: dict[int, CellName]


@dataclass
class Performance:
    """One run of a scenario against a deployment.

    Attributes:
        scenario: the cast.
        deployment: the system.
        terminal: where progress is shown.
        api: the HTTP API.
        crowd: the sockets; they move if a cell is drained meanwhile.
        cell_of: the cell that the service has placed each socket on last, by the socket's number.
        used: the cells that the service has placed a socket on.
        sent: the broadcasts until now.
        counts: the counts until now.
    """

    scenario: Scenario
    deployment: Deployment
    terminal: Terminal
    api: HttpApi = field(init=False)
    crowd: Crowd = field(init=False)
    cell_of: dict[int, CellName] = field(default_factory=dict)
    used: set[CellName] = field(default_factory=set)
    sent: list[SentBroadcast] = field(default_factory=list)
    counts: list[CountResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the crowd, whose members ask for their sessions again when they move."""
        self.api = self.deployment.http_api()
        self.crowd = Crowd(self._url_of)

    async def run(self) -> None:
        """Run it from the first connection to the last count."""
        async with self.api:
            try:
                await self._arrive()
                await self._count("all connected", self.scenario.seats)
                for audience in self.scenario.audiences:
                    await self._broadcast(audience)
                await asyncio.sleep(_DUPLICATES_WAIT_SECONDS)
                await self._half_leaves()
            finally:
                await self.crowd.leave(self.crowd.members.values())

    @property
    def broadcasts(self) -> list[BroadcastResult]:
        """Reception of each broadcast by the sockets until now."""
        return [self._result(sent, self.crowd.reception(sent.broadcast_id)) for sent in self.sent]

    @property
    def faults(self) -> list[str]:
        """Everything that is not as it must be."""
        results: list[BroadcastResult | CountResult] = [*self.broadcasts, *self.counts]
        faults = [fault for result in results for fault in result.faults]
        return faults_of_cells(self.deployment.all_cells, self.used) + faults

    async def _url_of(self, number: int) -> str:
        """Ask for the session of a seat, and return the URL that its socket connects to."""
        seat = self.scenario.seats[number]
        base = await self.api.open_session(seat.tenant, seat.session)
        return self._connect_url(seat, base)

    def _connect_url(self, seat: Seat, base: str) -> str:
        cells = {cell.websocket_url: name for name, cell in self.deployment.all_cells.items()}
        self.cell_of[seat.number] = cells[base]
        self.used.add(cells[base])
        return socket_url(base, tenantId=seat.tenant, sessionId=seat.session)

    async def _arrive(self) -> None:
        tenants = self.deployment.tenants
        for tenant in self.scenario.tenants:
            await asyncio.to_thread(tenants.put, keyed(tenant))
        await asyncio.to_thread(copy_tenants_now, self.deployment, _CELLS_TIMEOUT_SECONDS)
        bases = {key: await self.api.open_session(*key) for key in self.scenario.sessions}
        seats = self.scenario.seats
        urls = [self._connect_url(seat, bases[seat.tenant, seat.session]) for seat in seats]
        with self.terminal.bar(f"Connecting {len(seats)} sockets", len(seats)) as bar:
            answers = await self.crowd.connect(urls, _CONCURRENT_HANDSHAKES, lambda done: bar.update(done, len(seats)))
        if refusals := [answer for answer in answers if isinstance(answer, Refusal)]:
            first = refusals[0]
            raise OperatorError(
                f"{len(refusals)} of {len(seats)} sockets were refused, the first with {first.status} {first.reason}.",
                "Run with --keep, then look at `loudhailer --stack demo logs`.",
            )

    async def _broadcast(self, audience: Audience) -> None:
        recipients = self.scenario.recipients(audience)
        name = described(audience)
        with self.terminal.bar(f"Broadcasting to {name}", len(recipients)) as bar:
            broadcast_id = await self.api.publish(to_wire(audience), {"text": "Hello out there!"})
            await self.crowd.arrived(
                broadcast_id, recipients, _FRAMES_TIMEOUT_SECONDS, lambda done: bar.update(done, len(recipients))
            )
            report = await self.api.finished_report(broadcast_id, _REPORT_TIMEOUT_SECONDS)
        cells = {number: self.cell_of[number] for number in recipients - self.crowd.moved}
        self.sent.append(SentBroadcast(broadcast_id, name, recipients, report, cells))

    async def _half_leaves(self) -> None:
        departures = self.scenario.departures
        resets = sum(manner is Departure.RESET for manner in departures.values())
        with self.terminal.step(f"{len(departures)} sockets leave, {resets} of them without a close frame"):
            for manner in Departure:
                leaving = [number for number, chosen in departures.items() if chosen is manner]
                await self.crowd.leave((self.crowd.members[number] for number in leaving), manner)
        await self._count("half left", [seat for seat in self.scenario.seats if seat.number not in departures])

    async def _count(self, moment: str, seats: Sequence[Seat]) -> None:
        """Wait until the counts are exact; after the time limit, they are used as they are."""
        truth = occupied(seats)
        deadline = time.monotonic() + _COUNTS_TIMEOUT_SECONDS
        with self.terminal.bar(f"Waiting for the counts, {moment}", len(seats)) as bar:
            while True:
                counts = [await asyncio.to_thread(count_tenant, self.deployment, tenant) for tenant in truth]
                off = sum(abs(count.counted - truth[count.tenant]) for count in counts)
                bar.update(max(0, len(seats) - off), len(seats))
                results = [CountResult(moment, truth[count.tenant], count) for count in counts]
                if not any(result.faults for result in results) or time.monotonic() > deadline:
                    break
                await asyncio.sleep(_POLL_SECONDS)
        self.counts.extend(results)

    def _result(self, sent: SentBroadcast, reception: Reception) -> BroadcastResult:
        return BroadcastResult(
            audience=sent.audience,
            expected=len(sent.recipients),
            received=len(sent.recipients) - len(reception.missing(sent.recipients)),
            duplicates=reception.duplicates,
            strays=len(reception.strays(sent.recipients)),
            latencies=reception.latencies,
            report=sent.report,
            by_cell=Counter(sent.cells.values()),
            moved=len(sent.recipients) - len(sent.cells),
        )

"""Benchmark 16: a broadcast to a crowd on one cell, and to the same crowd over three."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop

from loudhailer.broadcast.audience import OfTenant, to_wire
from loudhailer.ids import HUB, CellName, TenantId
from tests.bench.local_stack import PARTITION_SIZE, RunningStack, running_stack, seeded_connections
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, median, median_ratio, number, times
from tests.bench.visitors import put_tenant
from tests.support.orders import signed_by_root
from tools.client.crowd import Crowd
from tools.client.http import HttpApi
from tools.client.socket import Refusal
from tools.operations.cells import await_tenants
from tools.stack.cells import CELL_ACCOUNTS, cell_variables

QUOTA, SOCKETS = 1_000, 6_000
CELLS = (HUB, *map(CellName, CELL_ACCOUNTS))
TIMES_OF_ONE_CELL = 0.4

_METHOD = """\
A local stack with three cells in three accounts, each with a gateway stand-in that grants {quota:,} posts a second and
a bucket of {burst:,}. {sockets:,} seeded sockets of one tenant are on the hub's cell, as many of another tenant are
spread over all three; broadcasts to the two alternate. Shown is the time from the frame's `publishedAt` until the last
socket has it. The floor is the recipients of a cell over its quota."""

_ROUNDS = 3
_MESSAGE = {"text": "x" * 400}
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 3.0


@dataclass(slots=True)
class _Race:
    """The crowds, and the seconds of each broadcast to them, by the number of cells."""

    running: RunningStack
    sockets: int
    progressed: ReportProgress
    crowd: Crowd = field(default_factory=Crowd)
    gateways: dict[CellName, HttpApi] = field(default_factory=dict)
    seats: dict[int, range] = field(default_factory=dict)
    seconds: dict[int, list[float]] = field(default_factory=lambda: {1: [], len(CELLS): []})

    async def run(self) -> None:
        async with AsyncExitStack() as held, HttpApi(self.running.deployment.http_url) as api:
            sign = signed_by_root(self.running.state.secret)
            for cell in CELLS:
                self.running.restart_gateway(cell, rate=QUOTA, burst=QUOTA // 2)
                gateway = await held.enter_async_context(HttpApi(self.running.gateway_url_of(cell), sign))
                await gateway.call("POST", "/_gateway/faults", document={"skip_connect": True, "drop_disconnect": 1.0})
                self.gateways[cell] = gateway
            for cells in self.seconds:
                await self._seed(CELLS[:cells])
            for cells in self.seconds:
                await self._broadcast(api, cells)
            for turn in range(_ROUNDS):
                self.progressed(turn, _ROUNDS, "broadcasts to one cell, and to three")
                for cells, seconds in self.seconds.items():
                    seconds.append(await self._broadcast(api, cells))

    async def _seed(self, cells: tuple[CellName, ...]) -> None:
        """A tenant with open sockets on these cells, whose rows are written in bulk and counted by their stream."""
        self.progressed(0, _ROUNDS, f"{self.sockets:,} sockets on {len(cells)} cells")
        tenant = put_tenant(self.running, f"on-{len(cells)}")
        deployment = self.running.deployment
        await asyncio.to_thread(await_tenants, deployment, _PATIENCE_SECONDS)
        first = len(self.crowd.members)
        for cell in cells:
            if cell != HUB and deployment.placements is not None:
                await asyncio.to_thread(deployment.placements.add_cell, tenant, cell, int(time.time()))
            before = await self._open(cell)
            url = deployment.all_cells[cell].websocket_url
            answers = await self.crowd.connect([url] * (self.sockets // len(cells)), concurrency=100)
            if refused := [answer for answer in answers if isinstance(answer, Refusal)]:
                raise BenchmarkError(f"{len(refused)} sockets were refused: {refused[0]}")
            ids = sorted(await self._open(cell) - before)
            await self.running.seed(seeded_connections(tenant, ids), cell)
        for cell in cells:
            await self._counted(tenant, cell, self.sockets // len(cells))
        self.seats[len(cells)] = range(first, len(self.crowd.members))

    async def _open(self, cell: CellName) -> set[str]:
        return set((await self.gateways[cell].call("GET", "/_gateway/connections"))["connection_ids"])

    async def _counted(self, tenant: TenantId, cell: CellName, size: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        partitions = self.running.deployment.all_cells[cell].partitions
        while (counted := sum(each.count for each in await asyncio.to_thread(partitions.of, tenant))) != size:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{counted} of {size} connections were counted in {_PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(0.5)

    async def _broadcast(self, api: HttpApi, cells: int) -> float:
        await asyncio.sleep(_PAUSE_SECONDS)
        broadcast_id = await api.publish(to_wire(OfTenant(TenantId(f"on-{cells}"))), _MESSAGE)
        if not await self.crowd.arrived(broadcast_id, self.seats[cells], _PATIENCE_SECONDS):
            missing = self.crowd.reception(broadcast_id).missing(self.seats[cells])
            raise BenchmarkError(f"{len(missing)} of {self.sockets} sockets did not get a broadcast")
        return max(self.crowd.reception(broadcast_id).latencies) / 1000


def measure(progressed: ReportProgress, *, sockets: int = SOCKETS) -> Section:
    """Bring a stack up, measure, take it down."""
    progressed(0, _ROUNDS, "a local stack with three cells comes up; that takes three minutes")
    variables = {
        **cell_variables(len(CELLS)),
        "quota": {"posts_per_second": QUOTA, "burst": QUOTA // 2},
        "connections": {"connections_per_partition": PARTITION_SIZE},
    }
    with running_stack(**variables) as running:
        race = _Race(running, sockets, progressed)
        uvloop.run(race.run())
    progressed(_ROUNDS, _ROUNDS, "")
    return _section(race)


def _section(race: _Race) -> Section:
    def row(cells: int) -> tuple[str, ...]:
        floor, seconds = race.sockets / cells / QUOTA, race.seconds[cells]
        last = median(seconds)
        return f"{race.sockets:,} on {cells}", number(last), number(floor), times(last / floor), str(len(seconds))

    return Section(
        title="Several cells",
        method=_METHOD.format(quota=QUOTA, burst=QUOTA // 2, sockets=race.sockets),
        tables=[
            ResultTable(
                "Seconds until the last socket has it",
                ("sockets and cells", "last", "floor", "last to floor", "broadcasts"),
                [row(cells) for cells in race.seconds],
            )
        ],
        targets=[
            at_most(
                f"{len(CELLS)} cells, to one",
                median_ratio(race.seconds[len(CELLS)], race.seconds[1]),
                TIMES_OF_ONE_CELL,
                times,
            )
        ],
    )

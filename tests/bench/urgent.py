"""Benchmark 14: small broadcasts beside large ones, and tenants who broadcast at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uvloop

from loudhailer.broadcast.audience import OfTenant, to_wire
from loudhailer.ids import TenantId
from tests.bench import lanes
from tests.bench.end_to_end import LARGE, TIMES_THE_FLOOR, Evening
from tests.bench.local_stack import PARTITION_SIZE, running_stack
from tests.bench.processes import BenchmarkError
from tests.bench.results import (
    ReportProgress,
    ResultTable,
    Section,
    at_most,
    median,
    median_ratio,
    number,
    percent,
    times,
)
from tests.support.orders import signed_by_root
from tools.client.http import HttpApi
from tools.demo.verdict import percentile

FEW, SOME = 10, 1_000

_METHOD = """\
The whole system on a local stack. Its gateway grants {quota:,} posts a second with a bucket of {burst:,}, half of
that, as AWS has it. There are {sockets:,} seeded sockets of three tenants, with {few}, {some:,} and {large:,}. A
broadcast's time is from the frame's `publishedAt` to its arrival at the last socket. Small broadcasts are sent one
after the other, in turn alone and while the large tenant broadcasts without a pause; and in turn on the short path and
on the long way (`bulk`). Then the tenants with {some:,} and {large:,} publish at the same moment, in turn with the
smaller one alone. At last nothing is broadcast for a minute, then some small ones; local workers do not end meanwhile,
as in AWS with `warm`. The first small one of all, before that, finds no worker. Each ratio is of rounds that follow
each other. The floor is the recipients over the quota."""

_ROUNDS, _SMALL_ONES, _TOGETHER, _MINUTES = 5, 20, 5, 3
_MESSAGE = {"text": "x" * 400}
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
_IDLE_SECONDS = 60.0
_AFTER_IDLE = 5
_ALIKE = 0.15


@dataclass(frozen=True, slots=True)
class _Sent:
    """A broadcast: the milliseconds until the last socket had it, and until then by its answer."""

    last: float
    estimated: float


@dataclass(slots=True)
class _Race(Evening):
    """The broadcasts that are compared, by their kind, in rounds."""

    rounds: dict[str, list[list[_Sent]]] = field(default_factory=dict)

    async def race(self) -> None:
        """Seed the crowds, then send."""
        async with (
            HttpApi(self.running.deployment.http_url) as api,
            HttpApi(self.running.gateway_url, signed_by_root(self.running.state.secret)) as gateway,
        ):
            self.running.restart_gateway(rate=self.quota, burst=self.quota // 2)
            await gateway.call("POST", "/_gateway/faults", document={"skip_connect": True, "drop_disconnect": 1.0})
            for size in (FEW, SOME, LARGE):
                await self._seed(gateway, size)
            self._note("first of all", [await self._send(api, FEW)])
            for size, priority in ((LARGE, None), (SOME, None), (FEW, None), (FEW, "bulk")):
                await self._send(api, size, priority)
            for turn in range(_ROUNDS):
                self.progressed(turn, _ROUNDS + _TOGETHER, "small broadcasts")
                await self._small_ones(api)
            for turn in range(_TOGETHER):
                self.progressed(_ROUNDS + turn, _ROUNDS + _TOGETHER, "two tenants at once")
                await self._two_tenants(api)
            for _ in range(_MINUTES):
                self.progressed(_ROUNDS + _TOGETHER, _ROUNDS + _TOGETHER, "a minute without any")
                await asyncio.sleep(_IDLE_SECONDS)
                first, *later = [await self._send(api, FEW) for _ in range(1 + _AFTER_IDLE)]
                self._note("after a minute", [first])
                self._note("after that", later)

    async def _small_ones(self, api: HttpApi) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        alternating = [await self._send(api, FEW, way) for _ in range(_SMALL_ONES) for way in (None, "bulk")]
        self._note("short path", alternating[::2])
        self._note("long way", alternating[1::2])
        self._note("alone", [await self._send(api, FEW) for _ in range(_SMALL_ONES)])
        async with self._large_ones(api):
            self._note("beside", [await self._send(api, FEW) for _ in range(_SMALL_ONES)])

    async def _two_tenants(self, api: HttpApi) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        self._note("smaller alone", [await self._send(api, SOME)])
        await asyncio.sleep(_PAUSE_SECONDS)
        self._note("larger alone", [await self._send(api, LARGE)])
        await asyncio.sleep(_PAUSE_SECONDS)
        larger, smaller = await asyncio.gather(self._send(api, LARGE), self._send(api, SOME))
        self._note("smaller together", [smaller])
        self._note("larger together", [larger])

    @asynccontextmanager
    async def _large_ones(self, api: HttpApi) -> AsyncIterator[None]:
        """Let the large tenant broadcast during the block, each time when the last one has arrived."""

        async def go_on() -> None:
            while True:
                await self._send(api, LARGE)

        broadcasting = asyncio.create_task(go_on())
        await asyncio.sleep(_PAUSE_SECONDS / 2)
        try:
            yield
        finally:
            broadcasting.cancel()
            with suppress(asyncio.CancelledError):
                await broadcasting

    def _note(self, kind: str, sent: list[_Sent]) -> None:
        self.rounds.setdefault(kind, []).append(sent)

    async def _send(self, api: HttpApi, size: int, priority: str | None = None) -> _Sent:
        audience = to_wire(OfTenant(TenantId(f"crowd-{size}")))
        accepted = await api.accepted(audience, _MESSAGE, priority=priority)
        broadcast_id = str(accepted["broadcastId"])
        if not await self.crowd.arrived(broadcast_id, self.seats[size], _PATIENCE_SECONDS):
            raise BenchmarkError(f"a broadcast to {size} did not arrive: {accepted}")
        last = max(self.crowd.reception(broadcast_id).latencies)
        return _Sent(last, accepted["estimatedSeconds"] * 1000)


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    progressed(0, _ROUNDS + _TOGETHER, "what the gateway can do")
    quota = lanes.affordable_quota()
    progressed(0, _ROUNDS + _TOGETHER, "a local stack comes up; that takes two minutes")
    variables = {
        "quota": {"posts_per_second": quota, "burst": quota // 2, "headroom": lanes.HEADROOM},
        "connections": {"connections_per_partition": PARTITION_SIZE},
    }
    with running_stack(**variables) as running:
        race = _Race(running, quota, progressed)
        uvloop.run(race.race())
    progressed(_ROUNDS + _TOGETHER, _ROUNDS + _TOGETHER, "")
    return _section(race)


def _section(race: _Race) -> Section:
    def lasts(kind: str) -> list[list[float]]:
        return [[one.last for one in of_round] for of_round in race.rounds[kind]]

    def by_round(kind: str, share: float) -> list[float]:
        return [percentile(of_round, share) for of_round in lasts(kind)]

    def row(name: str, kind: str, size: int) -> Sequence[str]:
        values = [one for of_round in lasts(kind) for one in of_round]
        return name, f"{size:,}", *(number(percentile(values, share)) for share in (0.5, 0.99)), str(len(values))

    def missed_by(kind: str) -> float:
        return median([abs(one.estimated - one.last) / one.last for each in race.rounds[kind] for one in each])

    return Section(
        title="Small broadcasts beside large ones",
        method=_METHOD.format(
            quota=race.quota,
            burst=race.quota // 2,
            sockets=FEW + SOME + LARGE,
            few=FEW,
            some=SOME,
            large=LARGE,
        ),
        tables=[
            ResultTable(
                "Milliseconds until the last socket has it",
                ("broadcast", "sockets", "p50", "p99", "broadcasts"),
                [
                    row("short path", "short path", FEW),
                    row("long way, in turn with it", "long way", FEW),
                    row("short path, first of all", "first of all", FEW),
                    row("short path, first after a minute", "after a minute", FEW),
                    row("short path, the next ones", "after that", FEW),
                    row("short path, alone", "alone", FEW),
                    row(f"short path, beside broadcasts to {LARGE:,}", "beside", FEW),
                    row("alone", "smaller alone", SOME),
                    row(f"together with one to {LARGE:,}", "smaller together", SOME),
                    row("alone", "larger alone", LARGE),
                    row(f"together with one to {SOME:,}", "larger together", LARGE),
                ],
            )
        ],
        targets=[
            at_most(
                "p99 of a small broadcast beside large ones, to alone",
                median_ratio(by_round("beside", 0.99), by_round("alone", 0.99)),
                2,
                times,
            ),
            at_most(
                "short path, to the long way",
                median_ratio(by_round("short path", 0.5), by_round("long way", 0.5)),
                0.5,
                times,
            ),
            at_most(
                "first after a minute, to the next ones",
                median_ratio(by_round("after a minute", 0.5), by_round("after that", 0.5)),
                3,
                times,
            ),
            at_most(
                f"{SOME:,} sockets alone, to the floor",
                median(by_round("smaller alone", 1)) / (SOME / race.quota * 1000),
                TIMES_THE_FLOOR,
                times,
            ),
            at_most(
                "the smaller of two tenants at once, to alone",
                median_ratio(by_round("smaller together", 1), by_round("smaller alone", 1)),
                3,
                times,
            ),
            at_most(f"error of `estimatedSeconds`, {SOME:,} sockets", missed_by("smaller alone"), _ALIKE, percent),
            at_most(f"error of `estimatedSeconds`, {LARGE:,} sockets", missed_by("larger alone"), _ALIKE, percent),
        ],
    )

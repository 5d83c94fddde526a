"""Benchmark 6: one broadcast through the whole system to ten thousand real sockets, and to a thousand."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import uvloop

from loudhailer.broadcast.audience import OfTenant, to_wire
from loudhailer.broadcast.report import Report
from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from tests.bench import lanes
from tests.bench.charts import cumulative
from tests.bench.local_stack import PARTITION_SIZE, RunningStack, running_stack, seeded_connections
from tests.bench.processes import BenchmarkError
from tests.bench.results import (
    Chart,
    ReportProgress,
    ResultTable,
    Section,
    at_most,
    median,
    microseconds,
    number,
    times,
)
from tests.bench.visitors import at_once
from tests.support.orders import signed_by_root
from tools.client.crowd import Crowd
from tools.client.http import HttpApi
from tools.client.socket import Refusal, Socket, open_socket, socket_url
from tools.demo.verdict import percentile

LARGE, SMALL = 10_000, 1_000
ON_THE_WAY = ("swarm", "query", "post_message", "settle")
MICROSECONDS_PER_DELIVERY = 60
TIMES_THE_FLOOR = 1.5

_METHOD = """\
The whole system on a local stack: the project's Terraform on the local AWS, its functions in worker processes, and
{seeded:,} real sockets on the gateway stand-in. It grants {quota:,} posts a second, with a bucket of {burst}: with
AWS's bucket of 5,000, a broadcast could end before its floor. {small:,} sockets belong to one tenant and {large:,} to
another; broadcasts to the two alternate. The sockets were seeded: the stand-in let them in unasked, and their rows
were written in bulk, {rows:,.0f} a second, and counted by `accounting` from the stream. Latency is from the frame's
`publishedAt` to its arrival at a socket; shown are medians over the broadcasts of each one's first, p50, p99 and last.
The floor is the recipients over the quota. CPU is that of the functions' worker processes, warm, without the local AWS
and the gateway. Real connects, which go through the authorizer and `connect` on at most four local workers each, are
listed separately."""

_BURST = 500
_BROADCASTS = {LARGE: 3, SMALL: 9}
_PARTITION_SIZE = 1_000
_SHARDS = {"count": 2, "concurrency": 2}
_REAL_CONNECTS, _CONNECTING_AT_ONCE, _SESSION_SIZE = 240, 40, 12
_MESSAGE = {"text": "x" * 400}
_PATIENCE_SECONDS = 120.0
_SETTLING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One broadcast: the frames that the sockets received, and its times."""

    latencies: Sequence[float]
    cpu: Mapping[str, float]
    duplicates: int
    report: Report

    @property
    def seconds_to_report(self) -> float:
        """From publishing to the last outcome that was settled."""
        return ((self.report.finished_at or 0) - self.report.published_at) / 1000


@dataclass(frozen=True, slots=True)
class Connects:
    """Handshakes through authorizer and `connect`."""

    seconds: float
    each: Sequence[float]


@dataclass(slots=True)
class Evening:
    """All that happens on the stack once it runs."""

    running: RunningStack
    quota: int
    progressed: ReportProgress
    crowd: Crowd = field(default_factory=Crowd)
    seats: dict[int, range] = field(default_factory=dict)
    broadcasts: dict[int, list[Broadcast]] = field(default_factory=lambda: {SMALL: [], LARGE: []})
    seeding_seconds: float = 0.0

    async def run(self) -> Connects:
        """Real connects, seeded crowds, broadcasts."""
        async with (
            HttpApi(self.running.deployment.http_url) as api,
            HttpApi(self.running.gateway_url, signed_by_root(self.running.state.secret)) as gateway,
        ):
            connects = await self._connect(api)
            self.running.restart_gateway(rate=self.quota, burst=_BURST)
            await gateway.call("POST", "/_gateway/faults", document={"skip_connect": True, "drop_disconnect": 1.0})
            for size in (SMALL, LARGE):
                await self._seed(gateway, size)
            for size in (LARGE, SMALL):
                self._say(f"warming up with {size:,}")
                await self._broadcast(api, size)
            turns = _BROADCASTS[SMALL] // _BROADCASTS[LARGE]
            for size in (LARGE, *[SMALL] * turns) * _BROADCASTS[LARGE]:
                self._say(f"a broadcast to {size:,}")
                self.broadcasts[size].append(await self._broadcast(api, size))
            return connects

    def _say(self, note: str) -> None:
        done = sum(map(len, self.broadcasts.values()))
        self.progressed(done, sum(_BROADCASTS.values()), note)

    async def _connect(self, api: HttpApi) -> Connects:
        """Some handshakes as clients make them, with everything that AWS would do."""
        tenant = await self._tenant("guests", _REAL_CONNECTS)
        base = ""
        sessions = [str(uuid.uuid4()) for _ in range(_REAL_CONNECTS // _SESSION_SIZE)]
        for session in sessions:
            base = await api.open_session(tenant, session)
        taken: list[float] = []

        async def connect(session: str) -> Socket:
            started = time.monotonic()
            socket = await open_socket(Socket, socket_url(base, tenantId=tenant, sessionId=session))
            taken.append(time.monotonic() - started)
            return socket

        # Workers start with the first ones; those are not counted.
        sockets = await at_once(_CONNECTING_AT_ONCE, map(connect, sessions))
        taken.clear()
        self._say(f"{_REAL_CONNECTS} connects through authorizer and connect")
        started = time.monotonic()
        sockets += await at_once(_CONNECTING_AT_ONCE, map(connect, sessions * (_SESSION_SIZE - 1)))
        connects = Connects(time.monotonic() - started, taken)
        for socket in sockets:
            socket.leave()
        return connects

    async def _seed(self, gateway: HttpApi, size: int) -> None:
        """A tenant with so many open sockets, whose rows are written in bulk and counted by their stream."""
        self._say(f"opening {size:,} sockets")
        tenant = await self._tenant(f"crowd-{size}", size)
        before = set((await gateway.call("GET", "/_gateway/connections"))["connection_ids"])
        url = self.running.deployment.websocket_url
        first = len(self.crowd.members)
        answers = await self.crowd.connect([url] * size, concurrency=100)
        if refused := [answer for answer in answers if isinstance(answer, Refusal)]:
            raise BenchmarkError(f"{len(refused)} of {size} sockets were refused: {refused[0]}")
        self.seats[size] = range(first, first + size)
        ids = set((await gateway.call("GET", "/_gateway/connections"))["connection_ids"]) - before
        self._say(f"writing {size:,} rows")
        started = time.monotonic()
        await self.running.seed(seeded_connections(tenant, sorted(ids)))
        self.seeding_seconds += time.monotonic() - started
        self._say(f"waiting until {size:,} connections are counted")
        await self._counted(tenant, size)

    async def _tenant(self, name: str, size: int) -> TenantId:
        tenant = TenantId(name)
        large = Tenant(
            tenant_id=tenant,
            tenant_connections=size,
            connections_per_session=size,
            tenant_per_minute=1_000_000,
            session_per_minute=1_000_000,
            messages_per_minute=1_000_000,
            session_seconds=3_600,
        )
        await asyncio.to_thread(self.running.deployment.tenants.put, large)
        return tenant

    async def _counted(self, tenant: TenantId, size: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        partitions = self.running.deployment.partitions
        while (counted := sum(each.count for each in await asyncio.to_thread(partitions.of, tenant))) != size:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{counted} of {size} connections were counted in {_PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(0.5)

    async def _broadcast(self, api: HttpApi, size: int) -> Broadcast:
        await asyncio.sleep(_SETTLING_SECONDS)
        before = self.running.cpu_by_function()
        broadcast_id = await api.publish(to_wire(OfTenant(TenantId(f"crowd-{size}"))), _MESSAGE)
        if not await self.crowd.arrived(broadcast_id, self.seats[size], _PATIENCE_SECONDS):
            missing = self.crowd.reception(broadcast_id).missing(self.seats[size])
            raise BenchmarkError(f"{len(missing)} of {size} sockets did not get a broadcast")
        report = await api.finished_report(broadcast_id, _PATIENCE_SECONDS)
        await asyncio.sleep(_SETTLING_SECONDS)
        if report.delivered != size:
            raise BenchmarkError(f"the report says {report}")
        reception = self.crowd.reception(broadcast_id)
        cpu = self.running.cpu_by_function().since(before)
        return Broadcast(reception.latencies, cpu, reception.duplicates, report)


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    total = sum(_BROADCASTS.values())
    progressed(0, total, "what the gateway can do")
    quota = lanes.affordable_quota()
    progressed(0, total, "a local stack comes up; that takes two minutes")
    variables = {
        "quota": {"posts_per_second": quota, "headroom": lanes.HEADROOM},
        "broadcast": {"shards": _SHARDS},
        "connections": {"connections_per_partition": PARTITION_SIZE},
    }
    with running_stack(**variables) as running:
        evening = Evening(running, quota, progressed)
        connects = uvloop.run(evening.run())
    progressed(total, total, "")
    return _section(evening, connects)


def _section(evening: Evening, connects: Connects) -> Section:
    broadcasts, quota = evening.broadcasts, evening.quota

    def latency(size: int, share: float) -> float:
        return median([percentile(each.latencies, share) for each in broadcasts[size]])

    def cpu(size: int, *functions: str) -> float:
        return median([sum(each.cpu.get(name, 0.0) for name in functions) / size for each in broadcasts[size]])

    floors = {size: size / quota * 1000 for size in (SMALL, LARGE)}
    latencies = [
        (
            f"{size:,}",
            *(number(latency(size, share)) for share in (0, 0.5, 0.99, 1)),
            number(floors[size]),
            times(latency(size, 1) / floors[size]),
            number(median([each.seconds_to_report for each in broadcasts[size]]) * 1000),
            str(sum(each.duplicates for each in broadcasts[size])),
            str(len(broadcasts[size])),
        )
        for size in (SMALL, LARGE)
    ]
    by_function = [(name, *(microseconds(cpu(size, name)) for size in (SMALL, LARGE))) for name in ON_THE_WAY]
    by_function += [("swarm to settle", *(microseconds(cpu(size, *ON_THE_WAY)) for size in (SMALL, LARGE)))]
    by_function += [
        ("publish, once a broadcast", *(microseconds(cpu(size, "publish") * size) for size in (SMALL, LARGE)))
    ]
    handshakes = (
        f"{len(connects.each)}, {_CONNECTING_AT_ONCE} at once",
        number(len(connects.each) / connects.seconds),
        *(number(percentile(connects.each, share) * 1000) for share in (0.5, 0.99)),
    )
    last = latency(LARGE, 1) / floors[LARGE]
    seeded = SMALL + LARGE
    return Section(
        title="End to end",
        method=_METHOD.format(
            seeded=seeded,
            quota=quota,
            burst=_BURST,
            small=SMALL,
            large=LARGE,
            rows=seeded / evening.seeding_seconds,
        ),
        tables=[
            ResultTable(
                "Latency of a broadcast, milliseconds",
                (
                    "sockets",
                    "first",
                    "p50",
                    "p99",
                    "last",
                    "floor",
                    "last to floor",
                    "all settled",
                    "duplicates",
                    "broadcasts",
                ),
                latencies,
            ),
            ResultTable("CPU per delivery", ("function", f"{SMALL:,} sockets", f"{LARGE:,} sockets"), by_function),
            ResultTable("Real connects", ("handshakes", "a second", "p50 ms", "p99 ms"), [handshakes]),
        ],
        targets=[
            at_most(
                f"CPU per delivery, swarm to settle, {LARGE:,} sockets",
                cpu(LARGE, *ON_THE_WAY),
                MICROSECONDS_PER_DELIVERY / 1e6,
                microseconds,
            ),
            at_most(
                f"the same, to that at {SMALL:,} sockets", cpu(LARGE, *ON_THE_WAY) / cpu(SMALL, *ON_THE_WAY), 1, times
            ),
            at_most(f"last of {LARGE:,} frames, to the floor at {quota:,}/s", last, TIMES_THE_FLOOR, times),
        ],
        charts=[
            Chart(
                "bench-latency",
                "Share of sockets that have the frame, by time since publishing.",
                cumulative(
                    "Latency of a broadcast",
                    "ms since publishing",
                    {
                        f"{size:,} sockets": [value for each in broadcasts[size] for value in each.latencies]
                        for size in (LARGE, SMALL)
                    },
                    (f"floor of {LARGE:,}", floors[LARGE]),
                ),
            )
        ],
    )

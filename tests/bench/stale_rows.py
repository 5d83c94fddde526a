"""Benchmark 10: a broadcast to rows whose connections are all gone, and one to as many that take it."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import uvloop

from loudhailer.broadcast.audience import OfTenant, to_wire
from loudhailer.broadcast.report import Report
from tests.bench.local_stack import RunningStack, running_stack, seeded_connections
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, median, number, times
from tests.bench.visitors import put_tenant
from tests.support.orders import signed_by_root
from tools.client.crowd import Crowd
from tools.client.http import HttpApi
from tools.client.socket import Refusal

SIZES = (1_500, 4_500, 13_500)
TIMES_DELIVERING = 3

_METHOD = """\
The same broadcast to a tenant whose sockets are all open, and to one whose rows are as many and whose sockets are not
there: every post is answered 410, and `settle` deletes the row. Time is from publishing to the last outcome that was
settled, by the report. Shown are medians of {rounds} rounds, each with a tenant of its own; workers are warm. Rows are
written in bulk and older than 30 seconds, since a young connection's 410 is not believed."""

_ROUNDS = 3
_PATIENCE_SECONDS = 200.0
_POLL_SECONDS = 0.3
_MESSAGE = {"text": "x" * 400}


@dataclass(slots=True)
class _Audiences:
    """Tenants with so many rows, whose sockets are open or were never there; what broadcasts to them took."""

    running: RunningStack
    delivering: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    stale: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})

    async def run(self, say: Callable[[int, str], None]) -> None:
        async with (
            HttpApi(self.running.deployment.http_url) as api,
            HttpApi(self.running.gateway_url, signed_by_root(self.running.state.secret)) as gateway,
        ):
            await gateway.call("POST", "/_gateway/faults", document={"skip_connect": True, "drop_disconnect": 1.0})
            await self._delivered(api, gateway, SIZES[0])
            for round_ in range(_ROUNDS):
                for place, size in enumerate(SIZES):
                    say(round_ * len(SIZES) + place, f"{size:,} rows, round {round_ + 1}")
                    await self._round(api, gateway, size)

    async def _round(self, api: HttpApi, gateway: HttpApi, size: int) -> None:
        self.delivering[size].append(_seconds(await self._delivered(api, gateway, size)))
        report = await self._broadcast(api, [uuid.uuid4().hex[:15] + "=" for _ in range(size)])
        if report.gone != size:
            raise BenchmarkError(f"the report says {report}")
        self.stale[size].append(_seconds(report))

    async def _delivered(self, api: HttpApi, gateway: HttpApi, size: int) -> Report:
        """A broadcast to so many sockets, which are closed again: all rounds' would be more than a process may have."""
        before = set((await gateway.call("GET", "/_gateway/connections"))["connection_ids"])
        crowd = Crowd()
        answers = await crowd.connect([self.running.deployment.websocket_url] * size, concurrency=100)
        if any(isinstance(answer, Refusal) for answer in answers):
            raise BenchmarkError("sockets were refused")
        opened = set((await gateway.call("GET", "/_gateway/connections"))["connection_ids"]) - before
        report = await self._broadcast(api, list(opened))
        if report.delivered != size:
            raise BenchmarkError(f"the report says {report}")
        await crowd.leave(crowd.members.values())
        return report

    async def _broadcast(self, api: HttpApi, ids: list[str]) -> Report:
        """A broadcast to a new tenant with these connections, once they are counted."""
        tenant = await asyncio.to_thread(put_tenant, self.running, f"crowd-{uuid.uuid4().hex}")
        await self.running.seed(seeded_connections(tenant, sorted(ids)))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        partitions = self.running.deployment.partitions
        while sum(each.count for each in await asyncio.to_thread(partitions.of, tenant)) != len(ids):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{len(ids)} rows were not counted in {_PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)
        broadcast_id = await api.publish(to_wire(OfTenant(tenant)), _MESSAGE)
        return await api.finished_report(broadcast_id, _PATIENCE_SECONDS)


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    steps = _ROUNDS * len(SIZES)
    progressed(0, steps, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        audiences = _Audiences(running)
        uvloop.run(audiences.run(lambda done, note: progressed(done, steps, note)))
    progressed(steps, steps, "")
    return _section(audiences.delivering, audiences.stale)


def _seconds(report: Report) -> float:
    return ((report.finished_at or 0) - report.published_at) / 1000


def _section(delivering: Mapping[int, list[float]], stale: Mapping[int, list[float]]) -> Section:
    ratios = {size: median(stale[size]) / median(delivering[size]) for size in SIZES}
    rows = [
        (f"{size:,}", number(median(delivering[size])), number(median(stale[size])), times(ratios[size]))
        for size in SIZES
    ]
    middle, large = SIZES[-2:]
    return Section(
        title="Stale rows",
        method=_METHOD.format(rounds=_ROUNDS),
        tables=[ResultTable("From publishing to the report", ("rows", "delivering, s", "all gone, s", "ratio"), rows)],
        targets=[
            at_most(f"{size:,} rows that are all gone, to delivering to as many", ratio, TIMES_DELIVERING, times)
            for size, ratio in ratios.items()
        ]
        + [
            at_most(
                f"a row of {large:,} that are all gone, to one of {middle:,}",
                median(stale[large]) / large / (median(stale[middle]) / middle),
                1,
                times,
            )
        ],
    )

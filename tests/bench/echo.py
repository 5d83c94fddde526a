"""Benchmark 9: a session's frames to the silo or the pool return to it, in order."""

from collections.abc import Callable, Mapping

import uvloop

from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, number
from tests.bench.visitors import BenchVisitor, Talk, open_session, put_tenant
from tools.client.http import HttpApi
from tools.client.socket import Socket, open_socket

RATE = 10
MILLISECONDS = 250
SILO = "gold"

_METHOD = f"""\
A frame goes from the socket straight into a FIFO queue, the tenant's own or the pooled one; `echo` counts it,
renews the session, and posts the reply to the session's two connections. {RATE} frames a second among ten sessions,
then four times as many; latency is from when a frame is due to its reply at the socket that sent it."""

_SECONDS = 15.0
_SESSIONS = 10
_RATES = (RATE, 4 * RATE)


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    steps = 1 + 2 * len(_RATES)
    progressed(0, steps, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        return uvloop.run(_measure(running, lambda done, note: progressed(done, steps, note)))


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> Section:
    tenant, talk = put_tenant(running, SILO), Talk()
    visitors: list[BenchVisitor] = []
    async with HttpApi(running.deployment.http_url) as api:
        for _ in range(_SESSIONS):
            url = await open_session(api, tenant)
            visitors.append(await talk.visitor(url))
            await open_socket(Socket, url)
    measured: dict[tuple[str, int], Times] = {}
    for action in ("SiloSQS", "PooledSQS"):
        await _sent(visitors, action, RATE, 3.0)
        for rate in _RATES:
            say(1 + len(measured), f"{action}, {rate} a second")
            measured[action, rate] = await _sent(visitors, action, rate, _SECONDS)
    return _section(measured)


async def _sent(visitors: list[BenchVisitor], action: str, rate: float, seconds: float) -> Times:
    times = Times()

    async def send(turn: int, due: float) -> None:
        await times.add(visitors[turn % len(visitors)].send_numbered(action=action).delivered, due)

    await at_rate(rate, seconds, send)
    return times


def _section(measured: Mapping[tuple[str, int], Times]) -> Section:
    rows = [(f"{action}, {rate} a second", *times.columns()) for (action, rate), times in measured.items()]
    return Section(
        title="Silo and pool",
        method=_METHOD,
        tables=[ResultTable("From a frame to its reply", ("load", "p50 ms", "p99 ms", "errors"), rows)],
        targets=[
            at_most(
                f"silo echo, p99 in ms at {RATE} a second",
                measured["SiloSQS", RATE].at(0.99) * 1000,
                MILLISECONDS,
                number,
            )
        ],
    )

"""Benchmark 7: how long a client waits until it is in, all four limits checked, and how many get in a second."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import uvloop

from loudhailer.ids import TenantId
from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, ResultTable, Section, at_least, at_most, median, number
from tests.bench.visitors import at_once, open_session, put_tenant
from tools.client.http import HttpApi
from tools.client.socket import Socket, open_socket
from tools.operations.census import TenantCount, count_tenant

RATE = 20
MILLISECONDS = 100
A_SECOND = 100

_METHOD = f"""\
Handshakes as clients make them, on a local stack: the authorizer, then `connect`, which checks the tenant's total, the
session's connections and both minutes, and records the connection in one transaction; sessions of {{session}} clients.
At {RATE} a second, each has a time at which it is due, whether or not those before it are in; latency begins then.
That is done {{rounds}} times, and the median of their p99 counts: a virtual machine can pause for a moment, and one
pause is more than a hundredth of a round. The highest rate is that of so many clients that each connect again as soon
as they are in. Workers are warm, and earlier connections have left and are counted: leaving costs as much again.
Clients, gateway stand-in, local AWS and functions share this machine; the local AWS starts at most four workers for
each function."""

_SECONDS = 20.0
_ROUNDS = 3
_SESSION_SIZE = 10
_AT_ONCE = (8, 16, 32)
_CONNECTS = 480
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.5


class _Door:
    """Lets a tenant's clients in, in turn by sessions."""

    def __init__(self, running: RunningStack, tenant: TenantId, urls: list[str]) -> None:
        self._running = running
        self._tenant = tenant
        self._urls = urls
        self._sockets: list[Socket] = []

    async def enter(self) -> float:
        """One more handshake; when it was done."""
        url = self._urls[len(self._sockets) // _SESSION_SIZE % len(self._urls)]
        self._sockets.append(await open_socket(Socket, url))
        return time.monotonic()

    async def leave(self) -> None:
        """All leave; returns once none of them is counted any more."""
        for socket in self._sockets:
            socket.leave()
        self._sockets.clear()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (count := await asyncio.to_thread(self._count)).agrees_with(0):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{count} after {_PATIENCE_SECONDS:.0f} s, though all clients have left")
            await asyncio.sleep(_POLL_SECONDS)

    def _count(self) -> TenantCount:
        return count_tenant(self._running.deployment, self._tenant)


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    steps = 1 + _ROUNDS + len(_AT_ONCE)
    progressed(0, steps, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        return uvloop.run(_measure(running, lambda done, note: progressed(done, steps, note)))


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> Section:
    tenant = put_tenant(running, "guests")
    async with HttpApi(running.deployment.http_url) as api:
        urls = [await open_session(api, tenant) for _ in range(_CONNECTS // _SESSION_SIZE)]
    door = _Door(running, tenant, urls)
    await _as_fast_as_possible(door, 32, _CONNECTS // 4)
    steady = []
    for step in range(1, 1 + _ROUNDS):
        say(step, f"{RATE} connects a second")
        steady.append(await _steadily(door))
    fastest: dict[int, tuple[float, Times]] = {}
    for step, clients in enumerate(_AT_ONCE, 1 + _ROUNDS):
        say(step, f"{clients} connects at once")
        fastest[clients] = await _as_fast_as_possible(door, clients, _CONNECTS)
    return _section(steady, fastest)


async def _steadily(door: _Door) -> Times:
    """Return how long each handshake took, at the rate."""
    times = Times()
    await at_rate(RATE, _SECONDS, lambda _, due: times.add(door.enter(), due))
    await door.leave()
    return times


async def _as_fast_as_possible(door: _Door, clients: int, connects: int) -> tuple[float, Times]:
    """Connects a second, and how long each took."""
    times = Times()

    async def one() -> None:
        await times.add(door.enter(), time.monotonic())

    started = time.monotonic()
    await at_once(clients, (one() for _ in range(connects)))
    rate = len(times.seconds) / (time.monotonic() - started)
    await door.leave()
    return rate, times


def _section(steady: Sequence[Times], fastest: Mapping[int, tuple[float, Times]]) -> Section:
    rows = [(f"{RATE} a second, round {turn}", str(RATE), *times.columns()) for turn, times in enumerate(steady, 1)]
    rows += [(f"{clients} at once", number(rate), *times.columns()) for clients, (rate, times) in fastest.items()]
    return Section(
        title="Connecting",
        method=_METHOD.format(session=_SESSION_SIZE, rounds=_ROUNDS),
        tables=[ResultTable("Handshakes", ("load", "a second", "p50 ms", "p99 ms", "errors"), rows)],
        targets=[
            at_most(
                f"connect, p99 in ms at {RATE} a second",
                median([times.at(0.99) * 1000 for times in steady]),
                MILLISECONDS,
                number,
            ),
            at_least("connects a second", max(rate for rate, _ in fastest.values()), A_SECOND, number),
        ],
    )

"""Benchmark 11: a crowd ends together; how newcomers fare meanwhile, and when the last row is gone."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import batched

import uvloop

from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, number, percent, times
from tests.bench.visitors import at_once, open_session, put_tenant
from tools.client.http import HttpApi
from tools.client.socket import Socket, open_socket
from tools.operations.census import count_tenant

CROWD = 5_000
RATE = 10
TIMES_AT_REST = 3
ROWS_GONE_SECONDS = 60

_METHOD = f"""\
{CROWD:,} clients, in sessions of {{session}}, are let in as clients make it, through the authorizer and `connect`.
Newcomers of another tenant come {RATE} a second: for {{seconds:.0f}} seconds at rest, and for as long while the crowd
ends together, until nearly all of its rows are gone. Latency begins when a newcomer is due. The gateway puts each
connection's end into a queue, and `disconnect` deletes the rows. Clients, gateway stand-in, local AWS and functions
share this machine."""

_SESSION_SIZE = 20
_SECONDS = 40.0
_AT_ONCE = 24
_REST_SECONDS = 5.0
_PATIENCE_SECONDS = 180.0
_POLL_SECONDS = 0.5


@dataclass(slots=True)
class _Evening:
    """The newcomers' figures before and after the crowd ended, and the time until its last row was gone."""

    at_rest: Times = field(default_factory=Times)
    meanwhile: Times = field(default_factory=Times)
    rows_gone: float = 0.0


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    progressed(0, 4, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        evening = uvloop.run(_measure(running, lambda done, note: progressed(done, 4, note)))
    progressed(4, 4, "")
    return _section(evening)


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> _Evening:
    crowd, newcomers = put_tenant(running, "crowd"), put_tenant(running, "newcomers")
    evening = _Evening()
    async with HttpApi(running.deployment.http_url) as api:
        urls = [await open_session(api, crowd) for _ in range(CROWD // _SESSION_SIZE)]
        door = await open_session(api, newcomers)
    say(1, f"{CROWD:,} clients connect")
    inside = await at_once(_AT_ONCE, (open_socket(Socket, url) for url in urls * _SESSION_SIZE))
    come: list[Socket] = []

    async def newcomer() -> float:
        come.append(await open_socket(Socket, door))
        return time.monotonic()

    await asyncio.sleep(_REST_SECONDS)
    say(2, "newcomers at rest")
    await at_rate(RATE, _SECONDS, lambda _, due: evening.at_rest.add(newcomer(), due))
    say(3, "the crowd ends")
    ended = time.monotonic()
    leaving = asyncio.create_task(_leave(inside))
    await at_rate(RATE, _SECONDS, lambda _, due: evening.meanwhile.add(newcomer(), due))
    # Counting reads all rows of the crowd, and newcomers would wait for that.
    while count := (await asyncio.to_thread(count_tenant, running.deployment, crowd)).rows:
        if time.monotonic() - ended > _PATIENCE_SECONDS:
            raise BenchmarkError(f"{count} rows are there after {_PATIENCE_SECONDS:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)
    evening.rows_gone = time.monotonic() - ended
    await leaving
    await _leave(come)
    return evening


async def _leave(sockets: Sequence[Socket]) -> None:
    """End the sockets in a moment, in which newcomers are not kept waiting by this process."""
    for some in batched(sockets, _AT_ONCE, strict=False):
        for socket in some:
            socket.leave()
        await asyncio.sleep(0)


def _section(evening: _Evening) -> Section:
    rows = [("at rest", *evening.at_rest.columns()), ("while the crowd ends", *evening.meanwhile.columns())]
    return Section(
        title="A crowd ends together",
        method=_METHOD.format(session=_SESSION_SIZE, seconds=_SECONDS),
        tables=[
            ResultTable("Newcomers", ("when", "p50 ms", "p99 ms", "errors"), rows),
            ResultTable("Rows", ("of", "gone after, s"), [(f"{CROWD:,}", number(evening.rows_gone))]),
        ],
        targets=[
            at_most(
                "p99 of newcomers while the crowd ends, to that at rest",
                evening.meanwhile.at(0.99) / evening.at_rest.at(0.99),
                TIMES_AT_REST,
                times,
            ),
            at_most("newcomers that are not let in", evening.meanwhile.error_rate, 0, percent),
            at_most("seconds until the last row is gone", evening.rows_gone, ROWS_GONE_SECONDS, number),
        ],
    )

"""Benchmark 8: direct messages, at a modest rate and under growing load: many clients, and many messages to one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import uvloop

from loudhailer.ids import TenantId
from tests.bench.charts import lines
from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.results import Chart, ReportProgress, ResultTable, Section, at_most, number
from tests.bench.visitors import BenchVisitor, Talk, at_once, open_session, put_tenant
from tools.client.http import HttpApi

RATE = 10
MILLISECONDS = 250

_METHOD = f"""\
A direct message goes from the sender's socket through `send_message` into the receiver's inbox, then it is
acknowledged; the table's stream, `presence`, a FIFO queue and `relay_message` bring it to the receiver's socket.
Both times begin when the message is due; what has not arrived after ten seconds counts as an error. The modest rate
is {RATE} messages a second among ten pairs. Then the load test that one of the systems before this wished for: more
and more pairs that write once a second each, and one receiver that gets more and more. Everything shares this
machine's cores, so the steps say how the system bends here, not what it carries in AWS."""

_SECONDS = 15.0
_STEP_SECONDS = 8.0
_PAIRS = 10
_CLIENTS = (20, 40, 80, 160)
_TO_ONE = (5, 10, 20, 40)


@dataclass(slots=True)
class LoadStep:
    """One step of the load: how many messages a second, until when they were acknowledged and when delivered."""

    name: str
    rate: float
    acknowledged: Times = field(default_factory=Times)
    delivered: Times = field(default_factory=Times)

    def row(self) -> tuple[str, ...]:
        """Its line in a table."""
        *acknowledged, _ = self.acknowledged.columns()
        return self.name, number(self.rate), *acknowledged, *self.delivered.columns()


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    steps = 2 + len(_CLIENTS) + len(_TO_ONE)
    progressed(0, steps, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        return uvloop.run(_measure(running, lambda done, note: progressed(done, steps, note)))


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> Section:
    tenant, talk = put_tenant(running, "guests"), Talk()
    async with HttpApi(running.deployment.http_url) as api:
        say(1, "clients connect")
        pairs = await _pairs(api, tenant, talk, max(_CLIENTS) // 2)
        await _step(talk, "warm", RATE, 3.0, pairs[:_PAIRS])
        modest = await _step(talk, f"{_PAIRS} pairs", RATE, _SECONDS, pairs[:_PAIRS])
        many: list[LoadStep] = []
        to_one: list[LoadStep] = []
        for clients in _CLIENTS:
            say(2 + len(many), f"{clients} clients")
            many.append(await _step(talk, f"{clients} clients", clients / 2, _STEP_SECONDS, pairs[: clients // 2]))
        one = [(sender, pairs[0][1]) for sender, _ in pairs[:_PAIRS]]
        for rate in _TO_ONE:
            say(2 + len(many) + len(to_one), f"{rate} messages a second to one client")
            to_one.append(await _step(talk, "to one client", rate, _STEP_SECONDS, one))
    return _section(modest, many, to_one)


type Pair = tuple[BenchVisitor, str]
"""Sender, and the player who reads."""


async def _pairs(api: HttpApi, tenant: TenantId, talk: Talk, number_of_pairs: int) -> list[Pair]:
    async def visitor(player: str) -> BenchVisitor:
        return await talk.visitor(await open_session(api, tenant, player))

    writers = await at_once(8, (visitor(f"writer-{each}") for each in range(number_of_pairs)))
    await at_once(8, (visitor(f"reader-{each}") for each in range(number_of_pairs)))
    return [(writer, f"reader-{each}") for each, writer in enumerate(writers)]


async def _step(talk: Talk, name: str, rate: float, seconds: float, pairs: Sequence[Pair]) -> LoadStep:
    step = LoadStep(name, rate)

    async def write(turn: int, due: float) -> None:
        writer, reader = pairs[turn % len(pairs)]
        frame = writer.send_numbered(action="sendmessage", destinationPlayerId=reader)
        await asyncio.gather(
            step.acknowledged.add(asyncio.shield(frame.acknowledged), due),
            step.delivered.add(asyncio.shield(frame.delivered), due),
        )

    await at_rate(rate, seconds, write)
    await talk.ended()
    return step


def _section(modest: LoadStep, many: Sequence[LoadStep], to_one: Sequence[LoadStep]) -> Section:
    columns = ("load", "a second", "stored p50 ms", "stored p99 ms", "arrived p50 ms", "arrived p99 ms", "errors")
    series = {
        "many clients, p99": [(step.rate, step.delivered.at(0.99) * 1000) for step in many],
        "to one client, p99": [(step.rate, step.delivered.at(0.99) * 1000) for step in to_one],
        "many clients, p50": [(step.rate, step.delivered.at(0.5) * 1000) for step in many],
        "to one client, p50": [(step.rate, step.delivered.at(0.5) * 1000) for step in to_one],
    }
    return Section(
        title="Direct messages",
        method=_METHOD,
        tables=[
            ResultTable("At a modest rate", columns, [modest.row()]),
            ResultTable("Many clients, one message a second from every other", columns, [step.row() for step in many]),
            ResultTable("Many messages to one client", columns, [step.row() for step in to_one]),
        ],
        targets=[
            at_most(
                f"direct message, p99 in ms at {RATE} a second", modest.delivered.at(0.99) * 1000, MILLISECONDS, number
            )
        ],
        charts=[
            Chart(
                "bench-direct",
                "Time until a direct message arrives, by messages a second.",
                lines("Direct messages under load", "messages a second", "ms", series),
            )
        ],
    )

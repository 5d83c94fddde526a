"""Benchmark 12: a tenant's latencies while clients of another one do not read, to its latencies without them."""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import uvloop
from picows import WSMsgType

from loudhailer.ids import TenantId
from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.results import Section, Table, at_most, times
from tests.bench.visitors import open_session, put_tenant
from tools.client.http import ApiError, HttpApi
from tools.client.socket import Socket, open_socket

SLEEPERS = (0, 2, 10, 100)
KINDS = ("broadcast", "direct message", "room message", "pooled echo")
TIMES = 2.0

_RATE = 2
_SECONDS = 60.0
_FILLING_BYTES = 100_000
_FILLING = 12
_AWAKE_ROOM, _ASLEEP_ROOM = "lobby", "den"

_METHOD = f"""\
Two players of a tenant send each other {_RATE} of each kind a second for {_SECONDS:.0f} s, each with a time at which
it is due: broadcasts, direct messages, room messages and pooled frames. Meanwhile sockets of another tenant have
stopped reading, so that posts to them are refused, and their tenant goes on: each second a broadcast to all of them,
what somebody says in the room that they are in, a direct message to one, and a frame of one to the pool. Whoever of
them is closed is replaced. Shown are the p99 of those who read, and their ratio to the p99 without sleepers in the same
run."""

type Progress = Callable[[int, int, str], None]


class Guest(Socket):
    """A client that knows what has come by its text."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: dict[str, asyncio.Future[float]] = {}

    def awaits(self, text: str) -> asyncio.Future[float]:
        """When a text comes."""
        self._awaited[text] = asyncio.get_running_loop().create_future()
        return self._awaited[text]

    def on_message(self, payload: bytes) -> None:
        """Note what has come; the acknowledgement of a direct message is not its arrival."""
        match json.loads(payload):
            case {"status": _}:
                return
            case {"data": str(text)} | {"content": str(text)} | {"message": str(text)}:
                self._came(text)
            case {"message": {"message": str(text)}, "queue": _}:
                self._came(text)

    def say(self, **frame: str) -> None:
        """Send a frame."""
        self.transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def _came(self, text: str) -> None:
        if (awaited := self._awaited.pop(text, None)) is not None and not awaited.done():
            awaited.set_result(time.monotonic())


class Asleep:
    """The clients that do not read, and what their tenant sends to them."""

    def __init__(self, api: HttpApi, tenant: TenantId, talker: Guest) -> None:
        self._api = api
        self._tenant = tenant
        self._talker = talker
        self._sleepers: list[tuple[str, Guest]] = []
        self._names = itertools.count()

    async def become(self, wanted: int) -> None:
        """Have so many of them, with full buffers."""
        self._sleepers = [(name, sleeper) for name, sleeper in self._sleepers if sleeper.is_open]
        gate = asyncio.Semaphore(8)

        async def fall_asleep() -> None:
            async with gate:
                name = f"sleeper-{next(self._names)}"
                sleeper = await open_socket(Guest, await open_session(self._api, self._tenant, name))
                sleeper.say(action="joinroom", roomKey=_ASLEEP_ROOM, nickName="Sleeper")
                await asyncio.sleep(0.2)
                sleeper.stop_reading()
                self._sleepers.append((name, sleeper))

        missing = wanted - len(self._sleepers)
        await asyncio.gather(*(fall_asleep() for _ in range(missing)))
        if missing > 0:
            for _ in range(_FILLING):
                await self._api.publish({"tenantId": self._tenant}, "x" * _FILLING_BYTES)

    async def bother(self) -> None:
        """Send to them all the time."""
        for turn in itertools.count():
            await self.become(len(self._sleepers))
            if self._sleepers:
                await self._api.publish({"tenantId": self._tenant}, "x" * 1_000)
                self._talker.say(action="sendmessage", roomKey=_ASLEEP_ROOM, content="Wake up!")
                name, sleeper = self._sleepers[turn % len(self._sleepers)]
                self._talker.say(action="sendmessage", destinationPlayerId=name, message="Wake up!")
                sleeper.say(action="PooledSQS", message="Good night.")
            await asyncio.sleep(1)


def measure(progressed: Progress) -> Section:
    """Bring a stack up, measure, take it down."""
    progressed(0, 1 + len(SLEEPERS), "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        return uvloop.run(_measure(running, lambda done, note: progressed(done, 1 + len(SLEEPERS), note)))


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> Section:
    awake, tenant = put_tenant(running, "awake"), put_tenant(running, "asleep")
    measured: dict[int, Mapping[str, Times]] = {}
    async with HttpApi(running.deployment.http_url) as api:
        alice, bob, talker = [
            await open_socket(Guest, await open_session(api, *who))
            for who in ((awake, "alice"), (awake, "bob"), (tenant, "talker"))
        ]
        for guest, room in ((alice, _AWAKE_ROOM), (bob, _AWAKE_ROOM), (talker, _ASLEEP_ROOM)):
            guest.say(action="joinroom", roomKey=room, nickName="Guest")
        await _sent(api, awake, alice, bob, 5.0)
        asleep = Asleep(api, tenant, talker)
        for wanted in SLEEPERS:
            say(1 + len(measured), f"{wanted} sleepers")
            await asleep.become(wanted)
            bothering = asyncio.create_task(asleep.bother())
            measured[wanted] = await _sent(api, awake, alice, bob, _SECONDS)
            bothering.cancel()
    return _section(measured)


async def _sent(api: HttpApi, tenant: TenantId, alice: Guest, bob: Guest, seconds: float) -> Mapping[str, Times]:
    found: defaultdict[str, Times] = defaultdict(Times)

    async def send(kind: str, text: str) -> None:
        match kind:
            case "broadcast":
                await api.publish({"tenantId": tenant}, text)
            case "direct message":
                alice.say(action="sendmessage", destinationPlayerId="bob", message=text)
            case "room message":
                alice.say(action="sendmessage", roomKey=_AWAKE_ROOM, content=text)
            case _:
                bob.say(action="PooledSQS", message=text)

    def sending(kind: str) -> Callable[[int, float], Coroutine[Any, Any, None]]:
        async def one(turn: int, due: float) -> None:
            arrives = bob.awaits(text := f"{kind} {turn} {due}")
            try:
                await send(kind, text)
            except ApiError:
                found[kind].failures += 1
            else:
                await found[kind].add(arrives, due)

        return one

    await asyncio.gather(*(at_rate(_RATE, seconds, sending(kind)) for kind in KINDS))
    return found


def _section(measured: Mapping[int, Mapping[str, Times]]) -> Section:
    def ratio(sleepers: int, kind: str) -> float:
        return measured[sleepers][kind].at(0.99) / measured[0][kind].at(0.99)

    rows = [
        (f"{kind}, {sleepers} sleepers", *found[kind].columns(), times(ratio(sleepers, kind)))
        for kind in KINDS
        for sleepers, found in measured.items()
    ]
    return Section(
        title="Clients that do not read",
        method=_METHOD,
        tables=[Table("Of those who read", ("load", "p50 ms", "p99 ms", "errors", "p99, to none asleep"), rows)],
        targets=[
            at_most(f"p99 of a {kind} beside {sleepers} sleepers, to none", ratio(sleepers, kind), TIMES, times)
            for kind in KINDS
            for sleepers in SLEEPERS[1:]
        ],
    )

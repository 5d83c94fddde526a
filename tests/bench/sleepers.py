"""Benchmark 12: a tenant's latencies while clients of another one do not read, to those beside nobody."""

import asyncio
import itertools
import json
import time
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from loudhailer.ids import TenantId
from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times, at_rate
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, times
from tests.bench.visitors import Talker, open_session, put_tenant
from tests.support.orders import signed_by_root
from tools.client.http import ApiError, HttpApi
from tools.client.socket import HandshakeRefusedError, open_socket

SIZES = (2, 10, 100)
KINDS = ("broadcast", "direct message", "room message", "pooled echo")
TIMES = 2.0

_RATE = 6
_SECONDS = 84.0
_WARM_UP_SECONDS = 20.0
_SETTLING_SECONDS = 5.0
_STAY_SECONDS = 40.0
_OPENED_A_SECOND = 8.0
_AWAKE_ROOM, _CROWD_ROOM = "lobby", "den"

_METHOD = f"""\
Two players of a tenant send each other {_RATE} of each kind a second for {_SECONDS:.0f} s, each with a time at which
it is due: broadcasts, direct messages, room messages and pooled frames. Meanwhile there is a crowd of another tenant.
Each second it gets a broadcast, what somebody says in the room that it is in, and a direct message to one of it; one of
it sends a frame to the pool. Its members stay for {_STAY_SECONDS:.0f} s, and one comes for each that left, at even
intervals. All of that is measured twice, with a crowd that reads and with one that does not: posts to its members are
refused, and `post_message` closes many of them before they leave.

The largest crowd that is asleep comes once before anything is measured. So all worker processes have started by then: a
start takes a second of a core here, and no time of others in AWS.

The targets are to the times beside no crowd at all, though the crowd's own work takes its share of two cores that here
do what in AWS each function does on its own. The ratio to the crowd that reads shows how much of it that is."""


class SleepingGuest(Talker):
    """A client that recognises frames by their text."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: dict[str, asyncio.Future[float]] = {}

    def awaits(self, text: str) -> asyncio.Future[float]:
        """When a text comes."""
        self._awaited[text] = asyncio.get_running_loop().create_future()
        return self._awaited[text]

    def on_message(self, payload: bytes) -> None:
        """Note a frame; the acknowledgement of a direct message is not its arrival."""
        match json.loads(payload):
            case {"status": _}:
                return
            case {"data": str(text)} | {"content": str(text)} | {"message": str(text)}:
                self._came(text)
            case {"message": {"message": str(text)}, "queue": _}:
                self._came(text)

    def _came(self, text: str) -> None:
        if (awaited := self._awaited.pop(text, None)) is not None and not awaited.done():
            awaited.set_result(time.monotonic())


@dataclass(slots=True)
class _Member:
    """A client of the crowd's, by the name of its player."""

    name: str
    client: SleepingGuest


class SleepingCrowd:
    """Clients that come and go, and what their tenant sends to them; they read, or they are asleep."""

    def __init__(
        self, api: HttpApi, gateway: HttpApi, tenant: TenantId, talker: SleepingGuest, *, size: int, asleep: bool
    ) -> None:
        self._api = api
        self._gateway = gateway
        self._tenant = tenant
        self._talker = talker
        self._size = size
        self._asleep = asleep
        self._members: deque[_Member] = deque()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Keep the crowd there during the block; afterwards its disconnects have been handled, too."""
        if not self._size:
            yield
            return
        await self._gather()
        living = asyncio.create_task(self._live())
        await asyncio.sleep(_SETTLING_SECONDS)
        try:
            yield
        finally:
            living.cancel()
        await asyncio.wait([living])
        if not living.cancelled():
            living.result()
        await self._leave()

    async def _gather(self) -> None:
        """Open them all, one after the other: nobody's load is to be that of a crowd that comes at once."""
        for _ in range(self._size):
            due = time.monotonic() + 1 / _OPENED_A_SECOND
            await self._come()
            await asyncio.sleep(due - time.monotonic())

    async def _live(self) -> None:
        """Talk and change without an end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._talk())
            tasks.create_task(self._change())

    async def _leave(self) -> None:
        """Close them all; returns when their disconnects are worked off."""
        while self._members:
            self._members.popleft().client.leave()
        await asyncio.sleep(_SETTLING_SECONDS)

    async def _talk(self) -> None:
        for turn in itertools.count():
            due = time.monotonic() + 1
            with suppress(ApiError):
                await self._api.publish({"tenantId": self._tenant}, "x" * 1_000)
            self._talker.say(action="sendmessage", roomKey=_CROWD_ROOM, content="Wake up!")
            if present := self._present():
                one = present[turn % len(present)]
                self._talker.say(action="sendmessage", destinationPlayerId=one.name, message="Wake up!")
                one.client.say(action="PooledSQS", message="Good night.")
            await asyncio.sleep(due - time.monotonic())

    async def _change(self) -> None:
        while True:
            due = time.monotonic() + _STAY_SECONDS / self._size
            if len(self._present()) == self._size:
                self._members.popleft().client.leave()
            with suppress(ApiError, HandshakeRefusedError):
                await self._come()
            await asyncio.sleep(due - time.monotonic())

    def _present(self) -> Sequence[_Member]:
        """Clients that have neither left nor been closed."""
        self._members = deque(member for member in self._members if member.client.is_open)
        return self._members

    async def _come(self) -> None:
        member = _Member(f"member-{uuid.uuid4()}", SleepingGuest())
        before = await self._connections() if self._asleep else set()
        await open_socket(lambda: member.client, await open_session(self._api, self._tenant, member.name))
        member.client.say(action="joinroom", roomKey=_CROWD_ROOM, nickName="Member")
        if self._asleep:
            await self._gateway.call(
                "POST", "/_gateway/fill", document={"connection_ids": [*(await self._connections() - before)]}
            )
        self._members.append(member)

    async def _connections(self) -> set[str]:
        return set((await self._gateway.call("GET", "/_gateway/connections"))["connection_ids"])


@dataclass(frozen=True, slots=True)
class _Load:
    """A crowd to measure beside."""

    size: int
    asleep: bool

    def __str__(self) -> str:
        if not self.size:
            return "no crowd"
        return f"{self.size} asleep" if self.asleep else f"{self.size} who read"


ALONE = _Load(0, asleep=False)
LOADS = (ALONE, *(_Load(size, asleep=asleep) for size in SIZES for asleep in (False, True)))


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    steps = 1 + len(LOADS)
    progressed(0, steps, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        measured = uvloop.run(measured_beside(LOADS, running, lambda done, note: progressed(1 + done, steps, note)))
    return _section(measured)


async def measured_beside(
    loads: Sequence[_Load], running: RunningStack, say: Callable[[int, str], None]
) -> Mapping[_Load, Mapping[str, Times]]:
    """The times of each kind of message beside each of the crowds."""
    awake, other = put_tenant(running, "awake"), put_tenant(running, "crowd")
    measured: dict[_Load, Mapping[str, Times]] = {}
    async with (
        HttpApi(running.deployment.http_url) as api,
        HttpApi(running.gateway_url, signed_by_root(running.state.secret)) as gateway,
    ):
        alice, bob, talker = [
            await open_socket(SleepingGuest, await open_session(api, *who))
            for who in ((awake, "alice"), (awake, "bob"), (other, "talker"))
        ]
        for guest, room in ((alice, _AWAKE_ROOM), (bob, _AWAKE_ROOM), (talker, _CROWD_ROOM)):
            guest.say(action="joinroom", roomKey=room, nickName="Guest")

        async def beside(load: _Load, seconds: float) -> Mapping[str, Times]:
            crowd = SleepingCrowd(api, gateway, other, talker, size=load.size, asleep=load.asleep)
            async with crowd.living():
                return await _sent(api, awake, alice, bob, seconds)

        await beside(max(loads, key=lambda load: (load.size, load.asleep)), _WARM_UP_SECONDS)
        for load in loads:
            say(len(measured), str(load))
            measured[load] = await beside(load, _SECONDS)
    return measured


async def _sent(
    api: HttpApi, tenant: TenantId, alice: SleepingGuest, bob: SleepingGuest, seconds: float
) -> Mapping[str, Times]:
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


def _section(measured: Mapping[_Load, Mapping[str, Times]]) -> Section:
    def p99(load: _Load, kind: str) -> float:
        return measured[load][kind].at(0.99)

    def ratio(load: _Load, kind: str) -> float:
        return p99(load, kind) / p99(ALONE, kind)

    rows = [
        (
            f"{kind}, {load}",
            *measured[load][kind].columns(),
            times(ratio(load, kind)),
            times(p99(load, kind) / p99(_Load(load.size, asleep=False), kind)) if load.asleep else "",
        )
        for kind in KINDS
        for load in LOADS
    ]
    columns = ("load", "p50 ms", "p99 ms", "errors", "p99, to no crowd", "p99, to the crowd that reads")
    return Section(
        title="Clients that do not read",
        method=_METHOD,
        tables=[ResultTable("Of those who read", columns, rows)],
        targets=[
            at_most(f"p99 of a {kind} beside {load}, to no crowd", ratio(load, kind), TIMES, times)
            for kind in KINDS
            for load in LOADS
            if load.asleep
        ],
    )

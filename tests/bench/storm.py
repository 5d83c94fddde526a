"""Benchmark 15: all clients of a gateway lose their connections at once, and come back at the account's rate."""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field

import uvloop

from tests.bench import processes, stand_in
from tests.bench.processes import BenchmarkError
from tests.bench.results import (
    ReportProgress,
    ResultTable,
    Section,
    at_least,
    at_most,
    number,
    percent,
    times,
)
from tests.bench.visitors import at_once
from tests.support.orders import signed_by_root
from tools.client.http import HttpApi
from tools.client.socket import HandshakeRefusedError, Socket, open_socket, socket_url
from tools.emulator.gateway.open_files import raise_open_files
from tools.stack.processes import HOST

CROWD, RATE = 3_000, 50
SHARE_USED, TIMES_THE_FLOOR, NEWCOMER_SECONDS = 0.95, 1.1, 2

_METHOD = """\
{crowd:,} real sockets of two tenants on the gateway stand-in, which lets in {rate} new connections a second with a
bucket of as many; they are all dropped in one moment. Each client waits for a random time of up to a second, as the
page does, and asks `PUT /session`. It waits for its turn if the answer names one, and connects. `PUT /session` is the
shipped `session_api` in eight environments with the in-memory twins of its stores, behind HTTP in a process of its
own; so what is shown is the admission, not the speed of a local AWS. Meanwhile single clients of a third tenant come
every {pause:.0f} s. The floor is the crowd over the rate."""

_TENANTS = ("blue", "green")
_THIRD = "red"
_CONNECTING_AT_ONCE = 100
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 30.0
_PAUSE_SECONDS = 10.0
_METRICS = {"POWERTOOLS_METRICS_NAMESPACE": "bench", "POWERTOOLS_METRICS_DISABLED": "true"}
"""Metrics are lines of standard output, which is read no more once the server is ready."""

_PATIENCE = 5
"""Times the floor, after which the benchmark gives up."""


@dataclass(slots=True)
class _Return:
    """The crowd's return.

    Attributes:
        entered: seconds from the drop to each client's new connection.
        refused: handshakes that were refused.
        newcomers: seconds that each client of the third tenant needed.
    """

    entered: list[float] = field(default_factory=list)
    refused: int = 0
    newcomers: list[float] = field(default_factory=list)


class _Member(Socket):
    """A client of the crowd, which notices that it is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.is_dropped = asyncio.Event()

    def on_closed(self) -> None:
        """Wake the client."""
        self.is_dropped.set()


def measure(progressed: ReportProgress, *, crowd: int = CROWD, rate: int = RATE) -> Section:
    """Connect the crowd, drop it, and watch it come back."""
    raise_open_files()
    connects = {"rate": 1_000_000, "burst": 1_000_000, "connect_rate": rate, "connect_burst": rate}
    with processes.serving("tests.bench.stand_in", connects) as (_, gateway):
        url = f"ws://{HOST}:{gateway['port']}/{stand_in.API}/{stand_in.STAGE}"
        desk = {"url": url, "tenants": [*_TENANTS, _THIRD], "per_second": rate}
        with processes.serving("tests.bench.clients.session_desk", desk, os.environ | _METRICS) as (_, sessions):
            storm = _Storm(url, gateway["port"], crowd, rate, progressed)
            returned = uvloop.run(storm.run(sessions["port"]))
    return _section(returned, crowd, rate)


class _Storm:
    def __init__(self, url: str, gateway_port: int, crowd: int, rate: int, progressed: ReportProgress) -> None:
        self._url = url
        self._gateway = HttpApi(f"http://{HOST}:{gateway_port}", signed_by_root(stand_in.SECRET))
        self._crowd = crowd
        self._floor = crowd / rate
        self._progressed = progressed
        self._return = _Return()
        self._dropped_at = 0.0

    async def run(self, sessions_port: int) -> _Return:
        async with self._gateway, HttpApi(f"http://{HOST}:{sessions_port}") as api:
            self._progressed(0, self._crowd, f"{self._crowd:,} clients connect")
            await self._gateway.call("POST", "/_gateway/faults", document={"skip_connect": True})
            members = await at_once(_CONNECTING_AT_ONCE, (open_socket(_Member, self._url) for _ in range(self._crowd)))
            await self._gateway.call("POST", "/_gateway/faults", document={})
            clients = [asyncio.create_task(self._come_back(api, *each)) for each in enumerate(members)]
            newcomers = asyncio.create_task(self._newcomers(api))
            self._dropped_at = time.monotonic()
            await self._gateway.call("POST", "/_gateway/close", document={"count": self._crowd})
            try:
                async with asyncio.timeout(_PATIENCE * self._floor + 10):
                    await asyncio.gather(*clients)
            except TimeoutError as error:
                raise BenchmarkError(f"{len(self._return.entered)} of {self._crowd} came back in time") from error
            newcomers.cancel()
        return self._return

    async def _come_back(self, api: HttpApi, number: int, member: _Member) -> None:
        await member.is_dropped.wait()
        await asyncio.sleep(random.uniform(0, _FIRST_BACKOFF_SECONDS))  # noqa: S311  # as the page does
        await self._enter(api, _TENANTS[number % len(_TENANTS)], f"session-{number}")
        self._return.entered.append(time.monotonic() - self._dropped_at)
        if len(self._return.entered) % 100 == 0:
            self._progressed(len(self._return.entered), self._crowd, "the crowd comes back")

    async def _newcomers(self, api: HttpApi) -> None:
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            asked_at = time.monotonic()
            await self._enter(api, _THIRD, f"newcomer-{len(self._return.newcomers)}")
            self._return.newcomers.append(time.monotonic() - asked_at)

    async def _enter(self, api: HttpApi, tenant: str, session: str) -> None:
        """Ask for the session and connect, until the handshake is accepted."""
        bound = _FIRST_BACKOFF_SECONDS
        while True:
            url = socket_url(await api.open_session(tenant, session), tenantId=tenant, sessionId=session)
            try:
                await open_socket(Socket, url)
            except HandshakeRefusedError:
                self._return.refused += 1
                bound = min(2 * bound, _LONGEST_BACKOFF_SECONDS)
                await asyncio.sleep(random.uniform(0, bound))  # noqa: S311
            else:
                return


def _section(returned: _Return, crowd: int, rate: int) -> Section:
    entered = sorted(returned.entered)
    floor = crowd / rate
    used = crowd / (entered[-1] - entered[0]) / rate
    slowest = max(returned.newcomers, default=0.0)
    row = (
        f"{crowd:,}, {rate} a second",
        percent(used),
        str(returned.refused),
        number(entered[-1]),
        number(floor),
        times(entered[-1] / floor),
        number(slowest),
    )
    columns = ("clients", "of the rate", "refused", "last, s", "floor, s", "last to floor", "newcomers at most, s")
    return Section(
        title="A storm of connects",
        method=_METHOD.format(crowd=crowd, rate=rate, pause=_PAUSE_SECONDS),
        tables=[ResultTable("Return of a crowd", columns, [row])],
        targets=[
            at_least(f"share of {rate} connects a second that a crowd uses", used, SHARE_USED, percent),
            at_most("handshakes that are refused", returned.refused, 0, number),
            at_most("last client of the crowd, to the floor", entered[-1] / floor, TIMES_THE_FLOOR, times),
            at_most("seconds until a client of another tenant is in", slowest, NEWCOMER_SECONDS, number),
        ],
    )

"""The gateway stand-in by itself, with thousands of open sockets and no AWS behind it.

Run as a program it serves one API without routes, so that a handshake is accepted at once, under the given limits; a
crowd in another program, `tests.bench.clients.crowd`, opens the sockets.
"""

import asyncio
from collections.abc import Iterable

import uvloop

from tests.bench.meter import job, tell
from tests.support.lambda_environment import ACCOUNT, REGION
from tools.emulator.gateway.api import Api, Stage
from tools.emulator.gateway.callers import RootKeys
from tools.emulator.gateway.faults import Faults
from tools.emulator.gateway.limits import Limits
from tools.emulator.gateway.open_files import raise_open_files
from tools.emulator.gateway.server import Gateway

API, STAGE = "bench", "live"
SECRET = "local"


class _OneApi:
    """An API without routes."""

    def load(self) -> Iterable[Api]:
        """See `ApiSource.load`."""
        return [Api(API, ACCOUNT, REGION, ("action",), {}, {STAGE: Stage(STAGE)})]


async def _serve(rate: float, burst: int, connect_rate: float, connect_burst: int) -> None:
    gateway = Gateway(
        source=_OneApi(),
        signing_keys=RootKeys(SECRET),
        aws_endpoint="",
        secret=SECRET,
        limits=Limits(rate=rate, burst=burst, connect_rate=connect_rate, connect_burst=connect_burst),
        faults=Faults(),
        drain_seconds=0.0,
    )
    async with gateway:
        tell({"port": gateway.port})
        await asyncio.Event().wait()


if __name__ == "__main__":
    given = job()
    raise_open_files()
    connects = given.get("connect_rate", float("inf")), given.get("connect_burst", 0)
    uvloop.run(_serve(given["rate"], given["burst"], *connects))

"""Opens sockets and reads whatever comes, until it is ended."""

import asyncio

import picows
import uvloop

from tests.bench.meter import job, tell
from tools.emulator.gateway.open_files import raise_open_files

_CONNECTING_AT_ONCE = 100
_READ_BUFFER_BYTES = 2_048


async def _attend(url: str, sockets: int) -> None:
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

    async def connect() -> None:
        async with gate:
            await picows.ws_connect(picows.WSListener, url, read_buffer_init_size=_READ_BUFFER_BYTES)

    await asyncio.gather(*(connect() for _ in range(sockets)))
    tell({"connected": sockets})
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = job()
    raise_open_files()
    uvloop.run(_attend(given["url"], given["sockets"]))

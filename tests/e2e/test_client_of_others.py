"""A client that nobody here wrote: npm's wscat."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.support.waiting import PATIENCE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "tests" / "node_modules"
NODE = Path(sys.executable).with_name("node")


@pytest.fixture(scope="module")
def wscat() -> list[str]:
    """The command, installed as `make test` installs it."""
    if not (MODULES / ".package-lock.json").exists():
        subprocess.run(["make", "-s", "tests/node_modules/.package-lock.json"], cwd=ROOT, check=True)
    return [str(NODE), str(MODULES / "wscat" / "bin" / "wscat"), "--no-color"]


class Terminal:
    """A person at wscat types and reads."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self, wanted: str) -> str:
        """The next line that contains the text; the lines before it are passed over."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wanted not in (line := (await self._process.stdout.readline()).decode()):
                assert line, f"wscat ended before {wanted!r} came"
        return line

    async def frame(self) -> Any:
        """The next frame that wscat shows."""
        line = await self.read("{")
        return json.loads(line[line.index("{") :])

    async def type(self, line: str) -> None:
        """Type a line, which wscat sends."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def terminal(*command: str) -> AsyncIterator[Terminal]:
    """A terminal with a command running in it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    try:
        yield Terminal(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_wscat_receives_broadcasts_and_error_frames(scene: Scene, wscat: list[str]) -> None:
    """It connects, gets a broadcast's frame, and an error frame for its own; then its row is deleted."""
    session = await scene.session(tenant := scene.tenant())
    async with terminal(*wscat, "--connect", session.url) as screen:
        await eventually(lambda: scene.system.connections_of(tenant))
        broadcast_id = await scene.broadcast({"tenantId": tenant}, "hello, wscat")
        frame = await screen.frame()
        assert (frame["type"], frame["id"], frame["data"]) == ("broadcast", broadcast_id, "hello, wscat")
        await screen.type('{"action": "fly"}')
        assert (await screen.frame())["error"]["code"] == "UNKNOWN_ACTION"
    await scene.counted(tenant, 0)


async def test_wscat_receives_the_status_of_a_refused_handshake(scene: Scene, wscat: list[str]) -> None:
    """Any client without a known session is refused."""
    url = scene.system.deployment.websocket_url
    async with terminal(*wscat, "--connect", f"{url}?tenantId=nobody&sessionId=none") as screen:
        assert "403" in await screen.read("error")

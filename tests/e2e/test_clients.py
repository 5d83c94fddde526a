"""The clients of applications, in JavaScript and in Python, against the whole stack; and the guide as it is."""

import asyncio
import inspect
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from loudhailer.ids import ConnectionId, SessionId, TenantId
from loudhailer_client import Channel, Client, LoudhailerError, Room, Server, Session, SessionQuestion
from loudhailer_client.sockets import TASK
from loudhailer_client.times import Times
from tests.e2e.browser import running_browser
from tests.e2e.scene import Scene
from tests.support.waiting import PATIENCE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
NODE = Path(sys.executable).with_name("node")
MODULES = ROOT / "tests" / "node_modules"
EVENTS = ("status", "broadcast", "direct", "echo", "error")
GUIDE = (ROOT / "docs" / "guide.md").read_text()
WHEEL = f"loudhailer_client-{version('loudhailer')}-py3-none-any.whl"
TITLED = re.compile(r"^`([\w.]+)`[^\n]*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A block of the guide behind a line that begins with the name of its file."""


class ClientDriver(Protocol):
    """Commands for clients by their names, and what these have seen: `[name, event, value]`."""

    events: list[list[Any]]

    async def do(self, act: str, **fields: Any) -> Any:
        """Carry out a command; return its outcome, or raise LoudhailerError."""


async def seen(driver: ClientDriver, name: str, event: str, holds: Callable[[Any], object] = lambda _: True) -> Any:
    """Return the value of a client's first such event, as soon as it is there."""

    def find() -> list[Any]:
        return [value for who, what, value in driver.events if (who, what) == (name, event) and holds(value)]

    return (await eventually(find))[0]


class InPython:
    """The client in Python, in the tests' own process."""

    def __init__(self, scene: Scene, tenant: TenantId) -> None:
        self.events: list[list[Any]] = []
        self.clients: dict[str, Client] = {}
        self._scene = scene
        self._tenant = tenant
        self._server = Server(scene.system.deployment.http_url)
        self._rooms: dict[str, Room] = {}

    async def do(self, act: str, **fields: Any) -> Any:
        """Carry out a command."""
        outcome = getattr(self, f"_{act}")(**fields)
        return await outcome if inspect.isawaitable(outcome) else outcome

    def _room(self, name: str, key: str) -> None:
        room = self._rooms[name] = self.clients[name].room(key, name)
        self._watch(name, room, "message", "joined", "left")

    def _say(self, name: str, content: object) -> Awaitable[Any]:
        return self._rooms[name].say(content)

    def _direct(self, name: str, to: str, message: object) -> Awaitable[Any]:
        return self.clients[name].direct(to, message)

    def _silo(self, name: str, message: object) -> bool:
        return self.clients[name].silo(message)

    def _pool(self, name: str, message: object) -> bool:
        return self.clients[name].pool(message)

    def _channel(self, name: str, channel: str) -> None:
        self._watch(channel, self.clients[name].channel(channel), "subscribed", "message", "error")

    def _close(self, name: str) -> None:
        self.clients[name].close()

    def _publish(self, audience: dict[str, Any], message: object) -> Awaitable[Any]:
        return self._server.publish(audience, message)

    def _report(self, id: str) -> Awaitable[Any]:  # noqa: A002
        return self._server.report(id)

    def _end(self, session: str) -> Awaitable[Any]:
        return self._server.end_session(self._tenant, session)

    def _connect(
        self, name: str, player: str | None, seconds: float | None = None, grants: dict[str, str] | None = None
    ) -> None:
        async def get_session(question: SessionQuestion) -> Session:
            session = await self._server.create_session(
                self._tenant, player_id=player, session_id=question.session_id, renew=question.renew, grants=grants
            )
            self._scene.system.secrets.add(SessionId(session.session_id))
            self.events.append([name, "session", session.session_id])
            return session

        times = Times() if seconds is None else Times(renewal=(seconds, seconds))
        client = self.clients[name] = Client(get_session, times=times)
        self._watch(name, client, *EVENTS)

    def _watch(self, name: str, target: Client | Channel | Room, *events: str) -> None:
        for event in events:
            target.on(event, self._recorder(name, event))

    def _recorder(self, name: str, event: str) -> Callable[[Any], None]:
        return lambda value: self.events.append([name, event, _plain(event, value)])


def _plain(event: str, value: Any) -> Any:
    if event == "status":
        return {"state": value.state}
    return value.code if event == "error" else value


class InNode:
    """The client in JavaScript, in a process of Node.js."""

    def __init__(self, scene: Scene, process: asyncio.subprocess.Process) -> None:
        self.events: list[list[Any]] = []
        self._scene = scene
        self._process = process
        self._numbers = count()

    async def do(self, act: str, **fields: Any) -> Any:
        """Carry out a command, and wait for its outcome."""
        assert self._process.stdin is not None
        number = f"act {next(self._numbers)}"
        seconds = fields.pop("seconds", None)
        if seconds is not None:
            fields["options"] = {"renewal": [seconds * 1_000, seconds * 1_000]}
        self._process.stdin.write(f"{json.dumps({'act': act, 'as': number, **fields})}\n".encode())
        await self._process.stdin.drain()
        outcome = await eventually(lambda: [each for each in self.events if each[0] == number])
        if outcome[0][1] == "failed":
            raise LoudhailerError(outcome[0][2], "in Node.js")
        return outcome[0][2]

    async def read(self) -> None:
        """Keep what the process tells."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if event[1] == "session":
                self._scene.system.secrets.add(SessionId(event[2]))
            self.events.append(event)


async def killed(process: asyncio.subprocess.Process) -> None:
    """Kill a process with its children: the command `node` of the wheel starts one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@asynccontextmanager
async def driven(language: str, scene: Scene, tenant: TenantId) -> AsyncIterator[ClientDriver]:
    """A driver of the clients of a tenant; nothing of it is left after the block."""
    if language == "Python":
        python = InPython(scene, tenant)
        try:
            yield python
        finally:
            for client in python.clients.values():
                client.close()
            # A test's event loop must not end before a socket's closing handshake.
            sockets = [task for task in asyncio.all_tasks() if task.get_name() == TASK]
            await asyncio.gather(*sockets, return_exceptions=True)
        return
    pipe = asyncio.subprocess.PIPE
    command = (NODE, Path(__file__).with_name("client.mjs"), scene.system.deployment.http_url, tenant)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
    node = InNode(scene, process)
    reading = asyncio.create_task(node.read())
    try:
        yield node
    finally:
        await killed(process)
        await reading


@pytest.fixture(params=["Python", "JavaScript"])
def language(request: pytest.FixtureRequest) -> str:
    """Return the language of the client."""
    return str(request.param)


def state(wanted: str) -> Callable[[Any], bool]:
    """Return a condition for an event `status`."""
    return lambda status: bool(status["state"] == wanted)


def named(wanted: str) -> Callable[[Any], bool]:
    """Return a condition for an event of a room."""
    return lambda frame: bool(frame["nickName"] == wanted)


def carrying(wanted: object) -> Callable[[Any], bool]:
    """Return a condition for a message."""
    return lambda frame: bool(frame["data"] == wanted)


async def connections(scene: Scene, tenant: TenantId, number: int) -> list[ConnectionId]:
    """Return the ids of a tenant's connections, once there are so many."""
    rows = await eventually(lambda: scene.system.connections_of(tenant), lambda rows: len(rows) == number)
    return [ConnectionId(row["connectionId"]["S"]) for row in rows]


async def test_players_talk_by_every_way_that_the_service_offers(scene: Scene, language: str) -> None:
    """A room, direct messages, the pool, a broadcast and its report, and the end of a session."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        for name in ("ann", "bob"):
            await driver.do("connect", name=name, player=name)
            await seen(driver, name, "status", state("open"))
            await driver.do("room", name=name, key="lobby")
            await seen(driver, "ann", "joined", named(name))
        assert (await driver.do("say", name="ann", content="hello, room"))["messageId"]
        assert (await seen(driver, "bob", "message"))["content"] == "hello, room"
        for number in range(3):
            await driver.do("direct", name="ann", to="bob", message=number)
        assert await seen(driver, "bob", "direct", lambda frame: frame["message"] == 2)
        numbers = [value["message"] for name, event, value in driver.events if (name, event) == ("bob", "direct")]
        assert numbers == [0, 1, 2]
        assert await driver.do("pool", name="ann", message="echo") is True
        assert (await seen(driver, "ann", "echo"))["message"]["message"] == "echo"
        accepted = await driver.do("publish", audience={"tenantId": tenant}, message={"text": "news"})
        for name in ("ann", "bob"):
            assert (await seen(driver, name, "broadcast"))["data"] == {"text": "news"}
        report = await eventually(
            lambda: driver.do("report", id=accepted["broadcastId"]), lambda report: report["status"] == "finished"
        )
        assert (report["delivered"], report["gone"], report["failed"]) == (2, 0, 0)
        await driver.do("end", session=await seen(driver, "bob", "session"))
        await seen(driver, "ann", "left")


async def test_refusals_are_typed_errors(scene: Scene, language: str) -> None:
    """A session without a player may not write; there is no silo, no such report, and no such tenant."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        await driver.do("connect", name="ann", player=None)
        await seen(driver, "ann", "status", state("open"))
        refused: dict[str, tuple[str, dict[str, Any]]] = {
            "NO_PLAYER": ("direct", {"name": "ann", "to": "bob", "message": 1}),
            "NOT_FOUND": ("report", {"id": "unknown"}),
            "INVALID_FIELD": ("publish", {"audience": {}, "message": 1}),
        }
        for code, (act, fields) in refused.items():
            with pytest.raises(LoudhailerError) as caught:
                await driver.do(act, **fields)
            assert caught.value.code == code
        assert await driver.do("silo", name="ann", message=1) is True
        assert await seen(driver, "ann", "error") == "NOT_QUEUED"
        await driver.do("close", name="ann")
        await scene.counted(tenant, 0)


async def test_a_lost_connection_is_replaced_with_its_room(scene: Scene, language: str) -> None:
    """The client is in the room again, and a direct message that it missed waits for it."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        await driver.do("connect", name="ann", player="ann")
        await driver.do("room", name="ann", key="lobby")
        await seen(driver, "ann", "joined")
        await scene.drop(lost := await connections(scene, tenant, 1))
        await driver.do("direct", name="ann", to="ann", message="while away")
        assert (await seen(driver, "ann", "direct"))["message"] == "while away"
        await eventually(lambda: [event for _, event, _ in driver.events].count("joined") > 1)
        await driver.do("say", name="ann", content="here again")
        assert (await seen(driver, "ann", "message"))["content"] == "here again"
        assert set(await connections(scene, tenant, 1)).isdisjoint(lost)


@pytest.mark.parametrize("reason", ["renewal", "move"])
async def test_the_next_connection_takes_over_without_a_gap(scene: Scene, language: str, reason: str) -> None:
    """Broadcasts that are published meanwhile come once each, over whichever connection."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        await driver.do("connect", name="ann", player="ann", seconds=1.0 if reason == "renewal" else None)
        await seen(driver, "ann", "status", state("open"))
        (first,) = await connections(scene, tenant, 1)
        if reason == "move":
            move = json.dumps({"type": "move", "overlapSeconds": 3}).encode()
            scene.system.deployment.gateway.post_to_connection(ConnectionId=first, Data=move)
        published = 0
        while first in {row["connectionId"]["S"] for row in scene.system.connections_of(tenant)}:
            await driver.do("publish", audience={"tenantId": tenant}, message=published)
            published += 1
        await driver.do("publish", audience={"tenantId": tenant}, message="the last")
        await seen(driver, "ann", "broadcast", lambda frame: frame["data"] == "the last")
        got = [value["data"] for _, event, value in driver.events if event == "broadcast"]
        assert sorted(map(str, got)) == sorted([*map(str, range(published)), "the last"])
        states = [value["state"] for _, event, value in driver.events if event == "status"]
        assert states[:2] == ["connecting", "open"]
        assert set(states[2:]) == {"open"}


async def test_a_refused_channel_does_not_disturb_the_client(scene: Scene, language: str) -> None:
    """Its error is typed: the session has no grant."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        await driver.do("connect", name="ann", player="ann")
        await driver.do("channel", name="ann", channel="news")
        assert await seen(driver, "news", "error") == "NOT_GRANTED"
        assert (await driver.do("direct", name="ann", to="ann", message=1))["messageId"]


async def test_a_follower_of_channels_gets_their_messages(scene: Scene, language: str) -> None:
    """A channel, and a prefix; also on the connection that replaces a lost one."""
    tenant = scene.tenant()
    async with driven(language, scene, tenant) as driver:
        await driver.do("connect", name="ann", player="ann", grants={"news/*": "s"})
        for channel in ("news/uk", "news/*"):
            await driver.do("channel", name="ann", channel=channel)
            await seen(driver, channel, "subscribed")
        await scene.drop(await connections(scene, tenant, 1))
        await eventually(lambda: [event for _, event, _ in driver.events].count("subscribed") >= 4)
        for channel in ("news/uk", "news/fr"):
            await driver.do("publish", audience={"tenantId": tenant, "channel": channel}, message=channel)
        for channel, expected in (("news/uk", "news/uk"), ("news/*", "news/uk"), ("news/*", "news/fr")):
            await seen(driver, channel, "message", carrying(expected))
        assert [event for _, event, _ in driver.events].count("message") == 3


# The guide


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the guide's files and both packages, built and installed without a network."""
    folder = tmp_path_factory.mktemp("packages")
    path = f"{MODULES / '.bin'}:{NODE.parent}:{os.environ['PATH']}"

    def run(*command: str | Path, cwd: Path) -> None:
        subprocess.run(command, cwd=cwd, env={**os.environ, "PATH": path}, check=True, stdout=subprocess.PIPE)

    npm = (NODE.with_name("npm"), "--offline", "--no-audit", "--no-fund", "--cache", folder / "cache")
    (folder / "package.json").write_text('{"private": true}')
    run(*npm, "pack", "--pack-destination", folder, cwd=ROOT / "clients" / "javascript")
    run(*npm, "install", *folder.glob("loudhailer-client-*.tgz"), cwd=folder)
    shutil.copy(folder / "node_modules/loudhailer-client/dist/loudhailer.min.js", folder / "loudhailer.js")
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=ROOT / "clients" / "python")
    blocks = dict(TITLED.findall(GUIDE))
    assert blocks.keys() == {"index.html", "backend.mjs", "backend.py"}
    for name, text in blocks.items():
        (folder / name).write_text(text)
    return folder


@asynccontextmanager
async def backend(name: str, folder: Path, scene: Scene, tenant: TenantId) -> AsyncIterator[str]:
    """A backend of the guide, in a process of its own; its URL, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"LOUDHAILER_URL": scene.system.deployment.http_url, "TENANT": tenant, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        NODE if name.endswith(".mjs") else sys.executable,
        name,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / WHEEL), **settings},
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as client:

            async def answers() -> bool:
                try:
                    async with client.get(url) as response:
                        return response.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(answers)
        yield url
    finally:
        await killed(process)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser."""
    async with running_browser() as browser:
        yield browser


@pytest.mark.parametrize("name", ["backend.mjs", "backend.py"])
async def test_the_guide_works_as_it_is_written(scene: Scene, browser: Browser, packages: Path, name: str) -> None:
    """Its blocks are taken out of the document: two users write to each other, and get a broadcast."""
    tenant = scene.tenant()
    async with backend(name, packages, scene, tenant) as url:
        pages = {}
        for user in ("ann", "bob"):
            page = pages[user] = await browser.new_page()
            page.on("response", _secret_keeper(scene))
            await page.goto(f"{url}/?user={user}")
            await expect(page.locator("#state")).to_have_text("open")
        await pages["ann"].get_by_label("To").fill("bob")
        await pages["ann"].get_by_label("Text").fill("psst")
        await pages["ann"].get_by_role("button", name="Send").click()
        await expect(pages["bob"].locator("#news")).to_contain_text("ann: psst")
        await expect(pages["ann"].locator("#news")).to_contain_text("to bob: psst")
        async with aiohttp.ClientSession() as client:
            async with client.post(f"{url}/announce", json={"text": "hello, crowd"}) as answer:
                assert (await answer.json())["broadcastId"]
            for page in pages.values():
                await expect(page.locator("#news")).to_contain_text("hello, crowd", timeout=PATIENCE_SECONDS * 1_000)
            async with client.post(f"{url}/session", json={"user": "not a player", "renew": False}) as answer:
                assert answer.status == 400


def _secret_keeper(scene: Scene) -> Callable[[Any], Any]:
    """Return a handler that notes the ids of sessions: the logs must not hold them."""

    async def keep(response: Any) -> None:
        if response.url.endswith("/session") and response.ok:
            scene.system.secrets.add(SessionId((await response.json())["sessionId"]))

    return keep

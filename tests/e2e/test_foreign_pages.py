"""Web pages on other origins, in a real browser, against the local stack of the person who visits them."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from tests.e2e.browser import running_browser
from tests.e2e.scene import Scene
from tests.e2e.system import System
from tools.stack.local_aws import ACCOUNT

pytestmark = pytest.mark.asyncio(loop_scope="module")

_REQUEST = """async ([method, url, type, body, mode, authorization]) => {
    const headers = { ...(type && { "Content-Type": type }), ...(authorization && { Authorization: authorization }) };
    try {
        const answer = await fetch(url, { method, headers, mode, ...(body && { body }) });
        return { type: answer.type, status: answer.status, body: await answer.text() };
    } catch (error) {
        return { type: "error", status: 0, body: "" };
    }
}"""
_CONNECT = """url => new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = () => { socket.close(); resolve("open"); };
    socket.onerror = () => reject(new Error("refused"));
})"""
_PLAIN, _FORM = "text/plain", "application/x-www-form-urlencoded"
_FUNCTION = {
    "FunctionName": "attack",
    "Runtime": "python3.13",
    "Handler": "attack.handler",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/attack",
    "Code": {"ZipFile": ""},
}
_ANY_KEY = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser for which the names of pages lead to this machine, as their owners may let them."""
    async with running_browser("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def scene(system: System) -> AsyncIterator[Scene]:
    """The test's own part of the system, in the browser's event loop."""
    async with Scene(system) as scene:
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def foreign_port() -> AsyncIterator[int]:
    """The port of a web server of another origin."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>A page</title>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def attacks(system: System) -> list[list[str]]:
    """Requests that change something: method, URL, type, body, mode, and a header that a page may ask to send."""
    aws, gateway = system.deployment.access.endpoint, system.gateway_url
    create = json.dumps(_FUNCTION)
    return [
        ["POST", f"{aws}/2015-03-31/functions", _PLAIN, create, "no-cors", ""],
        ["POST", f"{aws}/2015-03-31/functions", _PLAIN, create, "cors", ""],
        ["POST", f"{aws}/2015-03-31/functions", "application/json", create, "cors", _ANY_KEY],
        ["POST", f"{aws}/", _FORM, "Action=CreateUser&UserName=attack", "no-cors", ""],
        ["GET", f"{aws}/?Action=CreateUser&UserName=attack", "", "", "no-cors", ""],
        ["POST", f"{aws}/_ministack/reset", _PLAIN, "{}", "no-cors", ""],
        ["POST", f"{aws}/_local_aws/save", _PLAIN, "{}", "no-cors", ""],
        ["POST", f"{gateway}/_gateway/faults", _PLAIN, '{"error_rate": 1}', "no-cors", ""],
        ["POST", f"{gateway}/_gateway/close", _PLAIN, '{"count": 1000}', "no-cors", ""],
        ["GET", f"{gateway}/_gateway/connections", "", "", "cors", ""],
    ]


async def assert_nothing_happened(scene: Scene) -> None:
    """Neither the function nor the user is there, the tables are, and the gateway has no faults."""
    system = scene.system
    functions = [each["FunctionName"] for each in system.functions.list_functions(MaxItems=50)["Functions"]]
    users = system.deployment.client("iam").list_users()["Users"]
    assert "attack" not in functions
    assert users == []
    assert set(system.deployment.outputs["tables"].values()) <= set(system.dynamodb.list_tables()["TableNames"])
    assert (await scene.gateway("faults"))["error_rate"] == 0


async def answers(page: Page, requests: list[list[str]]) -> tuple[list[dict[str, Any]], list[int]]:
    """The answers as the page sees them, and the statuses of all answers that the browser got."""
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    return [await page.evaluate(_REQUEST, request) for request in requests], statuses


@pytest.mark.parametrize("host", ["attacker.example", "localhost", "127.0.0.1"])
async def test_a_page_of_another_origin_can_neither_read_nor_write(
    scene: Scene, browser: Browser, foreign_port: int, host: str
) -> None:
    """Another site and another port of this machine are other origins; open connections stay open."""
    guest = await scene.guest(scene.tenant())
    page = await browser.new_page()
    await page.goto(f"http://{host}:{foreign_port}/")
    seen, statuses = await answers(page, attacks(scene.system))
    await page.close()
    assert {(each["type"], each["status"], each["body"]) for each in seen} <= {("error", 0, ""), ("opaque", 0, "")}
    assert len(statuses) >= 7
    assert set(statuses) == {403}
    assert await guest.connection_id() in (await scene.gateway("connections"))["connection_ids"]
    await assert_nothing_happened(scene)


@pytest.mark.parametrize("server", ["local AWS", "gateway"])
async def test_a_page_with_dns_rebinding_can_neither_read_nor_write(
    scene: Scene, browser: Browser, server: str
) -> None:
    """With DNS rebinding the servers are the page's own origin: it may send any request, and read the answers."""
    at_aws = server == "local AWS"
    base = scene.system.deployment.http_url if at_aws else scene.system.gateway_url
    port, path = urlsplit(base).port, urlsplit(base).path
    page = await browser.new_page()
    answer = await page.goto(f"http://attacker.example:{port}{path}/")
    assert answer is not None
    assert answer.status == 403
    own = f"http://attacker.example:{port}"
    requests = [
        [method, f"{own}{urlsplit(url).path}", "application/json" if body else "", body, "same-origin", _ANY_KEY]
        for method, url, _, body, _, _ in attacks(scene.system)
        if urlsplit(url).port == port
    ]
    seen, statuses = await answers(page, [*requests, ["GET", f"{own}{path}/tenant", "", "", "same-origin", ""]])
    await page.close()
    assert {each["status"] for each in seen} == set(statuses) == {403}
    await assert_nothing_happened(scene)


async def test_a_page_of_another_origin_may_open_a_websocket_with_a_session_of_its_own(
    scene: Scene, browser: Browser, foreign_port: int
) -> None:
    """As with API Gateway: a client with a session may connect, from any page."""
    session = await scene.session(scene.tenant())
    page = await browser.new_page()
    await page.goto(f"http://attacker.example:{foreign_port}/")
    assert await page.evaluate(_CONNECT, session.url) == "open"
    await page.close()


async def test_the_stack_listens_on_this_machine_only(system: System) -> None:
    """The test looks at the servers and at the processes of functions."""
    servers = [psutil.Process(pid) for pid in system.pids().values() if pid is not None]
    assert len(servers) == 2
    listening = {
        connection.laddr.ip
        for server in servers
        for process in (server, *server.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}

"""The page, in real browsers."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Route, expect

from loudhailer.ids import TenantId
from tests.e2e.browser import DESKTOP, LOST, PHONE, BrowserVisitor, running_browser, visits
from tests.e2e.scene import Scene
from tests.e2e.system import System
from tests.support.waiting import eventually
from tools.stack.lifecycle import GATEWAY

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
SILO = TenantId("gold")
MARKUP = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests: its start takes longer than many of them."""
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def scene(system: System) -> AsyncIterator[Scene]:
    """The test's own part of the system, in the browser's event loop."""
    async with Scene(system) as scene:
        yield scene


async def widths(visitor: BrowserVisitor) -> tuple[int, int]:
    """Return how wide the page is, and how wide its window."""
    wide, window = await visitor.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return wide, window


async def faults_of_access(visitor: BrowserVisitor) -> list[str]:
    """Return what axe-core, an accessibility checker that nobody here wrote, finds wrong with the page as it is."""
    await visitor.page.evaluate(AXE.read_text())
    violations: list[dict[str, Any]] = await visitor.page.evaluate("axe.run().then(({ violations }) => violations)")
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in violations]


async def test_two_browsers_talk_in_a_room(scene: Scene, browser: Browser) -> None:
    """Both see each message with its author, joins and leaves; blank text is not sent."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann, bob = await asyncio.gather(visit(), visit(size=PHONE))
        await asyncio.gather(ann.connect(tenant), bob.connect(tenant))
        await ann.join("Ann")
        await bob.join("Bob")
        await expect(ann.log("Conversation")).to_contain_text("Bob joined lobby")
        await ann.say("   ")
        await ann.say("hello, Bob")
        await bob.say("hello, Ann")
        for visitor in (ann, bob):
            await expect(visitor.log("Conversation")).to_contain_text("Ann hello, Bob")
            await expect(visitor.log("Conversation")).to_contain_text("Bob hello, Ann")
        assert "   " not in await ann.log("Frames").inner_text()
        await bob.press("Session", "End session")
        await expect(bob.status).to_have_text("Not connected")
        await expect(ann.log("Conversation")).to_contain_text("Bob left")
        await scene.counted(tenant, 1)


async def test_a_direct_message_arrives_and_its_sender_sees_that_it_is_stored(scene: Scene, browser: Browser) -> None:
    """Between the players that two sessions are bound to."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann, bob, nobody = await asyncio.gather(visit(), visit(), visit())
        await asyncio.gather(ann.connect(tenant, "ann"), bob.connect(tenant, "bob"), nobody.connect(tenant))
        await ann.write("bob", "psst")
        await expect(bob.log("Direct messages")).to_contain_text("ann: psst")
        await expect(ann.log("Direct messages")).to_contain_text("to bob: psst stored")
        await expect(nobody.field("Direct messages", "Text")).to_be_disabled()


async def test_a_broadcast_updates_the_count_the_plot_and_the_report(scene: Scene, browser: Browser) -> None:
    """It is published in one browser, and arrives in both."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann, bob = await asyncio.gather(visit(), visit())
        await asyncio.gather(ann.connect(tenant), bob.connect(tenant))
        for number in (1, 2):
            await ann.publish(f"news {number}")
            for visitor in (ann, bob):
                await expect(visitor.log("Broadcasts received")).to_contain_text(f"news {number}")
                await expect(visitor.page.locator("#delivered")).to_have_text(str(number))
                await expect(visitor.page.locator("#latest")).to_contain_text("ms")
        for visitor in (ann, bob):
            plot = visitor.page.get_by_role("img", name="Latency of the last 2 broadcasts: median")
            assert (await plot.locator("path").first.get_attribute("d") or "").count("L") == 1
        await expect(ann.page.locator("#report-text")).to_contain_text("2 of 2 delivered, 0 gone, 0 failed: finished")
        progress = ann.page.get_by_role("progressbar")
        assert await progress.evaluate("bar => bar.value === bar.max")


@pytest.mark.parametrize("hours", [-1, 1])
async def test_latency_is_correct_on_a_device_with_a_wrong_clock(scene: Scene, browser: Browser, hours: int) -> None:
    """The page takes the server's time; a difference of the two clocks would be an hour."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann = await visit()
        await ann.page.add_init_script(f"const now = Date.now; Date.now = () => now() + {hours * 3_600_000};")
        await ann.page.reload()
        await ann.connect(tenant)
        await ann.publish("news")
        await expect(ann.page.locator("#latest")).to_have_text(re.compile(r"^\d{1,5} ms$"))
        await expect(ann.log("Broadcasts received")).to_have_text(re.compile(r"news\s*\d{1,5} ms$"))
        await expect(ann.page.locator("#report-text")).to_contain_text("1 of 1 delivered, 0 gone, 0 failed: finished")


async def test_echoes_return_in_order(scene: Scene, browser: Browser) -> None:
    """Silo and pooled, each by its own button; also if API Gateway answers each request with an empty frame."""
    await scene.faults(empty_frames=True)
    async with visits(browser, scene) as visit:
        ann = await visit()
        await ann.connect(SILO)
        for button in ("Silo", "Pooled"):
            for number in range(3):
                await ann.echo(f"{button} {number}", button)
            await expect(ann.log("Echoes").locator("p", has_text=f"{button} ")).to_have_text(
                [re.compile(f"{button} {number}$") for number in range(3)]
            )
        assert await ann.log("Frames").locator("p", has_text=re.compile("^[^a-z]*$")).count() == 0


@pytest.mark.image_smoke
async def test_the_page_shows_a_session_from_creation_to_end(scene: Scene, browser: Browser) -> None:
    """Tenant, session, connect, silo, pooled, disconnect, delete; the log shows every frame."""
    async with visits(browser, scene) as visit:
        ann = await visit()
        await expect(ann.field("Session", "Tenant").locator("option")).to_contain_text(["bronze", "gold", "silver"])
        async with ann.page.expect_response("**/session?*") as put:
            await ann.connect(SILO)
        assert (await (await put.value).json())["Attributes"]["sessionTTL"]
        for button in ("Silo", "Pooled"):
            await ann.echo(f"by {button}", button)
            await expect(ann.log("Echoes")).to_contain_text(f"by {button}")
            await expect(ann.log("Frames")).to_contain_text(f'{{"action":"{button}SQS","message":"by {button}"}}')
            await expect(ann.log("Frames")).to_contain_text(f'"message":{{"action":"{button}SQS"')
        await ann.press("Session", "Disconnect")
        await expect(ann.status).to_have_text("Not connected")
        async with ann.page.expect_request(lambda request: request.method == "DELETE") as deleted:
            await ann.press("Session", "End session")
        request = await deleted.value
        assert (await request.response()).status == 200  # type: ignore[union-attr]  # it has one by now
        (session,) = parse_qs(urlsplit(request.url).query)["sessionId"]
        assert (await scene.refusal(tenantId=SILO, sessionId=session)).status == 403


async def test_the_page_shows_throttling(scene: Scene, browser: Browser) -> None:
    """At least one of three messages in one minute, or two, is over the limit of one."""
    tenant = scene.tenant(messages_per_minute=1)
    async with visits(browser, scene) as visit:
        ann = await visit()
        await ann.connect(tenant)
        for number in range(3):
            await ann.echo(f"message {number}", "Pooled")
        await expect(ann.notice).to_contain_text("Wait until the next minute")


async def test_a_dropped_connection_reconnects_and_rejoins_its_room(scene: Scene, browser: Browser) -> None:
    """The page does it by itself: the visitor does nothing, and talks on."""
    tenant = scene.tenant()
    async with visits(browser, scene, *LOST) as visit:
        ann, bob = await asyncio.gather(visit(), visit())
        await asyncio.gather(ann.connect(tenant), bob.connect(tenant))
        await ann.join("Ann")
        await bob.join("Bob")
        lost = {row["connectionId"]["S"] for row in scene.system.connections_of(tenant)}
        await scene.drop(lost)
        await eventually(
            lambda: {row["connectionId"]["S"] for row in scene.system.connections_of(tenant)},
            lambda found: len(found) == 2 and found.isdisjoint(lost),
        )
        for visitor in (ann, bob):
            await expect(visitor.field("Room", "Message")).to_be_enabled()
        await ann.say("here again")
        await expect(bob.log("Conversation")).to_contain_text("Ann here again")


async def test_a_silent_listener_keeps_its_session(scene: Scene, browser: Browser) -> None:
    """It is refreshed before its time is over, and the connection stays open."""
    tenant = scene.tenant(session_seconds=6)
    async with visits(browser, scene) as visit:
        ann = await visit()
        await ann.connect(tenant)
        connections = scene.system.connections_of(tenant)
        for _ in range(2):
            await ann.page.wait_for_event("requestfinished", lambda request: request.method == "PUT")
        assert scene.system.connections_of(tenant) == connections


async def test_the_page_reconnects_after_the_gateway_was_killed(scene: Scene, browser: Browser) -> None:
    """The page says that it tries again, and is connected once there is a gateway again."""
    tenant = scene.tenant()
    async with visits(browser, scene, *LOST) as visit:
        ann = await visit()
        await ann.connect(tenant)
        await ann.join("Ann")
        pid = scene.system.pids()[GATEWAY]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await expect(ann.status).to_contain_text("again in")
        up = await asyncio.to_thread(scene.system.loudhailer, "up")
        assert up.returncode == 0, up.stderr
        await expect(ann.status).to_have_text("Connected")
        await ann.say("here again")
        await expect(ann.log("Conversation")).to_contain_text("Ann here again")


async def test_messages_of_others_are_shown_as_text(scene: Scene, browser: Browser) -> None:
    """A nickname, a room message, a direct message, a broadcast: none becomes an element, and none runs."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann, bob = await asyncio.gather(visit(), visit())
        await asyncio.gather(ann.connect(tenant, "ann"), bob.connect(tenant, "bob"))
        await bob.join("Bob")
        await ann.join("<img src=x onerror=document.title='taken'>"[:64])
        await ann.say(MARKUP)
        await ann.write("bob", MARKUP)
        await ann.publish(MARKUP)
        for log in ("Conversation", "Direct messages", "Broadcasts received"):
            await expect(bob.log(log)).to_contain_text(MARKUP)
        for visitor in (ann, bob):
            for log in ("Conversation", "Direct messages", "Broadcasts received", "Frames"):
                assert await visitor.log(log).locator("script, img").count() == 0
            assert await visitor.page.title() == "Loudhailer"


async def test_the_page_creates_no_markup_from_text(scene: Scene, browser: Browser) -> None:
    """Whatever its own code might do wrong, the policy refuses it, and the browser says so."""
    async with visits(browser, scene, "TrustedHTML", "trusted-types|Trusted Type|Content Security Policy") as visit:
        ann = await visit()
        with pytest.raises(Error, match="TrustedHTML"):
            await ann.page.evaluate(f"document.body.innerHTML = {json.dumps(MARKUP)}")
        assert ann.complaints


async def test_the_page_is_usable_by_keyboard(scene: Scene, browser: Browser) -> None:
    """From the first Tab to a word in the room."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann = await visit()
        await expect(ann.page.get_by_role("option", name=f"{tenant} (")).to_be_attached()
        keyboard = ann.page.keyboard

        async def tab_to(name: str) -> None:
            """Press Tab until the element of that name has the focus."""
            for _ in range(40):
                await keyboard.press("Tab")
                focused = await ann.page.evaluate(
                    "(document.activeElement.labels?.[0] ?? document.activeElement).textContent"
                )
                if name in focused:
                    return
            raise AssertionError(f"{name} is not to be reached")

        await tab_to("Skip to the content")
        await tab_to("Tenant")
        await keyboard.type(tenant)
        await tab_to("Create session and connect")
        await keyboard.press("Enter")
        await expect(ann.status).to_have_text("Connected")
        assert await ann.page.evaluate("document.activeElement.textContent") == "Disconnect"
        await tab_to("Nickname")
        await keyboard.type("Ann")
        await keyboard.press("Enter")
        await expect(ann.log("Conversation")).to_contain_text("Ann joined lobby")
        await tab_to("Message")
        await keyboard.type("hello")
        await keyboard.press("Enter")
        await expect(ann.log("Conversation")).to_contain_text("Ann hello")


async def test_the_page_states_that_publishing_is_not_allowed(scene: Scene, browser: Browser) -> None:
    """Before one tries, where the installation says it; after, where the answer does."""
    tenant = scene.tenant()

    async def forbid(route: Route) -> None:
        await route.fulfill(status=403, json={"message": "Forbidden"})

    async def ask_for_credentials(route: Route) -> None:
        response = await route.fetch()
        settings = '{"session":"none","broadcast":"iam"}'.replace('"', "&quot;")
        body = (await response.text()).replace('{"session":"none","broadcast":"none"}'.replace('"', "&quot;"), settings)
        await route.fulfill(response=response, body=body)

    async with visits(browser, scene, "status of 403") as visit:
        ann = await visit()
        await ann.connect(tenant)
        await ann.page.route("**/broadcast", forbid)
        await ann.publish("news")
        await expect(ann.notice).to_contain_text("POST /broadcast is not allowed from this page")
        await ann.page.route(f"{scene.system.deployment.http_url}/", ask_for_credentials)
        await ann.page.reload()
        await expect(ann.page.get_by_text("Publishing is for callers with AWS credentials")).to_be_visible()
        await expect(ann.field("Broadcasts", "Text")).to_be_disabled()


async def test_the_page_explains_a_refused_session(scene: Scene, browser: Browser) -> None:
    """The tenant is gone since the list was made."""
    tenant = scene.tenant()
    async with visits(browser, scene, "status of 400") as visit:
        ann = await visit()
        await ann.choose(tenant)
        scene.system.tenants.begin_erasing(tenant)
        await ann.press("Session", "Create session and connect")
        await expect(ann.status).to_have_text("Refused")
        await expect(ann.notice).to_contain_text("the tenant is unknown")
        await ann.page.get_by_role("button", name="Dismiss").click()
        await expect(ann.notice).to_have_text("")


@pytest.mark.parametrize(("colours", "size"), [("light", DESKTOP), ("dark", PHONE)])
async def test_the_page_is_accessible_and_fits_its_window(
    scene: Scene, browser: Browser, colours: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    """Contrast, names, structure; in light and dark, wide and narrow, with and without a connection."""
    tenant = scene.tenant()
    async with visits(browser, scene) as visit:
        ann = await visit(colours=colours, size=size)
        assert await faults_of_access(ann) == []
        await ann.connect(tenant, "ann")
        await ann.join("Ann")
        await ann.say("x" * 200)
        await ann.publish("news")
        await expect(ann.page.locator("#report-text")).to_contain_text("finished")
        await ann.write("-", "-")
        assert await faults_of_access(ann) == []
        wide, window = await widths(ann)
        assert wide <= window

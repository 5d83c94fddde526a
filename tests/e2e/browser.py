"""A person before the page, in a real browser: headless Chromium, the machine's own."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, Locator, Page, Request, async_playwright, expect

from loudhailer.ids import SessionId, TenantId
from tests.e2e.scene import Scene
from tests.support.waiting import PATIENCE_SECONDS

PATIENCE_MS = PATIENCE_SECONDS * 1000
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
"""Names of the browser, here and there; `make browser` starts one."""

LOST = ["WebSocket connection to .* failed"]
"""Complaint of a browser about a connection that was lost, or cannot be made."""

PHONE = (390, 844)
DESKTOP = (1280, 900)

expect.set_options(timeout=PATIENCE_MS)


class BrowserVisitor:
    """Person who sees the page and uses it, by the names of its parts.

    Attributes:
        page: the browser's page.
        complaints: what the page's policy refused, and every error on its console.
    """

    def __init__(self, page: Page, scene: Scene) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._scene = scene
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self._complain("error", str(error)))
        page.on("request", self._keep_secret)

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def _keep_secret(self, request: Request) -> None:
        """The session's id is made in the browser: the logs must not hold it."""
        for session in parse_qs(urlsplit(request.url).query).get("sessionId", []):
            self._scene.system.secrets.add(SessionId(session))

    @property
    def status(self) -> Locator:
        """True if there is a connection."""
        return self.page.locator("#status")

    @property
    def notice(self) -> Locator:
        """Error and remedy, as the page shows them."""
        return self.page.get_by_role("alert").get_by_role("paragraph")

    def log(self, name: str) -> Locator:
        """The list of that name."""
        return self.page.get_by_role("log", name=name)

    def field(self, section: str, label: str) -> Locator:
        """A field of a section."""
        return self.page.get_by_role("region", name=section).get_by_label(label)

    async def press(self, section: str, button: str) -> None:
        """Press a button of a section."""
        await self.page.get_by_role("region", name=section).get_by_role("button", name=button, exact=True).click()

    async def choose(self, tenant: TenantId) -> None:
        """Choose a tenant, once they are listed."""
        await expect(self.page.get_by_role("option", name=f"{tenant} (")).to_be_attached()
        await self.field("Session", "Tenant").select_option(tenant)

    async def connect(self, tenant: TenantId, player: str = "") -> None:
        """Create a session, and connect."""
        await self.choose(tenant)
        await self.field("Session", "Player").fill(player)
        await self.press("Session", "Create session and connect")
        await expect(self.status).to_have_text("Connected")

    async def join(self, nickname: str, room: str = "lobby") -> None:
        """Join a room, and see that."""
        await self.field("Room", "Room").fill(room)
        await self.field("Room", "Nickname").fill(nickname)
        await self.press("Room", "Join")
        await expect(self.log("Conversation")).to_contain_text(f"{nickname} joined {room}")

    async def say(self, text: str) -> None:
        """Say something to the room: Enter sends."""
        await self.field("Room", "Message").fill(text)
        await self.page.keyboard.press("Enter")

    async def write(self, player: str, text: str) -> None:
        """Write to a player."""
        await self.field("Direct messages", "To player").fill(player)
        await self.field("Direct messages", "Text").fill(text)
        await self.press("Direct messages", "Send")

    async def echo(self, text: str, button: str) -> None:
        """Send a text that comes back."""
        await self.field("Ordered echo", "Text").fill(text)
        await self.press("Ordered echo", button)

    async def publish(self, text: str, audience: str = "This tenant") -> None:
        """Publish a broadcast."""
        await self.field("Broadcasts", "To").select_option(audience)
        await self.field("Broadcasts", "Text").fill(text)
        await self.press("Broadcasts", "Publish")


type Visit = Callable[..., Awaitable[BrowserVisitor]]


@asynccontextmanager
async def running_browser(*arguments: str) -> AsyncIterator[Browser]:
    """The browser that visitors share, started with these arguments."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)))
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=executable, args=[*arguments]) as browser,
    ):
        yield browser


@asynccontextmanager
async def visits(browser: Browser, scene: Scene, *expected: str) -> AsyncIterator[Visit]:
    """Visitors come by calling what this gives; after the block nobody may have complained, but as is expected.

    Each has a profile of its own, so that one knows nothing of another.
    """
    visitors: list[BrowserVisitor] = []
    async with AsyncExitStack() as contexts:

        async def visit(
            *, colours: Literal["light", "dark"] = "light", size: tuple[int, int] = DESKTOP
        ) -> BrowserVisitor:
            context = await contexts.enter_async_context(
                await browser.new_context(
                    color_scheme=colours, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
                )
            )
            context.set_default_timeout(PATIENCE_MS)
            visitors.append(visitor := BrowserVisitor(await context.new_page(), scene))
            await visitor.page.goto(f"{scene.system.deployment.http_url}/")
            return visitor

        yield visit
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert [text for text in complaints if not any(re.search(pattern, text) for pattern in expected)] == []

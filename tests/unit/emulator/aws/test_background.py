"""Few requests at the background port are carried out at a time; all others are begun at once."""

import asyncio
from typing import Any

import pytest

from tools.emulator.aws.background import AT_ONCE, BackgroundRequests

PORT, BACKGROUND = 4566, 4567


class Application:
    """Notes the requests that were begun, and answers when it is allowed to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], _receive: object, _send: object) -> None:
        """Answer one request, or fail where its path says so."""
        self.begun.append(scope["path"])
        await self.may_answer.wait()
        if scope["path"] == "/fails":
            raise RuntimeError(scope["path"])


async def begun(application: Application, *requests: tuple[int, str]) -> list[asyncio.Task[None]]:
    """Send requests to the ports, and let the loop run until no more can be begun."""
    served = BackgroundRequests(application, BACKGROUND)

    async def ask(port: int, path: str) -> None:
        async def receive() -> dict[str, Any]:
            return {}

        async def send(_message: dict[str, Any]) -> None:
            pass

        await served({"type": "http", "server": ("127.0.0.1", port), "path": path}, receive, send)

    tasks = [asyncio.create_task(ask(port, path)) for port, path in requests]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_few_requests_of_the_background_are_carried_out_at_a_time() -> None:
    """The others are begun when one was answered, in the order of their arrival."""
    application = Application()
    paths = [f"/{number}" for number in range(AT_ONCE + 2)]
    tasks = await begun(application, *((BACKGROUND, path) for path in paths))
    assert application.begun == paths[:AT_ONCE]
    application.may_answer.set()
    await asyncio.gather(*tasks)
    assert application.begun == paths


async def test_other_requests_wait_for_none_of_the_background() -> None:
    """However many of them there are."""
    application = Application()
    background = [(BACKGROUND, "/background")] * (AT_ONCE + 1)
    tasks = await begun(application, *background, (PORT, "/1"), (PORT, "/2"))
    assert application.begun == ["/background"] * AT_ONCE + ["/1", "/2"]
    application.may_answer.set()
    await asyncio.gather(*tasks)


async def test_requests_that_fail_let_the_next_ones_begin() -> None:
    """Their turns end."""
    application = Application()
    application.may_answer.set()
    *failing, next_one = await begun(application, *[(BACKGROUND, "/fails")] * AT_ONCE, (BACKGROUND, "/next"))
    for failed in failing:
        with pytest.raises(RuntimeError):
            await failed
    await next_one
    assert application.begun[-1] == "/next"


async def test_the_start_of_the_server_is_no_request() -> None:
    """It has no port."""
    application = Application()
    application.may_answer.set()

    async def unused() -> dict[str, Any]:
        return {}

    async def send(_message: dict[str, Any]) -> None:
        pass

    await BackgroundRequests(application, BACKGROUND)({"type": "lifespan", "path": "lifespan"}, unused, send)
    assert application.begun == ["lifespan"]

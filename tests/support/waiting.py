"""Waiting until something holds, in coroutine tests and in others; nothing here asserts how long that takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, overload

PATIENCE_SECONDS = 60.0
"""The longest that a test waits for anything; ample, so that a slow machine is not taken for a fault."""

_POLL_SECONDS = 0.05


@overload
async def eventually[T](look: Callable[[], Awaitable[T]], holds: Callable[[T], object] = bool) -> T: ...


@overload
async def eventually[T](look: Callable[[], T], holds: Callable[[T], object] = bool) -> T: ...


async def eventually(look: Callable[[], Any], holds: Callable[[Any], object] = bool) -> Any:
    """Return what `look` finds, as soon as it holds; fail the test if it does not within `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if holds(found):
            return found
        assert time.monotonic() < deadline, f"after {PATIENCE_SECONDS:.0f} s it still is {found!r}"
        await asyncio.sleep(_POLL_SECONDS)


def wait_until[T](look: Callable[[], T | None]) -> T:
    """Return what `look` finds, as soon as it is truthy, to a test that is no coroutine."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {PATIENCE_SECONDS:.0f} s it still is {found!r}"
        time.sleep(_POLL_SECONDS)
    return found

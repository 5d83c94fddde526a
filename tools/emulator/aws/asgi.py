"""Types of ASGI applications: https://asgi.readthedocs.io/en/latest/specs/main.html."""

from collections.abc import Awaitable, Callable
from typing import Any

type AsgiMessage = dict[str, Any]
type Receive = Callable[[], Awaitable[AsgiMessage]]
type Send = Callable[[AsgiMessage], Awaitable[None]]
type Application = Callable[[AsgiMessage, Receive, Send], Awaitable[None]]

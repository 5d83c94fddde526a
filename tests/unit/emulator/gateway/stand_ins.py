"""Stand-ins for a socket in the unit tests."""

import asyncio
from typing import Any

from tools.emulator.gateway.api import Api, DeployedStage, Route, Stage
from tools.emulator.gateway.connection import OpenConnection
from tools.emulator.gateway.handshake import Handshake
from tools.emulator.gateway.limits import Limits

HOST = "abcdef123.execute-api.us-east-1.amazonaws.com"
LIMITS = Limits()


class FakeSocket:
    """Takes socket options."""

    def setsockopt(self, *_option: int) -> None:
        """Nothing to set."""


class FakeTransport(asyncio.Transport):
    """Keeps the written bytes; `waiting` is the number that the client has not read yet."""

    def __init__(self, peer: str = "127.0.0.1") -> None:
        super().__init__({"socket": FakeSocket(), "peername": (peer, 40_000), "sockname": ("127.0.0.1", 8_000)})
        self.written = b""
        self.waiting = 0
        self.closed = False
        self.aborted = False
        self.reading = True

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        """Return the test's value."""
        return self.waiting

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True

    def is_closing(self) -> bool:
        """Tell whether it was closed or aborted."""
        return self.closed or self.aborted

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


class StandInClient:
    """A connection with a socket of its own, and its reports."""

    def __init__(self, limits: Limits = LIMITS, stage: Stage | None = None, query: str = "") -> None:
        stage = stage or Stage("default")
        api = Api("abcdef123", "123456789012", "us-east-1", ("action",), {"$connect": Route("$connect")}, {})
        headers = [("HeaderAuth1", "headerValue1"), ("Host", HOST), ("User-Agent", "wscat")]
        handshake = Handshake.read(headers, query, "192.0.2.1", 443)
        self.transport = FakeTransport()
        self.texts: list[str] = []
        self.ends: list[tuple[int, str]] = []
        self.connection = OpenConnection(
            DeployedStage(api, stage, lambda: 0.0),
            handshake,
            limits,
            lambda _connection, text: self.texts.append(text),
            lambda connection: self.ends.append(connection.ended),
            later=lambda step: step(),
        )

    def opened(self) -> "StandInClient":
        """The same client after its handshake."""
        self.connection.open(self.transport)
        return self

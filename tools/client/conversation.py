"""One client to talk with: send a text, wait for a frame. For tests, and for looking at a deployment by hand."""

import asyncio
import json
from typing import Any, Self

from picows import WSMsgType

from tools.client.socket import Departure, Socket, open_socket

_TIMEOUT_SECONDS = 10.0


class Client(Socket):
    """An open WebSocket whose messages wait in a queue until they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = asyncio.Event()

    @classmethod
    async def connect(cls, url: str, headers: dict[str, str] | None = None) -> Self:
        """Open a WebSocket; HandshakeRefusedError with the status if the server does not."""
        return await open_socket(cls, url, headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await self.closed()

    def on_message(self, payload: bytes) -> None:
        """Keep the message."""
        self._messages.put_nowait(payload)

    def on_closed(self) -> None:
        """Wake the tasks that wait for the end."""
        self._closed.set()

    def send(self, message: str | bytes) -> None:
        """Send a text message, or a binary one."""
        kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
        self.transport.send(kind, message.encode() if isinstance(message, str) else message)

    def send_json(self, document: Any) -> None:
        """Send a value as JSON text."""
        self.send(json.dumps(document))

    async def receive(self, timeout: float = _TIMEOUT_SECONDS) -> bytes:  # noqa: ASYNC109 - a test states its bound
        """The next message; TimeoutError if none comes in time."""
        async with asyncio.timeout(timeout):
            return await self._messages.get()

    async def receive_json(self, timeout: float = _TIMEOUT_SECONDS) -> Any:  # noqa: ASYNC109 - a test states its bound
        """The next message, parsed; TimeoutError if none comes in time."""
        return json.loads(await self.receive(timeout))

    async def closed(self, timeout: float = _TIMEOUT_SECONDS) -> int:  # noqa: ASYNC109 - a test states its bound
        """Wait until the socket is closed; the close code, 1006 if there was no close frame."""
        async with asyncio.timeout(timeout):
            await self._closed.wait()
        return self.close_code or 0

    async def reset(self) -> None:
        """Leave without a close frame."""
        self.leave(Departure.RESET)
        await self.closed()

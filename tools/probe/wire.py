"""One HTTP/1.1 connection to the endpoint of `@connections`: its life and its protocol, which HTTP clients hide."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tools.client.http import Sign

_LENGTH = b"content-length:"


def request_bytes(method: str, url: str, sign: Sign, body: bytes = b"") -> bytes:
    """Return a signed request, ready to be sent again and again while its signature is valid, for five minutes."""
    parts = urlsplit(url)
    headers = {"Host": parts.netloc, **sign(method, url, body or None), "Content-Length": str(len(body))}
    lines = [f"{method} {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Wire:
    """The connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, url: str, protocols: list[str] | None = None) -> Self:
        """Connect to the host of a URL, and offer it these application protocols if it speaks TLS."""
        parts = urlsplit(url)
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if protocols:
                context.set_alpn_protocols(protocols)
        port = parts.port or (443 if context else 80)
        return cls(*await asyncio.open_connection(parts.hostname, port, ssl=context))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    @property
    def protocol(self) -> str | None:
        """The application protocol that the server chose; None without TLS, or where it chose none."""
        tls: ssl.SSLObject | None = self.writer.get_extra_info("ssl_object")
        return None if tls is None else tls.selected_alpn_protocol()

    async def status(self, request: bytes) -> int:
        """Send a request; the status of its answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH)]
        await self.reader.readexactly(int(lengths[0].removeprefix(_LENGTH)) if lengths else 0)
        return int(head.split(b" ", 2)[1])

    async def closed_within(self, seconds: float) -> float | None:
        """Wait for the server to close the idle connection; the seconds that passed, None if it stays open."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                await self.reader.read(1)
        except TimeoutError:
            return None
        except ConnectionError:
            pass
        return asyncio.get_running_loop().time() - started

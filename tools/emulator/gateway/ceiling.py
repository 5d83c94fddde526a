"""Measures the gateway's own ceiling: how many posts a second it can answer on this machine, with no limit set.

A measurement of a broadcast against the stand-in must know this number, or it would be mistaken for the broadcast's.
Gateway, and clients with poster, run in two processes, and share the machine as they do in a test.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection as Pipe
from typing import Any
from urllib.parse import quote

import aiohttp
import picows
import uvloop

from tools.emulator.gateway.api import Api, Stage
from tools.emulator.gateway.callers import RootKeys
from tools.emulator.gateway.faults import Faults
from tools.emulator.gateway.limits import Limits
from tools.emulator.gateway.open_files import raise_open_files
from tools.emulator.gateway.server import Gateway
from tools.emulator.perimeter.signature import new_secret, signed_headers

_ACCOUNT, _API, _STAGE = "111111111111", "ceiling", "live"
_POSTERS = 64
_CONNECTING_AT_ONCE = 200
_PAYLOAD = (
    b'{"type":"broadcast","id":"ceiling","publishedAt":1700000000000,"data":{"text":"how many of these a second?"}}'
)


class _OneApi:
    """An API without routes: a connect is accepted at once."""

    def load(self) -> Iterable[Api]:
        return [Api(_API, _ACCOUNT, "us-east-1", ("action",), {}, {_STAGE: Stage(_STAGE)})]


class _Listener(picows.WSListener):
    """A client that counts frames."""

    received = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:  # noqa: ARG002
        _Listener.received += 1


class _Poster(asyncio.Protocol):
    """One keep-alive connection that posts, waits for the answer, and posts again."""

    def __init__(self, requests: list[bytes], start: int) -> None:
        self._requests = requests
        self._next = start
        self._transport: asyncio.Transport
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._post()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            raise AssertionError(data)
        self.answered += 1
        self._post()

    def _post(self) -> None:
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += _POSTERS


def measure(sockets: int, seconds: float) -> dict[str, Any]:
    """Connect `sockets` clients, post to them one after the other for `seconds`, and count."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    secret = new_secret()
    process = context.Process(target=_run_gateway, args=(theirs, secret), daemon=True)
    process.start()
    try:
        return uvloop.run(_drive(ours.recv(), secret, sockets, seconds))
    finally:
        ours.send("stop")
        process.join(10)


def _run_gateway(pipe: Pipe, secret: str) -> None:
    raise_open_files()
    uvloop.run(_serve(pipe, secret))


async def _serve(pipe: Pipe, secret: str) -> None:
    endless = float("inf")
    gateway = Gateway(
        source=_OneApi(),
        signing_keys=RootKeys(secret),
        aws_endpoint="",
        secret=secret,
        limits=Limits(rate=endless, connect_rate=endless),
        faults=Faults(),
        drain_seconds=0.0,
    )
    async with gateway:
        pipe.send(gateway.port)
        await asyncio.to_thread(pipe.recv)


async def _drive(port: int, secret: str, sockets: int, seconds: float) -> dict[str, Any]:
    started = time.monotonic()
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    await asyncio.gather(*(_connect(port, gate) for _ in range(sockets)))
    connected = time.monotonic()
    requests = [_request(port, secret, connection_id) for connection_id in await _connection_ids(port, secret)]
    loop = asyncio.get_running_loop()
    posters = [
        (await loop.create_connection(lambda start=start: _Poster(requests, start), "127.0.0.1", port))[1]  # type: ignore[misc]
        for start in range(_POSTERS)
    ]
    before, received = time.monotonic(), _Listener.received
    posts = -sum(poster.answered for poster in posters)
    await asyncio.sleep(seconds)
    posts += sum(poster.answered for poster in posters)
    elapsed = time.monotonic() - before
    return {
        "sockets": sockets,
        "connects_per_second": round(sockets / (connected - started)),
        "posts_per_second": round(posts / elapsed),
        "frames_per_second": round((_Listener.received - received) / elapsed),
    }


async def _connect(port: int, gate: asyncio.Semaphore) -> None:
    async with gate:
        await picows.ws_connect(_Listener, f"ws://127.0.0.1:{port}/{_API}/{_STAGE}", websocket_handshake_timeout=30)


async def _connection_ids(port: int, secret: str) -> list[str]:
    url = f"http://127.0.0.1:{port}/_gateway/connections"
    headers = signed_headers("GET", url, b"", _ACCOUNT, secret)
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        ids: list[str] = (await answer.json())["connection_ids"]
    return ids


def _request(port: int, secret: str, connection_id: str) -> bytes:
    host, path = f"127.0.0.1:{port}", f"/{_API}/{_STAGE}/@connections/{quote(connection_id, safe='')}"
    headers = signed_headers("POST", f"http://{host}{path}", _PAYLOAD, _ACCOUNT, secret, service="execute-api")
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Host: {host}", f"Content-Length: {len(_PAYLOAD)}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + _PAYLOAD

"""Clients that talk with a stack; each frame has a number, by which its answers are recognised."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from picows import WSMsgType

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from tests.bench.local_stack import RunningStack
from tools.client.http import HttpApi
from tools.client.socket import Socket, open_socket, socket_url

_LARGE = 1_000_000
_LONGEST_SECONDS = 60.0
_TEXT = "x" * 100


def put_tenant(running: RunningStack, name: str) -> TenantId:
    """A tenant whose limits are all checked, and reached by nobody."""
    tenant = Tenant(
        tenant_id=TenantId(name),
        tenant_connections=_LARGE,
        connections_per_session=_LARGE,
        tenant_per_minute=_LARGE,
        session_per_minute=_LARGE,
        messages_per_minute=_LARGE,
        session_seconds=3_600,
    )
    running.deployment.tenants.put(tenant)
    return tenant.tenant_id


async def at_once[T](limit: int, tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of the tasks in their order, while no more than so many run at a time."""
    gate = asyncio.Semaphore(limit)

    async def admitted(task: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await task

    return await asyncio.gather(*map(admitted, tasks))


async def open_session(api: HttpApi, tenant: TenantId, player: str | None = None) -> str:
    """A new session; the URL that its clients connect to."""
    session = str(uuid.uuid4())
    return socket_url(await api.open_session(tenant, session, player), tenantId=tenant, sessionId=session)


@dataclass(slots=True)
class OnTheWay:
    """A frame that was sent: when it was acknowledged to its sender, and when its message, or its echo, arrived."""

    acknowledged: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    delivered: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Talker(Socket):
    """A client that sends frames."""

    def say(self, **frame: Any) -> None:
        """Send a frame."""
        self.transport.send(WSMsgType.TEXT, json.dumps(frame).encode())


class Talk:
    """The frames that a crowd of visitors has sent to each other."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._frames: dict[int, OnTheWay] = {}

    async def visitor(self, url: str) -> "BenchVisitor":
        """A client that takes part."""
        return await open_socket(lambda: BenchVisitor(self), url)

    def sent(self) -> tuple[int, OnTheWay]:
        """A new frame and its number."""
        number = next(self._numbers)
        self._frames[number] = OnTheWay()
        return number, self._frames[number]

    async def ended(self) -> None:
        """Wait until nothing is on its way any more, so that nobody pays for the load before."""
        waiting = [
            arrival
            for on_the_way in self._frames.values()
            for arrival in (on_the_way.acknowledged, on_the_way.delivered)
            if not arrival.done()
        ]
        if waiting:
            await asyncio.wait(waiting, timeout=_LONGEST_SECONDS)
        self._frames.clear()

    def came(self, frame: Any) -> None:
        """Note a visitor's frame: the first one with a number counts."""
        match frame:
            case {"message": {"number": int(number)}} | {"message": {"message": {"number": int(number)}}, "queue": _}:
                if (on_the_way := self._frames.get(number)) is not None:
                    arrival = on_the_way.acknowledged if "status" in frame else on_the_way.delivered
                    if not arrival.done():
                        arrival.set_result(time.monotonic())


class BenchVisitor(Talker):
    """One of them."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    def on_message(self, payload: bytes) -> None:
        """Note a frame."""
        self._talk.came(json.loads(payload))

    def send_numbered(self, **frame: str) -> OnTheWay:
        """Send a frame with a new number."""
        number, on_the_way = self._talk.sent()
        self.say(**frame, message={"number": number, "text": _TEXT})
        return on_the_way

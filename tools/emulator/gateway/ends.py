"""Tells `$disconnect` of connections that ended, evenly and several together.

API Gateway calls the route as well as it can, and says nothing of when:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
It has machines for a crowd that ends together. Here the crowd shares one thread of the local AWS with newcomers. So its
ends are sent at a rate that leaves the newcomers most of that thread.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property

from tools.emulator.gateway.api import DISCONNECT, LOG, Integration
from tools.emulator.gateway.connection import OpenConnection
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.events import GatewayEvent, disconnect_event
from tools.emulator.gateway.integration import TOGETHER, IntegrationFailure, Integrations, Reply

_A_SECOND = 120
_TRIES = 5
_RETRY_SECONDS = 0.2

type Start = Callable[[Coroutine[None, None, None]], None]


@dataclass
class ClosedConnection:
    """The end of a connection, for the integration of its `$disconnect`.

    Attributes:
        ended_at: epoch seconds.
        tries: number of calls that failed.
    """

    connection: OpenConnection
    integration: Integration
    ended_at: float
    with_authorizer: bool
    tries: int = 0

    @cached_property
    def event(self) -> GatewayEvent:
        """The integration's input, made when its turn has come, so that a crowd's end takes no time at once."""
        return disconnect_event(self.connection, self.ended_at, with_authorizer=self.with_authorizer)


class Ends:
    """The ends that are still to be sent; `start` runs work in the background."""

    def __init__(self, integrations: Integrations, counters: Counters, start: Start) -> None:
        self._integrations = integrations
        self._counters = counters
        self._start = start
        self._waiting: deque[ClosedConnection] = deque()
        self._telling = False

    def tell(self, end: ClosedConnection) -> None:
        """Tell an end when its turn has come."""
        self._waiting.append(end)
        if not self._telling:
            self._telling = True
            self._start(self._tell_all())

    async def _tell_all(self) -> None:
        try:
            while self._waiting:
                some = self._next_ones()
                due = time.monotonic() + len(some) / _A_SECOND
                replies = await self._integrations.call_together(some[0].integration, [end.event for end in some])
                for end, reply in zip(some, replies, strict=True):
                    self._note(end, reply)
                await asyncio.sleep(due - time.monotonic())
        finally:
            self._telling = False

    def _next_ones(self) -> list[ClosedConnection]:
        """The ends whose turn has come, all for one integration."""
        some = [self._waiting.popleft()]
        while self._waiting and len(some) < TOGETHER and self._waiting[0].integration is some[0].integration:
            some.append(self._waiting.popleft())
        return some

    def _note(self, end: ClosedConnection, reply: Reply | IntegrationFailure) -> None:
        if not isinstance(reply, IntegrationFailure):
            self._counters.disconnects_delivered += 1
        elif reply.again and end.tries + 1 < _TRIES:
            end.tries += 1
            self._start(self._tell_again(end))
        else:
            self._counters.disconnects_failed += 1
            LOG.warning("%s of %s: %s", DISCONNECT, end.connection.deployment.key, reply.cause)

    async def _tell_again(self, end: ClosedConnection) -> None:
        await asyncio.sleep(_RETRY_SECONDS * end.tries)
        self.tell(end)

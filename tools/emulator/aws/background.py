"""Requests of functions that work off queues and streams leave the others room.

In AWS each service answers any number of callers at once, so no client waits for work in the background. Here one
thread carries out all requests, one after the other. If a room of 300 talks at once, its broadcasts cause thousands of
reads and writes. An answer that waits for them all is late, and API Gateway gives the request up.

So these functions have an endpoint of their own, the background port. Four of its requests are carried out at a time:
more than one, so that transactions still meet. Requests at the other port are all begun at once.
"""

import asyncio

from tools.emulator.aws.asgi import Application, AsgiMessage, Receive, Send

AT_ONCE = 4


class BackgroundRequests:
    """An ASGI application that lets another one answer, for few requests of the background port at a time."""

    def __init__(self, application: Application, port: int) -> None:
        self._application = application
        self._port = port
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["server"][1] != self._port:
            await self._application(scope, receive, send)
            return
        async with self._turns:
            await self._application(scope, receive, send)

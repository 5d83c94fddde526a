"""Carries out the work of a crowd a few steps at a time, so that no handshake waits for all of it.

In API Gateway a crowd that ends together is spread over many machines. Here one event loop serves all connections.
"""

import asyncio
from collections import deque
from collections.abc import Callable

A_TURN = 16
"""Number of steps between two looks at the sockets: about a millisecond of work."""

type Step = Callable[[], None]


class Turns:
    """Steps that wait for their turn, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Step] = deque()
        self._is_due = False

    def add(self, step: Step) -> None:
        """Carry a step out in one of the loop's next turns."""
        self._waiting.append(step)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._take_some)

    def _take_some(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(min(A_TURN, len(self._waiting))):
            loop.call_soon(self._waiting.popleft())
        self._is_due = bool(self._waiting)
        if self._is_due:
            loop.call_soon(self._take_some)

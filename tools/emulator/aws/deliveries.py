"""The tasks that deliver batches of event source mappings."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_logger = logging.getLogger(__name__)


class Deliveries:
    """Runs deliveries on the event loop, calls `finished` after each, and can call all of them off."""

    def __init__(self, finished: Callable[[], None]) -> None:
        self._finished = finished
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, delivery: Coroutine[Any, Any, None]) -> None:
        """Run `delivery` by itself."""
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def cancel(self) -> None:
        """Call all deliveries off: their batches count as never delivered."""
        for task in self._tasks:
            task.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.error("a delivery failed", exc_info=task.exception())
        self._finished()

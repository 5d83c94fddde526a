"""The ticks within a minute: a schedule is as fine as minutes, so each of its events sends delayed messages."""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer.errors import TransientError
from loudhailer.queues.port import Queue


class EveryFewSeconds:
    """Calls `work` for each tick, and `thorough` for the schedule's event, once a minute.

    For that event it sends a queue a delayed tick for every `seconds` until the next event. While `is_wanted` is false,
    no ticks are sent.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-timers.html
    """

    def __init__(
        self,
        work: Callable[[], None],
        thorough: Callable[[], None],
        is_wanted: Callable[[], bool],
        ticks: Queue,
        *,
        seconds: int,
    ) -> None:
        self._work = work
        self._thorough = thorough
        self._is_wanted = is_wanted
        self._ticks = ticks
        self._seconds = seconds

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Handle one event; the ticks are sent first, so that further runs follow one that fails."""
        if "Records" in event:
            self._work()
            return
        if self._may_be_wanted():
            for delay in range(self._seconds, 60, self._seconds):
                self._ticks.send_all(['{"v":1}'], delay_seconds=delay)
        self._thorough()

    def _may_be_wanted(self) -> bool:
        try:
            return self._is_wanted()
        except TransientError:
            return True

"""The in-memory twins of the SQS queues."""

from collections.abc import Iterable, Mapping
from typing import override

from loudhailer.errors import TransientError
from loudhailer.queues.batching import refuse_illegal
from loudhailer.queues.port import FifoMessage, FifoQueue, Queue


class MemoryQueue(Queue):
    """Keeps the sent messages; `down` makes it refuse."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.delays: list[int] = []
        self.attributes: list[dict[str, str]] = []
        self.groups: list[str | None] = []
        self.down = False

    @override
    def send_all(
        self,
        bodies: Iterable[str],
        *,
        delay_seconds: int = 0,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        for body in bodies:
            refuse_illegal(body)
            if self.down:
                raise TransientError("the queue is down")
            self.bodies.append(body)
            self.delays.append(delay_seconds)
            self.attributes.append(dict(attributes or {}))
            self.groups.append(group)


class MemoryFifoQueue(FifoQueue):
    """Keeps the sent messages, each deduplication id of a group once; `down` makes it refuse."""

    def __init__(self) -> None:
        self.messages: list[FifoMessage] = []
        self.down = False
        self._seen: set[tuple[str, str]] = set()

    @override
    def send_all(self, messages: Iterable[FifoMessage]) -> None:
        for message in messages:
            refuse_illegal(message.body)
            if self.down:
                raise TransientError("the queue is down")
            if message[1:] not in self._seen:
                self._seen.add(message[1:])
                self.messages.append(message)

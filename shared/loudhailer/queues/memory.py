"""The in-memory twin of the SQS queue."""

from collections.abc import Iterable, Mapping

from loudhailer.errors import TransientError
from loudhailer.queues.batching import refuse_illegal


class MemoryQueue:
    """Keeps what it was sent; `down` makes it refuse."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.delays: list[int] = []
        self.attributes: list[dict[str, str]] = []
        self.down = False

    def send_all(
        self, bodies: Iterable[str], *, delay_seconds: int = 0, attributes: Mapping[str, str] | None = None
    ) -> None:
        """See `Queue.send_all`."""
        for body in bodies:
            refuse_illegal(body)
            if self.down:
                raise TransientError("the queue is down")
            self.bodies.append(body)
            self.delays.append(delay_seconds)
            self.attributes.append(dict(attributes or {}))

"""Send chunks to the shards in the background, while further chunks are still being made."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from threading import Lock

from loudhailer.queues.port import Queue

_MAX_UNSENT = 32
"""Number of messages that may wait: 6 MB of messages of the largest size."""


class Outbox:
    """Sends messages in the background, and batches the messages that wait for the same shard.

    `group` is the message group of all of them, see `Queue.send_all`.
    """

    def __init__(self, shards: Sequence[Queue], executor: Executor, *, group: str | None) -> None:
        self._shards = shards
        self._group = group
        self._executor = executor
        self._lock = Lock()
        self._waiting: list[list[str]] = [[] for _ in shards]
        self._sending: deque[Future[None]] = deque()

    def put(self, shard: int, body: str) -> None:
        """Take a message; raise the error of an earlier one that could not be sent."""
        while len(self._sending) >= _MAX_UNSENT or (self._sending and self._sending[0].done()):
            self._sending.popleft().result()
        with self._lock:
            self._waiting[shard].append(body)
        self._sending.append(self._executor.submit(self._send, shard))

    def flush(self) -> None:
        """Return when every message is in its queue; raise the error of a message that could not be sent."""
        while self._sending:
            self._sending.popleft().result()

    def _send(self, shard: int) -> None:
        """Send all messages that wait for the shard; do nothing if an earlier call has sent them."""
        with self._lock:
            bodies, self._waiting[shard] = self._waiting[shard], []
        if bodies:
            self._shards[shard].send_all(bodies, group=self._group)

"""The in-memory twin of the queue of given-up changes."""

from collections.abc import Sequence

from functions.connections.reconcile.port import Failure, FailureQueue


class MemoryFailureQueue(FailureQueue):
    """Keeps messages in a list."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)

    def receive(self) -> list[Failure]:
        """See `FailureQueue.receive`."""
        return self.failures[:10]

    def delete(self, failures: Sequence[Failure]) -> None:
        """See `FailureQueue.delete`."""
        self.failures = [failure for failure in self.failures if failure not in failures]

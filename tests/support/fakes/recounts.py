"""The in-memory twin of the queue of given-up changes."""

from collections.abc import Sequence
from typing import override

from functions.connections.reconcile.port import Failure, FailureQueue


class MemoryFailureQueue(FailureQueue):
    """Keeps messages in a list."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)

    @override
    def receive(self) -> list[Failure]:
        return self.failures[:10]

    @override
    def delete(self, failures: Sequence[Failure]) -> None:
        self.failures = [failure for failure in self.failures if failure not in failures]

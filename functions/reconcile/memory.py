"""The in-memory twin of the queue of given-up changes."""

from collections.abc import Sequence

from functions.reconcile.port import FailureQueue


class MemoryFailureQueue(FailureQueue):
    """Keeps receipts in a list."""

    def __init__(self, *receipts: str) -> None:
        self.receipts = list(receipts)

    def receive(self) -> list[str]:
        """See `FailureQueue.receive`."""
        return self.receipts[:10]

    def delete(self, receipts: Sequence[str]) -> None:
        """See `FailureQueue.delete`."""
        self.receipts = [receipt for receipt in self.receipts if receipt not in receipts]

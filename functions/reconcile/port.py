"""What `reconcile` needs of the queue that tells of changes that `accounting` gave up."""

from collections.abc import Sequence
from typing import Protocol


class FailureQueue(Protocol):
    """The on-failure destination of the stream's mapping. A message says that changes are lost, not which."""

    def receive(self) -> list[str]:
        """The receipts of some messages; an empty list if there are none."""

    def delete(self, receipts: Sequence[str]) -> None:
        """Deletes the messages that were received."""

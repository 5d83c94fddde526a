"""The queue of stream records that `accounting` gave up, as `reconcile` needs it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Failure(NamedTuple):
    """A notice that stream records were given up; `sent_at` in epoch seconds."""

    receipt: str
    sent_at: float


class FailureQueue(Protocol):
    """The on-failure destination of the stream's mapping. A message says that changes are lost, but not which ones."""

    def receive(self) -> list[Failure]:
        """Receive some messages; an empty list if there are none. A message that is not deleted is delivered again."""

    def delete(self, failures: Sequence[Failure]) -> None:
        """Delete the messages that were received."""

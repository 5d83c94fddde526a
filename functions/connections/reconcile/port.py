"""The queue of stream records that `accounting` gave up, as `reconcile` needs it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Failure(NamedTuple):
    """A message that changes were given up; `sent_at` in epoch seconds."""

    receipt: str
    sent_at: float


class FailureQueue(Protocol):
    """The on-failure destination of the stream's mapping. A message says that changes are lost, not which."""

    def receive(self) -> list[Failure]:
        """Some messages; an empty list if there are none. One that is not deleted comes again."""

    def delete(self, failures: Sequence[Failure]) -> None:
        """Delete the messages that were received."""

"""The store of the times at which each kind of lanes was last posting.

A kind of lanes is a `Priority` of messages, such as `normal` and `low`.
Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Mapping
from typing import Any, Protocol

ONCE: Mapping[str, Any] = {"attempts": 1, "seconds": 0.5}
"""Options of a client for the marks: it tries once, and not for long. The marks are read again a moment later. A mark
that came late would replace a newer one, and its kind would be taken for idle."""


class LaneStore(Protocol):
    """The marks of all kinds of lanes."""

    def mark(self, kind: str, at: int) -> None:
        """Note that lanes of the kind are posting, or are about to, at a time in epoch milliseconds."""

    def marks(self) -> Mapping[str, int]:
        """Return the last mark of each kind, all as of one moment, including every mark that was set before."""

"""The store that says when each kind of lanes was last posting.

A kind of lanes is a `Priority` of messages, such as `normal` and `low`.
Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Mapping
from typing import Any, Protocol

ONCE: Mapping[str, Any] = {"attempts": 1, "seconds": 0.5}
"""The way in which a client for the marks is made: it tries once, and not for long. They are asked for again anyway,
and a mark that came late would take the place of a newer one, so that its kind would be taken for idle."""


class LaneStore(Protocol):
    """The marks of all kinds of lanes."""

    def mark(self, kind: str, at: int) -> None:
        """Note that lanes of the kind are posting, or are about to, at a time in epoch milliseconds."""

    def marks(self) -> Mapping[str, int]:
        """The last mark of each kind that was ever marked, all as of one moment and with every mark before it."""

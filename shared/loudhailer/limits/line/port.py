"""The store of a cell's line, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later; BusyError: it is
throttled. Each call may be repeated: times that are taken twice are lost, and no two clients get the same time.
"""

from collections.abc import Collection
from typing import Protocol

from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn

LONGEST_SECONDS = 3_600
"""Longest line in seconds. A longer one was made by a wrong clock, and is started again."""


class LineStore(Protocol):
    """The ends of each cell's line, and the turns of each session."""

    def ends(self, cell: CellName) -> LineEnds:
        """Return the ends of the cell's line, read consistently."""

    def extend(self, cell: CellName, kind: Kind, seconds: float, now: float) -> LineEnds:
        """Extend the cell's line by so many seconds and return its ends.

        The seconds begin at the former end of the kind, or at `now` (epoch seconds) if that is later. They begin at
        `now`, too, if the former end is more than LONGEST_SECONDS away.
        """

    def turns(self, tenant: TenantId, session: SessionId) -> Collection[Turn]:
        """Return the kept turns of the session, read consistently; some may be over."""

    def keep(self, tenant: TenantId, session: SessionId, turn: Turn, *, expires_at: int) -> None:
        """Keep a turn, and the session's other turns, until then (epoch seconds)."""

    def use(self, tenant: TenantId, session: SessionId, turn: Turn, late: Collection[Turn]) -> bool:
        """Remove a turn, and all that are over; return False if it was removed before."""

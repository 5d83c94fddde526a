"""The store of a cell's line, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later; BusyError: it
takes no more now. Each call may be repeated: times that are taken twice are lost, and nobody gets the same one twice.
"""

from collections.abc import Collection
from typing import Protocol

from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn

LONGEST_SECONDS = 3_600
"""Length of a line. A longer one was made by a wrong clock, and starts anew."""


class LineStore(Protocol):
    """The ends of each cell's line, and the turns to each session."""

    def ends(self, cell: CellName) -> LineEnds:
        """Return the ends of the cell's line, read consistently."""

    def extend(self, cell: CellName, kind: Kind, seconds: float, now: float) -> LineEnds:
        """Extend the cell's line by so many seconds and return its ends.

        The seconds begin at the former end of the kind, or at `now` (epoch seconds) if that is later. They begin at
        `now`, too, if the former end is more than LONGEST_SECONDS away.
        """

    def turns(self, tenant: TenantId, session: SessionId) -> Collection[Turn]:
        """Return the turns to the session that are kept, read consistently; late ones may be among them."""

    def keep(self, tenant: TenantId, session: SessionId, turn: Turn, *, expires_at: int) -> None:
        """Keep a turn, and the others to the session, until then (epoch seconds)."""

    def use(self, tenant: TenantId, session: SessionId, turn: Turn, late: Collection[Turn]) -> bool:
        """Remove a turn, and late ones with it; return False if it was removed before."""

"""The in-memory twin of the line of new connections."""

from collections import defaultdict
from collections.abc import Collection
from threading import Lock
from typing import override

from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn
from loudhailer.limits.line.port import LONGEST_SECONDS, LineStore


class MemoryLineStore(LineStore):
    """Keeps the ends and the turns in dictionaries; one lock makes each change whole."""

    def __init__(self) -> None:
        self.lines: dict[CellName, LineEnds] = {}
        self.kept: defaultdict[tuple[TenantId, SessionId], set[Turn]] = defaultdict(set)
        self.expire_at: dict[tuple[TenantId, SessionId], int] = {}
        self._lock = Lock()

    @override
    def ends(self, cell: CellName) -> LineEnds:
        return self.lines.get(cell, LineEnds())

    @override
    def extend(self, cell: CellName, kind: Kind, seconds: float, now: float) -> LineEnds:
        with self._lock:
            ends = self.ends(cell)
            end = ends.of(kind)
            end = (end if now <= end <= now + LONGEST_SECONDS else now) + seconds
            is_slot = kind is Kind.SLOT
            self.lines[cell] = LineEnds(end if is_slot else ends.slot, ends.appointment if is_slot else end)
            return self.lines[cell]

    @override
    def turns(self, tenant: TenantId, session: SessionId) -> Collection[Turn]:
        return list(self.kept[tenant, session])

    @override
    def keep(self, tenant: TenantId, session: SessionId, turn: Turn, *, expires_at: int) -> None:
        self.kept[tenant, session].add(turn)
        self.expire_at[tenant, session] = expires_at

    @override
    def use(self, tenant: TenantId, session: SessionId, turn: Turn, late: Collection[Turn]) -> bool:
        with self._lock:
            kept = self.kept[tenant, session]
            found = turn in kept
            kept.difference_update([turn, *late])
            return found

"""The cell that a session or a player is on."""

from dataclasses import dataclass

from loudhailer.ids import CellName, PlayerId, SessionId

KEPT_SECONDS = 7 * 24 * 3600
"""Seconds for which a placement is kept after the last `PUT /session`."""

FORMER_SECONDS = 7_500
"""Seconds for which a connection may live on its session's former cell: two hours, and a handshake's caches.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The cell of a session or a player.

    Attributes:
        cell: the cell.
        version: 1 for the first one, and one more with each change.
        expires_at: epoch seconds; from then on the placement does not count.
        player: the player that a session is bound to, as far as is known; None for a player's own.
        former: the cell before this one.
        former_until: epoch seconds; until then the former cell may have connections.
        is_provisional: nobody has asked for a session yet. It says where messages to the player are collected, and the
            first session is placed as if there were no placement.
        waits_elsewhere: messages to the player may wait on other cells: a request to forward them was given up.
    """

    cell: CellName
    version: int
    expires_at: int
    player: PlayerId | None = None
    former: CellName | None = None
    former_until: int = 0
    is_provisional: bool = False
    waits_elsewhere: bool = False

    def is_fresh(self, now: float) -> bool:
        """Tell whether more than half of its time remains, so that it need not be extended."""
        return self.expires_at - now > KEPT_SECONDS / 2

    def has_moved_since(self, then: float) -> bool:
        """Tell whether it was on another cell at that time, in epoch seconds, and a cell before that is known."""
        return self.former is not None and self.former_until - FORMER_SECONDS >= then


def placement_after(seen: Placement | None, cell: CellName, player: PlayerId | None, now: int) -> Placement:
    """Return the placement on the cell that follows the seen one."""
    expires_at = now + KEPT_SECONDS
    if seen is None:
        return Placement(cell=cell, version=1, expires_at=expires_at, player=player)
    has_moved = seen.cell != cell
    return Placement(
        cell=cell,
        version=seen.version + 1,
        expires_at=expires_at,
        player=player,
        former=seen.cell if has_moved else seen.former,
        former_until=now + FORMER_SECONDS if has_moved else seen.former_until,
        waits_elsewhere=seen.waits_elsewhere,
    )


def name_of_session(session: SessionId) -> str:
    """The name of a session's placement."""
    return f"session#{session}"


def name_of_player(player: PlayerId) -> str:
    """The name of a player's placement."""
    return f"player#{player}"

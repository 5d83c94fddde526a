"""The cells that take part: they get new sessions, and the tenants' limits are divided over them."""

from collections.abc import Mapping

from loudhailer.cells.model import CellStatus
from loudhailer.ids import HUB, CellName
from loudhailer.observability import count


def cells_taking_part(
    statuses: Mapping[CellName, CellStatus],
    weights: Mapping[CellName, float],
    *,
    own: CellName,
    now: float,
    lease_seconds: int,
) -> Mapping[CellName, float]:
    """Return the cells that are alive and have a weight above 0, each with that weight.

    An operator's weight counts in place of the declared one. A cell that never had a lease does not take part. The cell
    `own` and the hub's cell, which has no lease, count as alive.

    If cells with more than half of the weight have outdated leases, these cells count as alive. A storm that throttles
    Lambda delays leases, and the remaining cells must not get all of it.
    """
    effective = {
        cell: weights[cell] if status.ordered_weight is None else status.ordered_weight
        for cell, status in statuses.items()
        if status.lease is not None or cell in {HUB, own}
    }
    with_weight = {cell: weight for cell, weight in effective.items() if weight > 0}
    lost = {cell for cell in with_weight if cell != own and _is_lost(statuses[cell], now, lease_seconds)}
    if 2 * sum(with_weight[cell] for cell in lost) > sum(with_weight.values()):
        count("CellsLostTogether")
        return with_weight
    return {cell: weight for cell, weight in with_weight.items() if cell not in lost}


def _is_lost(status: CellStatus, now: float, lease_seconds: int) -> bool:
    return status.lease is not None and not status.lease.is_alive(now, lease_seconds)

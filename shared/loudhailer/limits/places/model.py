"""Owners of a limited number of rows, and the places that are taken in them.

Every writer takes a place before it adds a row. Places are not returned when rows are deleted, because rows are deleted
in many ways, also by a TTL. Instead, when all places are taken, the rows are counted, and the count replaces the number
of places taken. So a row costs one write and a refusal one or two, and the number is never wrong for long. Rows are
counted at most once in `recount_seconds`, and for a few seconds at most, since a client waits. If counting takes
longer, the owner stays full.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loudhailer.deadline import Deadline
from loudhailer.ids import PlayerId, TenantId
from loudhailer.limits.places.port import PlaceStore
from loudhailer.observability import count, logger

_COUNTING_SECONDS = 3.0
"""Time limit for counting, several times the time for a hundred thousand sessions; functions that count have ten
seconds."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An owner of rows of a tenant: its sessions, or one inbox.

    Attributes:
        tenant: the tenant.
        name: `sessions`, or `inbox#{playerId}`.
        recount_seconds: seconds for which a count of its rows is valid.
    """

    tenant: TenantId
    name: str
    recount_seconds: int


def sessions_of(tenant: TenantId) -> Holder:
    """Return the owner of the tenant's sessions, up to hundreds of thousands: count them once a minute at most."""
    return Holder(tenant, "sessions", recount_seconds=60)


_INBOX = "inbox#"


def inbox_of(tenant: TenantId, player: PlayerId) -> Holder:
    """Return the owner of the messages in a player's inbox."""
    return Holder(tenant, f"{_INBOX}{player}", recount_seconds=10)


def player_of(name: str) -> PlayerId | None:
    """Return the player whose inbox has the name; None if it is not an inbox's name."""
    return PlayerId(name.removeprefix(_INBOX)) if name.startswith(_INBOX) else None


def take_place(
    places: PlaceStore,
    holder: Holder,
    maximum: int,
    *,
    rows: Callable[[], Iterable[int]],
    now: int,
    expires_at: int,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Take a place for one more row; return False if the holder seems to be full.

    Args:
        places: the store of taken places.
        holder: the owner of the row.
        maximum: the number of places.
        rows: yields the number of existing rows, page by page.
        now: epoch seconds.
        expires_at: epoch seconds; the row does not exist any more at that time.
        monotonic: a monotonic clock, in seconds.

    Raises:
        TransientError: it is not known whether a place was taken.
    """
    if places.take(holder.tenant, holder.name, maximum, expires_at=expires_at):
        return True
    seen = places.claim_count(holder.tenant, holder.name, now=now, every=holder.recount_seconds)
    if seen is None:
        return False
    counted = _counted(rows(), maximum, monotonic)
    if counted is None:
        count("PlacesNotCounted")
        logger.warning("rows could not be counted in time; their places stay taken", tenant_id=holder.tenant)
        return False
    places.correct(holder.tenant, holder.name, seen=seen, counted=counted)
    return places.take(holder.tenant, holder.name, maximum, expires_at=expires_at)


def _counted(pages: Iterable[int], maximum: int, monotonic: Callable[[], float]) -> int | None:
    """Sum the rows of the pages until the maximum is reached; None if time runs out before."""
    deadline = Deadline.after(_COUNTING_SECONDS, monotonic)
    counted = 0
    for rows in pages:
        counted += rows
        if counted >= maximum:
            break
        if deadline.is_over():
            return None
    return counted

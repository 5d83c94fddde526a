"""Something that holds a limited number of rows, and the places that are taken in it.

Whoever adds a row takes a place first. Nobody gives one back: rows go in many ways, by a TTL too. When all places are
taken the rows are counted, and the count takes their place. So a place costs one write, a refusal one or two, and
nothing can drift for long. Rows are counted once in `recount_seconds` at most, however many ask, and for a few seconds
at most: whoever counts has a client that waits. What cannot be counted in that time stays full.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loudhailer.deadline import Deadline
from loudhailer.ids import PlayerId, TenantId
from loudhailer.limits.places.port import PlaceStore
from loudhailer.observability import count, logger

_COUNTING_SECONDS = 3.0
"""Several times what a hundred thousand sessions take; functions that count have ten seconds."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An owner of rows of a tenant: its sessions, or one inbox.

    Attributes:
        tenant: the tenant.
        name: `sessions`, or `inbox#{playerId}`.
        recount_seconds: how long a count of its rows is believed.
    """

    tenant: TenantId
    name: str
    recount_seconds: int


def sessions_of(tenant: TenantId) -> Holder:
    """The tenant, which holds its sessions: up to hundreds of thousands, so they are counted once a minute at most."""
    return Holder(tenant, "sessions", recount_seconds=60)


_INBOX = "inbox#"


def inbox_of(tenant: TenantId, player: PlayerId) -> Holder:
    """The inbox of a player, which holds messages."""
    return Holder(tenant, f"{_INBOX}{player}", recount_seconds=10)


def player_of(name: str) -> PlayerId | None:
    """The player whose inbox has the name; None for what is no inbox."""
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
    """Take a place for one more row; False if the holder is full, as far as is known.

    Args:
        places: the places that are taken.
        holder: the owner of the row.
        maximum: the number of places.
        rows: counts the rows that there are, page by page.
        now: epoch seconds.
        expires_at: epoch seconds; from then on nobody needs to know that the holder had this row.
        monotonic: a clock that does not go back, in seconds.

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
    """The rows in the pages, those beyond the maximum not all; None if the time is over before they are counted."""
    deadline = Deadline.after(_COUNTING_SECONDS, monotonic)
    counted = 0
    for rows in pages:
        counted += rows
        if counted >= maximum:
            break
        if deadline.is_over():
            return None
    return counted

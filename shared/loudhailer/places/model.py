"""Something that holds a limited number of rows, and the places that are taken in it.

Whoever adds a row takes a place first. Nobody gives one back: rows go in many ways, by a TTL too. When all places are
taken the rows are counted, and the count takes their place. So a place costs one write, a refusal one or two, and
nothing can drift for long. Rows are counted once in `recount_seconds` at most, however many ask.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loudhailer.ids import PlayerId, TenantId
from loudhailer.places.port import PlaceStore


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
    places: PlaceStore, holder: Holder, maximum: int, *, count: Callable[[], int], now: int, expires_at: int
) -> bool:
    """Takes a place for one more row; False if the holder is full, as `count` last said.

    `expires_at`, in epoch seconds, is when nobody needs to know any more that the holder had this row.

    Raises:
        TransientError: it is not known whether a place was taken.
    """
    if places.take(holder.tenant, holder.name, maximum, expires_at=expires_at):
        return True
    seen = places.claim_count(holder.tenant, holder.name, now=now, every=holder.recount_seconds)
    if seen is None:
        return False
    places.correct(holder.tenant, holder.name, seen=seen, counted=count())
    return places.take(holder.tenant, holder.name, maximum, expires_at=expires_at)

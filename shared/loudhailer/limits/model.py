"""Counters of a minute, and a tenant's total of connections."""

from dataclasses import dataclass
from typing import NamedTuple

from loudhailer.ids import PlayerId, ProbeId, SessionId, TenantId


class Inquiry(NamedTuple):
    """A tenant's total that may be wrong, as far as `reconcile` has looked into it.

    Attributes:
        at: when it last looked, epoch seconds.
        reserved: how many reservations had been made at its first look.
        rows: how many rows the tenant's connections had at its second look; None before.
        probe: what was put behind the rows then.
    """

    at: int
    reserved: int
    rows: int | None = None
    probe: ProbeId | None = None


@dataclass(frozen=True, slots=True)
class MinuteCounter:
    """A counter that begins anew every minute; made by the functions below.

    Its keys are `{name}:{epoch}`, the epoch second that the minute begins with. No id has a `:` in it, so two counters
    never share a key, and every key leads with its tenant.
    """

    name: str

    def key(self, now: int) -> str:
        """The key of the minute that the second `now` is in."""
        return f"{self.name}:{minute_of(now)}"


def minute_of(now: int) -> int:
    """The epoch second that the minute of `now` begins with."""
    return now - now % 60


def connects_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Attempts to connect, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minute")


def connects_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Attempts to connect, of one session."""
    return MinuteCounter(f"{tenant}:{session}:minute")


def messages_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Messages to the silo and the pool, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minutemsg")


def messages_of_player(tenant: TenantId, player: PlayerId) -> MinuteCounter:
    """Direct messages and messages to rooms, of one player."""
    return MinuteCounter(f"{tenant}:{player}:minutemsg")


def frames_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session for rooms and players, whatever became of them."""
    return MinuteCounter(f"{tenant}:{session}:frames")


def queued_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Messages of one session to the silo and the pool, whatever became of them."""
    return MinuteCounter(f"{tenant}:{session}:queued")


def others_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session that no other route takes: pings, and what makes no sense."""
    return MinuteCounter(f"{tenant}:{session}:others")


def posts_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Posts that one session causes in rooms."""
    return MinuteCounter(f"{tenant}:{session}:posts")


def posts_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Posts that all sessions of the tenant cause in rooms."""
    return MinuteCounter(f"{tenant}:posts")


def share_of(limit: int, share: float) -> int:
    """The most that one session gets of its tenant's limit: the share of it, and one at least."""
    return max(1, int(limit * share))


@dataclass(frozen=True, slots=True)
class TenantTotal:
    """A tenant's total.

    Attributes:
        count: how many connections are reserved for it now.
        reserved: how many reservations were ever made, those that were given back included.
        inquiry: `reconcile` looks into it.
    """

    count: int = 0
    reserved: int = 0
    inquiry: Inquiry | None = None

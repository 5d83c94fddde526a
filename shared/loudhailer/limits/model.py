"""Counters of a minute, and a tenant's total of connections."""

from dataclasses import dataclass
from typing import NamedTuple

from loudhailer.ids import PlayerId, ProbeId, SessionId, TenantId


class Inquiry(NamedTuple):
    """The state of `reconcile`'s inquiry into a total that may be wrong.

    Attributes:
        at: time of its last look, in epoch seconds.
        reserved: number of reservations at its first look.
        rows: number of rows of the tenant's connections at its second look; None before.
        probe: the probe that it put then.
    """

    at: int
    reserved: int
    rows: int | None = None
    probe: ProbeId | None = None


@dataclass(frozen=True, slots=True)
class MinuteCounter:
    """A counter that starts at 0 every minute; the functions below make it.

    Its keys are `{name}:{epoch}`, with the epoch second of the minute's start. No id contains a `:`, so two counters
    never share a key, and every key begins with its tenant.
    """

    name: str

    def key(self, now: int) -> str:
        """The key of the minute that the second `now` is in."""
        return f"{self.name}:{minute_of(now)}"


def minute_of(now: int) -> int:
    """Return the epoch second at which the minute of `now` begins."""
    return now - now % 60


def connects_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Attempts to connect, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minute")


def connects_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Attempts to connect, of one session."""
    return MinuteCounter(f"{tenant}:{session}:minute")


def connects_past_the_line(tenant: TenantId) -> MinuteCounter:
    """Clients of the tenant that went past the line."""
    return MinuteCounter(f"{tenant}:past")


def appointments_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Appointments that the tenant's clients were given, see `loudhailer.limits.line`."""
    return MinuteCounter(f"{tenant}:appointments")


def messages_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Messages to the silo and the pool, of all sessions of the tenant."""
    return MinuteCounter(f"{tenant}:minutemsg")


def messages_of_player(tenant: TenantId, player: PlayerId) -> MinuteCounter:
    """Direct messages and messages to rooms, of one player."""
    return MinuteCounter(f"{tenant}:{player}:minutemsg")


def frames_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session for rooms and players, refused ones included."""
    return MinuteCounter(f"{tenant}:{session}:frames")


def queued_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Messages of one session to the silo and the pool, refused ones included."""
    return MinuteCounter(f"{tenant}:{session}:queued")


def others_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Frames of one session that no other route takes: pings, and frames that cannot be understood."""
    return MinuteCounter(f"{tenant}:{session}:others")


def posts_of_session(tenant: TenantId, session: SessionId) -> MinuteCounter:
    """Posts that one session causes in rooms."""
    return MinuteCounter(f"{tenant}:{session}:posts")


def posts_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Posts that all sessions of the tenant cause in rooms."""
    return MinuteCounter(f"{tenant}:posts")


def new_channels_of_tenant(tenant: TenantId) -> MinuteCounter:
    """Patterns that nobody of the tenant was subscribed to before, by hundreds."""
    return MinuteCounter(f"{tenant}:channels")


def share_of(limit: int, share: float) -> int:
    """Return the part of its tenant's limit that one session may use: the share, and at least one."""
    return max(1, int(limit * share))


@dataclass(frozen=True, slots=True)
class TenantTotal:
    """A tenant's total.

    Attributes:
        count: number of connections that are reserved now.
        reserved: number of all reservations ever made, including released ones.
        inquiry: the inquiry of `reconcile`, if the total may be wrong.
    """

    count: int = 0
    reserved: int = 0
    inquiry: Inquiry | None = None

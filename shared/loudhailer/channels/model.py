"""A connection's subscription to a pattern of channels, and the member that it makes.

A subscription has two readers. A sender asks for the members of a channel, and the end of a connection for the channels
of the connection. No key answers both, so a subscription is two rows: itself, and its member.

Frames of one client run side by side. Each of them gives the subscription its next turn, and the last turn decides: a
member that was put in an earlier turn never replaces a later one. An era is one life of the subscription's row.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, Partition, Pattern, TenantId, channel_key, nth_partition

SETTLED_SECONDS = 60
"""Seconds after which no function is at work any more that found a row as it was before. Functions that put
subscriptions or members end sooner, see the variable `functions` of Terraform's module `channels`."""

LEFT_AGAIN_SECONDS = 90
"""Seconds after which it is made sure that an unsubscription has ended: more than SETTLED_SECONDS after its turn."""


class SubscriberKey(NamedTuple):
    """A connection as its subscriptions name it: its tenant, and its id."""

    tenant: TenantId
    connection: ConnectionId

    @classmethod
    def of(cls, key: ConnectionKey) -> Self:
        """The subscriber of a connection's row, or of a member."""
        return cls(ids.tenant_of(key.partition), key.connection_id)

    @classmethod
    def of_key(cls, key: object) -> Self:
        """Read the subscriber from a key; InvalidFieldError for anything else."""
        tenant, _, connection = key.partition("#") if isinstance(key, str) else ("", "", "")
        return cls(ids.tenant_id(tenant), ids.connection_id(connection))

    @property
    def key(self) -> str:
        """The key of its subscriptions, `{tenantId}#{connectionId}`."""
        return f"{self.tenant}#{self.connection}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A connection's subscription to a pattern.

    Attributes:
        connection: the key of the connection's row.
        pattern: what it is subscribed to.
        number: the number of its member's partition.
        era: random, and new whenever the row is made.
        turn: grows with each frame that subscribes or unsubscribes.
        changed_at: time of its last turn, in epoch seconds.
        expires_at: end of its connection's row, in epoch seconds.
        is_gone: the last turn has unsubscribed.
    """

    connection: ConnectionKey
    pattern: Pattern
    number: int
    era: str
    turn: int
    changed_at: int
    expires_at: int
    is_gone: bool = False

    @property
    def subscriber(self) -> SubscriberKey:
        """The connection that it belongs to."""
        return SubscriberKey.of(self.connection)

    @property
    def member(self) -> ConnectionKey:
        """The key of its member."""
        return ConnectionKey(self.partition, self.connection.connection_id)

    @property
    def partition(self) -> Partition:
        """The partition of its member."""
        return nth_partition(channel_key(self.subscriber.tenant, self.pattern), self.number)

    def is_live(self, now: float) -> bool:
        """Tell whether it is subscribed, and its connection's row has not expired."""
        return not self.is_gone and self.expires_at > now


@dataclass(frozen=True, slots=True)
class ChannelMember:
    """A member of a pattern's channels: a recipient of their messages.

    Attributes:
        key: its key among the members.
        era: the era of its subscription.
        turn: the turn that has put it.
        connected_at: time at which its connection was made, in epoch seconds.
        expires_at: end of its connection's row, in epoch seconds.
    """

    key: ConnectionKey
    era: str
    turn: int
    connected_at: int
    expires_at: int

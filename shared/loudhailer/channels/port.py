"""The stores of subscriptions and members, as use cases need them.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Iterable
from typing import Protocol

from loudhailer.channels.model import ChannelMember, SubscriberKey, Subscription
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import Pattern, TenantId


class SubscriptionStore(Protocol):
    """The subscriptions. Reads are consistent, and return gone and expired ones, too."""

    def begin(self, wanted: Subscription) -> Subscription:
        """Give the subscription its next turn, in which it is subscribed; make it if there is none.

        Return it as it is then. One that existed keeps its number and its era.
        """

    def get(self, subscriber: SubscriberKey, pattern: Pattern) -> Subscription | None:
        """Return the subscription; None if there is no such row."""

    def of(self, subscriber: SubscriberKey) -> list[Subscription]:
        """Return all subscriptions of the connection in the order of their patterns."""

    def leave(self, subscription: Subscription, now: int, *, of_turn: bool = False) -> Subscription | None:
        """Give the subscription its next turn, in which it is gone; return it as it is then.

        Return None, and change nothing, if it is of another era by now, or with `of_turn`, of another turn.
        """

    def delete(self, subscription: Subscription) -> None:
        """Delete the subscription, unless a turn came after it was read; a missing row is ignored."""

    def delete_all(self, subscriptions: Iterable[Subscription]) -> None:
        """Do as `delete` for any number of them in few calls. After an error, the call may be repeated."""

    def forget(self, tenant: TenantId) -> int:
        """Delete all subscriptions of an erased tenant; return their number.

        This reads all tenants' rows, and is meant for an operator who erases a tenant.
        """


class MemberStore(Protocol):
    """The members."""

    def put(self, member: ChannelMember) -> bool:
        """Put the member in place of one of another era, or of an earlier turn.

        Return False, and change nothing, if there is one of a later turn.
        """

    def delete(self, key: ConnectionKey, *, era: str, before: int) -> None:
        """Delete the member if it is of this era, and of a turn before that number; others are left alone."""

    def forget(self, tenant: TenantId) -> int:
        """Delete all members of an erased tenant; return their number.

        This reads all tenants' rows, and is meant for an operator who erases a tenant.
        """

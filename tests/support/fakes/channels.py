"""In-memory twins of the stores of subscriptions and members."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import override

from loudhailer.channels.model import ChannelMember, SubscriberKey, Subscription
from loudhailer.channels.port import MemberStore, SubscriptionStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import Pattern, TenantId, tenant_of
from tests.support.fakes.connections import MemoryConnectionStore


class MemorySubscriptionStore(SubscriptionStore):
    """Keeps subscriptions in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[SubscriberKey, Pattern], Subscription] = {}

    @override
    def begin(self, wanted: Subscription) -> Subscription:
        former = self.rows.get((wanted.subscriber, wanted.pattern))
        begun = replace(wanted, turn=1)
        if former is not None:
            begun = replace(wanted, number=former.number, era=former.era, turn=former.turn + 1)
        self.rows[wanted.subscriber, wanted.pattern] = begun
        return begun

    @override
    def get(self, subscriber: SubscriberKey, pattern: Pattern) -> Subscription | None:
        return self.rows.get((subscriber, pattern))

    @override
    def of(self, subscriber: SubscriberKey) -> list[Subscription]:
        return [row for (of, _), row in sorted(self.rows.items()) if of == subscriber]

    @override
    def leave(self, subscription: Subscription, now: int, *, of_turn: bool = False) -> Subscription | None:
        key = subscription.subscriber, subscription.pattern
        row = self.rows.get(key)
        if row is None or row.era != subscription.era or (of_turn and row.turn != subscription.turn):
            return None
        self.rows[key] = replace(row, turn=row.turn + 1, changed_at=now, is_gone=True)
        return self.rows[key]

    @override
    def delete(self, subscription: Subscription) -> None:
        key = subscription.subscriber, subscription.pattern
        row = self.rows.get(key)
        if row is not None and row.turn == subscription.turn:
            del self.rows[key]

    @override
    def delete_all(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in subscriptions:
            self.delete(subscription)

    @override
    def forget(self, tenant: TenantId) -> int:
        found = [key for key in self.rows if key[0].tenant == tenant]
        for key in found:
            del self.rows[key]
        return len(found)


class MemoryMemberStore(MemberStore):
    """Keeps members in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[ConnectionKey, ChannelMember] = {}

    @override
    def put(self, member: ChannelMember) -> bool:
        row = self.rows.get(member.key)
        if row is not None and row.era == member.era and row.turn > member.turn:
            return False
        self.rows[member.key] = member
        return True

    @override
    def delete(self, key: ConnectionKey, *, era: str, before: int) -> None:
        row = self.rows.get(key)
        if row is not None and row.era == era and row.turn < before:
            del self.rows[key]

    @override
    def forget(self, tenant: TenantId) -> int:
        found = [key for key in self.rows if tenant_of(key.partition) == tenant]
        for key in found:
            del self.rows[key]
        return len(found)


class MemoryRecipientStore(MemoryConnectionStore):
    """The members as the store of connections reads and deletes them."""

    def __init__(self, members: MemoryMemberStore) -> None:
        super().__init__()
        self._members = members

    @override
    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        rows = self._members.rows
        return {key: rows[key].connected_at for key in keys if key in rows}

    @override
    def delete(self, key: ConnectionKey) -> None:
        self._members.rows.pop(key, None)

"""End subscriptions whose connections are over, and finish unsubscriptions.

Every message may come twice, late, or before another one: each finds what is left, and deletes it. Members go before
their subscriptions, so that a repetition finds what a killed function has left.

A connection's end is handled twice. The first time, a `subscribe` may still be at work that has found the connection's
row. It puts the subscription before the member, so a young subscription stays to tell of its member. The last time, a
minute later, no such function is at work any more: whatever is found is deleted.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from loudhailer.channels.leaving import Ended, Gone, Leaving, Left, from_wire
from loudhailer.channels.model import SETTLED_SECONDS, SubscriberKey, Subscription
from loudhailer.channels.port import MemberStore, SubscriptionStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.observability import count
from loudhailer.queues.consumer import Failures
from loudhailer.queues.port import Queue


class LeaveChannels:
    """Handles a batch of messages; `queue` is the one that they come from.

    `recipients` is the store of connections on the table of members, which deletes many of them at once.
    """

    def __init__(
        self,
        subscriptions: SubscriptionStore,
        members: MemberStore,
        recipients: ConnectionStore,
        connections: ConnectionStore,
        queue: Queue,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._subscriptions = subscriptions
        self._members = members
        self._recipients = recipients
        self._connections = connections
        self._queue = queue
        self._clock = clock

    def __call__(self, bodies: Mapping[str, str], *, deadline: Deadline) -> Failures:
        """Handle each message until the deadline; return the failed message ids.

        Messages but the first, and connections but a message's first, are sent to the queue again behind the deadline.
        """
        failures: dict[str, Exception] = {}
        for place, (message_id, body) in enumerate(bodies.items()):
            try:
                message = from_wire(body)
                if place and deadline.is_over():
                    self._send_again(message)
                else:
                    self._handle(message, deadline)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other messages go on
                failures[message_id] = error
        return failures

    def _handle(self, message: Leaving, deadline: Deadline) -> None:
        match message:
            case Left(subscriber, eras):
                for pattern, era in eras.items():
                    self._finish(self._subscriptions.get(subscriber, pattern), era)
            case Ended(subscribers, is_last):
                for done, subscriber in enumerate(subscribers):
                    if done and deadline.is_over():
                        return self._send_again(Ended(subscribers[done:], is_last))
                    self._end(self._subscriptions.of(subscriber), is_last=is_last)
            case Gone(members):
                for done, member in enumerate(members):
                    if done and deadline.is_over():
                        return self._send_again(Gone(members[done:]))
                    self._end_gone(member)
        return None

    def _send_again(self, rest: Leaving) -> None:
        self._queue.send_all([rest.to_wire()])
        count("LeavingHandedBack")

    def _finish(self, subscription: Subscription | None, era: str) -> None:
        """Finish an unsubscription that may have been killed before it deleted the member."""
        if subscription is None or subscription.era != era or not subscription.is_gone:
            return
        self._members.delete(subscription.member, era=era, before=subscription.turn)
        if self._is_settled(subscription):
            self._subscriptions.delete(subscription)

    def _end_gone(self, member: ConnectionKey) -> None:
        """End the connection of a member; its row's stream record has the same done again."""
        found = self._subscriptions.of(SubscriberKey.of(member))
        for connection in {one.connection for one in found}:
            self._connections.delete(connection)
        self._end(found, is_last=False, also=[member])

    def _end(self, found: Sequence[Subscription], *, is_last: bool, also: Collection[ConnectionKey] = ()) -> None:
        members = {*also, *(one.member for one in found)}
        self._recipients.delete_all(sorted(members))
        self._subscriptions.delete_all(one for one in found if is_last or self._is_settled(one))
        count("MemberRemoved", len(members))

    def _is_settled(self, subscription: Subscription) -> bool:
        return subscription.changed_at <= self._clock() - SETTLED_SECONDS

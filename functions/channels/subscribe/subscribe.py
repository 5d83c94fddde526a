"""Subscribe a connection to channels, and unsubscribe it.

A client that has the acknowledgement of a subscription gets every later message. Its member is committed before the
acknowledgement, in a partition whose row exists, and senders read partitions and members consistently.

A subscription that a function has begun and not completed stays behind without an answer. The client repeats it, or the
end of the connection deletes it. Nothing is resurrected: the subscription is put before the member, and only after the
connection's row was found. When both are put, the connection and the subscriptions are read again. So either this
function sees that the connection has ended, or the function that ends it later sees the subscription.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from loudhailer import ids
from loudhailer.channels.leaving import Left
from loudhailer.channels.model import LEFT_AGAIN_SECONDS, ChannelMember, SubscriberKey, Subscription
from loudhailer.channels.port import MemberStore, SubscriptionStore
from loudhailer.connections.ends import group_of
from loudhailer.connections.model import Connection
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import ErrorCode, InvalidFieldError, TransientError
from loudhailer.ids import Pattern, channel_key, number_of
from loudhailer.limits.new_channels import NewChannels
from loudhailer.observability import count, logger
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.queues.port import Queue
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.replies import CONNECTION_OVER, channels_frame

CHANNELS_A_FRAME = 25
"""Most channels that a frame names: their rows are written within the frame's time."""

_SHOWN_CHARACTERS = 64

type Problem = tuple[ErrorCode, str]
"""The error of one channel of a frame: its code, and a text."""

_NOT_YET = (ErrorCode.NOT_YET, "channels are not available yet: a new release is being rolled out")
_NOT_GRANTED = (ErrorCode.NOT_GRANTED, "the session has no grant for this channel")
_NOT_SUBSCRIBED = (ErrorCode.NOT_SUBSCRIBED, "the connection is not subscribed to this channel")
_UNSUBSCRIBED = (ErrorCode.UNSUBSCRIBED, "another frame has unsubscribed from this channel meanwhile")
_TOO_MANY = (ErrorCode.TOO_MANY_CHANNELS, "the connection has as many channels as it may have")
_TRY_AGAIN = (ErrorCode.TRY_AGAIN, "this did not work now: try again")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStores:
    """The tables of one tenant's subscriptions."""

    connections: ConnectionStore
    subscriptions: SubscriptionStore
    members: MemberStore
    partitions: PartitionAssigner


class Subscribe:
    """Answers frames of the routes `subscribe` and `unsubscribe`; the executor writes the rows of channels in parallel.

    `enabled` is False while functions of a former release run: they would not find the members.
    """

    def __init__(
        self,
        stores: ChannelStores,
        new_channels: NewChannels,
        queue: Queue,
        *,
        executor: Executor,
        clock: Callable[[], float],
        enabled: bool,
    ) -> None:
        self._connections = stores.connections
        self._subscriptions = stores.subscriptions
        self._members = stores.members
        self._partitions = stores.partitions
        self._new_channels = new_channels
        self._queue = queue
        self._executor = executor
        self._clock = clock
        self._enabled = enabled

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """Return the frame that answers each channel by its name."""
        if not self._enabled:
            return caller.refusal(*_NOT_YET)
        unsubscribes = frame.get("action") == "unsubscribe"
        names = _names(frame.get("channels"))
        problems: dict[str, Problem] = {}
        patterns: list[Pattern] = []
        for name in names:
            try:
                pattern = ids.pattern(name)
            except InvalidFieldError as error:
                problems[name] = (ErrorCode.INVALID_FIELD, str(error))
                continue
            if unsubscribes or caller.grants.allow(pattern, "s"):
                patterns.append(pattern)
            else:
                problems[name] = _NOT_GRANTED
        if unsubscribes:
            problems |= self._unsubscribe(SubscriberKey.of(caller.key), patterns)
        elif patterns:
            connection = self._connection(caller)
            if connection is None:
                count("FrameRefused")
                return caller.refusal(*CONNECTION_OVER)
            problems |= self._subscribe(caller, connection, patterns)
        count("ChannelRefused", len(problems))
        if unsubscribes:
            count("ChannelLeft", len(names) - len(problems))
        else:
            count("ChannelSubscribed", len(names) - len(problems))
        return channels_frame(
            "unsubscribed" if unsubscribes else "subscribed",
            [(name[:_SHOWN_CHARACTERS] if name in problems else name, problems.get(name)) for name in names],
        )

    def _connection(self, caller: Caller) -> Connection | None:
        """The caller's connection, which is marked as one with subscriptions; None if its row is gone."""
        connection = self._connections.get(caller.key)
        if connection is None or connection.subscribes or self._connections.mark_subscriber(caller.key):
            return connection
        return None

    def _subscribe(self, caller: Caller, connection: Connection, patterns: Sequence[Pattern]) -> Mapping[str, Problem]:
        problems: dict[str, Problem] = {}
        begun: dict[Pattern, tuple[Subscription, bool]] = self._each(
            partial(self._begin, caller, connection), patterns, problems
        )
        over = self._over_limit(caller, begun)
        if over:
            self._leave([begun.pop(pattern)[0] for pattern in over], problems)
            problems |= dict.fromkeys(over, _TOO_MANY)
        put = self._each(lambda pattern: self._put(connection, begun[pattern][0]), list(begun), problems)
        problems |= self._overtaken(caller, [begun[pattern][0] for pattern in put])
        return problems

    def _begin(self, caller: Caller, connection: Connection, pattern: Pattern) -> tuple[Subscription, bool]:
        may_open = partial(self._new_channels.take, caller.tenant_id, tenant_per_minute=caller.tenant_per_minute)
        partition = self._partitions.assign(channel_key(caller.tenant_id, pattern), may_open=may_open)
        begun, is_new = self._subscriptions.begin(
            Subscription(
                connection=connection.key,
                pattern=pattern,
                number=number_of(partition),
                era=ids.new_era(),
                turn=0,
                changed_at=int(self._clock()),
                expires_at=connection.expires_at,
            )
        )
        if begun.partition != partition:
            self._partitions.reopen(begun.partition)
        return begun, is_new

    def _over_limit(self, caller: Caller, begun: Mapping[Pattern, tuple[Subscription, bool]]) -> list[Pattern]:
        """The new subscriptions for which there is no room, the last ones of the frame first."""
        new = [pattern for pattern, (_, is_new) in begun.items() if is_new]
        if not new:
            return []
        now = self._clock()
        live = [one for one in self._subscriptions.of(SubscriberKey.of(caller.key)) if one.is_live(now)]
        excess = len(live) - caller.channels_per_connection
        return new[-excess:] if excess > 0 else []

    def _put(self, connection: Connection, subscription: Subscription) -> None:
        """Put the member, unless there is one of a later turn."""
        self._members.put(
            ChannelMember(
                subscription.member,
                subscription.era,
                subscription.turn,
                connected_at=connection.connected_at,
                expires_at=connection.expires_at,
            )
        )

    def _overtaken(self, caller: Caller, put: Sequence[Subscription]) -> Mapping[str, Problem]:
        """Take back the members of subscriptions that ended while they were put; the subscriptions are left alone."""
        if not put:
            return {}
        is_over = self._connections.get(caller.key) is None
        eras = {one.pattern: one.era for one in self._subscriptions.of(SubscriberKey.of(caller.key)) if not one.is_gone}
        ended = [one for one in put if is_over or eras.get(one.pattern) != one.era]
        for one in ended:
            self._members.delete(one.member, era=one.era, before=one.turn + 1)
        return dict.fromkeys((one.pattern for one in ended), CONNECTION_OVER if is_over else _UNSUBSCRIBED)

    def _unsubscribe(self, subscriber: SubscriberKey, patterns: Sequence[Pattern]) -> Mapping[str, Problem]:
        problems: dict[str, Problem] = {}
        found = self._each(lambda pattern: self._subscriptions.get(subscriber, pattern), patterns, problems)
        live = [one for one in found.values() if one is not None and not one.is_gone]
        problems |= dict.fromkeys(found.keys() - {one.pattern for one in live}, _NOT_SUBSCRIBED)
        if live:
            self._leave(live, problems)
        return problems

    def _leave(self, subscriptions: Sequence[Subscription], problems: dict[str, Problem]) -> None:
        """End subscriptions of one connection; the message ends those for which this function is killed."""
        left = Left.of(subscriptions)
        self._queue.send_all([left.to_wire()], delay_seconds=LEFT_AGAIN_SECONDS, group=group_of(left.subscriber.tenant))
        of_pattern = {one.pattern: one for one in subscriptions}
        self._each(lambda pattern: self._leave_one(of_pattern[pattern]), list(of_pattern), problems)

    def _leave_one(self, subscription: Subscription) -> None:
        gone = self._subscriptions.leave(subscription, int(self._clock()))
        if gone is None:
            raise TransientError("the subscription ended and began again meanwhile")
        self._members.delete(gone.member, era=gone.era, before=gone.turn)

    def _each[T](
        self, work: Callable[[Pattern], T], patterns: Iterable[Pattern], problems: dict[str, Problem]
    ) -> dict[Pattern, T]:
        """Do the work for each pattern, side by side; return the results of the successful ones."""

        def attempt(pattern: Pattern) -> tuple[Pattern, T] | None:
            try:
                return pattern, work(pattern)
            except TransientError:
                logger.exception("a channel of a frame failed")
                problems[pattern] = _TRY_AGAIN
                return None

        return dict(filter(None, self._executor.map(attempt, patterns)))


def _names(value: Any) -> list[str]:
    """The channels that a frame names, each once."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidFieldError("channels", "must be a list of names")
    if not 1 <= len(value) <= CHANNELS_A_FRAME:
        raise InvalidFieldError("channels", f"must have 1 to {CHANNELS_A_FRAME} names")
    return list(dict.fromkeys(value))

"""Subscribe a connection to channels, and unsubscribe it.

A client that has the acknowledgement of a subscription gets every later message. Its member is committed before the
acknowledgement, in a partition whose row exists, and senders read partitions and members consistently.

A subscription that a function has begun and not completed stays behind without an answer. The client repeats it, or the
end of the connection deletes it. Nothing is resurrected: the subscription is put before the member, and only after the
connection's row was found. When both are put, the connection and the subscriptions are read again. So either this
function sees that the connection has ended, or the function that ends it later sees the subscription.
"""

from collections.abc import Callable, Mapping, Sequence
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
"""Characters that an answer repeats of an illegal name, which may be of any length."""

type Problem = tuple[ErrorCode, str]
"""The error of one channel of a frame: its code, and a text."""

_NOT_YET = (ErrorCode.NOT_YET, "channels are not available yet: a new release is being rolled out")
_NOT_GRANTED = (ErrorCode.NOT_GRANTED, "the session has no grant for this channel")
_NOT_SUBSCRIBED = (ErrorCode.NOT_SUBSCRIBED, "the connection is not subscribed to this channel")
_UNSUBSCRIBED = (ErrorCode.UNSUBSCRIBED, "another frame has ended this subscription meanwhile")
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
            [(_shown(name, problems.get(name)), problems.get(name)) for name in names],
        )

    def _connection(self, caller: Caller) -> Connection | None:
        """The caller's connection, which is marked as one with subscriptions; None if its row is gone."""
        connection = self._connections.get(caller.key)
        if connection is None or connection.subscribes or self._connections.mark_subscriber(caller.key):
            return connection
        return None

    def _subscribe(self, caller: Caller, connection: Connection, patterns: Sequence[Pattern]) -> Mapping[str, Problem]:
        """Subscribe to the patterns for which the connection has room; a full one costs no write.

        The room is counted again when the members are put, since other frames may have taken it. Names that the
        connection had before, within its limit and without another frame's turn since, are kept in any case.
        """
        before = self._live(caller)
        room = caller.channels_per_connection - len(before)
        new = [pattern for pattern in patterns if pattern not in before]
        problems: dict[str, Problem] = dict.fromkeys(new[max(0, room) :], _TOO_MANY)
        tried = [pattern for pattern in patterns if pattern not in problems]
        found = self._each(partial(self._begin, caller, connection), tried, problems)
        begun = {pattern: one for pattern, one in found.items() if one is not None}
        problems |= dict.fromkeys(found.keys() - begun.keys(), _TRY_AGAIN)
        put = self._each(lambda pattern: self._put(connection, begun[pattern]), list(begun), problems)
        if begun:
            doubtful = [one for one in begun.values() if room < 0 or not _continues(one, before.get(one.pattern))]
            self._look_again(caller, [begun[pattern] for pattern in put], doubtful, problems)
        return problems

    def _live(self, caller: Caller) -> dict[Pattern, Subscription]:
        """The connection's subscriptions, by their patterns."""
        now = self._clock()
        return {one.pattern: one for one in self._subscriptions.of(SubscriberKey.of(caller.key)) if one.is_live(now)}

    def _begin(self, caller: Caller, connection: Connection, pattern: Pattern) -> Subscription | None:
        """Begin the next turn of a subscription; None if the tenant may open no more channels in this minute."""
        audience = channel_key(caller.tenant_id, pattern)
        if self._partitions.is_new(audience) and not self._new_channels.take(
            caller.tenant_id, tenant_per_minute=caller.tenant_per_minute
        ):
            return None
        partition = self._partitions.assign(audience)
        begun = self._subscriptions.begin(
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
        return begun

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

    def _look_again(
        self,
        caller: Caller,
        put: Sequence[Subscription],
        doubtful: Sequence[Subscription],
        problems: dict[str, Problem],
    ) -> None:
        """Take back what ended while it was put, and end the last of the doubtful ones if the connection has too many.

        A subscription that was overtaken is left alone: another frame may be about to put its member.
        """
        is_over = self._connections.get(caller.key) is None
        rows = {one.pattern: one for one in self._subscriptions.of(SubscriberKey.of(caller.key)) if not one.is_gone}
        eras = {pattern: row.era for pattern, row in rows.items()}
        ended = [one for one in put if is_over or eras.get(one.pattern) != one.era]
        for one in ended:
            self._members.delete(one.member, era=one.era, before=one.turn + 1)
        problems |= dict.fromkeys((one.pattern for one in ended), CONNECTION_OVER if is_over else _UNSUBSCRIBED)
        now = self._clock()
        excess = sum(row.is_live(now) for row in rows.values()) - caller.channels_per_connection
        if excess > 0 and not is_over:
            over = [one for one in doubtful if eras.get(one.pattern) == one.era][-excess:]
            problems |= dict.fromkeys((one.pattern for one in over), _TOO_MANY)
            self._leave(over, self._give_up, problems)

    def _unsubscribe(self, subscriber: SubscriberKey, patterns: Sequence[Pattern]) -> Mapping[str, Problem]:
        problems: dict[str, Problem] = {}
        found = self._each(lambda pattern: self._subscriptions.get(subscriber, pattern), patterns, problems)
        live = [one for one in found.values() if one is not None and not one.is_gone]
        problems |= dict.fromkeys(found.keys() - {one.pattern for one in live}, _NOT_SUBSCRIBED)
        left = self._leave(live, self._leave_one, problems)
        problems |= dict.fromkeys((pattern for pattern, is_done in left.items() if not is_done), _TRY_AGAIN)
        return problems

    def _leave[T](
        self, subscriptions: Sequence[Subscription], work: Callable[[Subscription], T], problems: dict[str, Problem]
    ) -> dict[Pattern, T]:
        """End subscriptions of one connection; the message ends those for which this function is killed."""
        if not subscriptions:
            return {}
        left = Left.of(subscriptions)
        self._queue.send_all([left.to_wire()], delay_seconds=LEFT_AGAIN_SECONDS, group=group_of(left.subscriber.tenant))
        of_pattern = {one.pattern: one for one in subscriptions}
        return self._each(lambda pattern: work(of_pattern[pattern]), list(of_pattern), problems)

    def _leave_one(self, subscription: Subscription) -> bool:
        """End the subscription, whatever its turn; return False if it ended and began again meanwhile."""
        gone = self._subscriptions.leave(subscription, int(self._clock()))
        if gone is not None:
            self._members.delete(gone.member, era=gone.era, before=gone.turn)
        return gone is not None

    def _give_up(self, subscription: Subscription) -> None:
        """End the subscription, unless another frame has given it a later turn: that one looks at the limit itself."""
        self._subscriptions.leave(subscription, int(self._clock()), of_turn=True)
        self._members.delete(subscription.member, era=subscription.era, before=subscription.turn + 1)

    def _each[T](
        self, work: Callable[[Pattern], T], patterns: Sequence[Pattern], problems: dict[str, Problem]
    ) -> dict[Pattern, T]:
        """Do the work for each pattern, side by side; return the results of the successful ones.

        An unexpected error is raised when all work has ended: no call is made behind the answer.
        """

        def attempt(pattern: Pattern) -> tuple[T] | Exception:
            try:
                return (work(pattern),)
            except Exception as error:  # noqa: BLE001  # it is raised, or logged, below
                return error

        results: dict[Pattern, T] = {}
        failed: dict[Pattern, TransientError] = {}
        for pattern, outcome in zip(patterns, list(self._executor.map(attempt, patterns)), strict=True):
            if isinstance(outcome, TransientError):
                failed[pattern] = outcome
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                results[pattern] = outcome[0]
        if failed:
            logger.error("channels of a frame failed", channels=len(failed), exc_info=next(iter(failed.values())))
            problems |= dict.fromkeys(failed, _TRY_AGAIN)
        return results


def _continues(begun: Subscription, before: Subscription | None) -> bool:
    """Tell whether no other frame had a turn since the subscription was read: it has been live all the time."""
    return before is not None and (begun.era, begun.turn) == (before.era, before.turn + 1)


def _shown(name: str, problem: Problem | None) -> str:
    """The name as the answer has it: a legal one is whole."""
    return name[:_SHOWN_CHARACTERS] if problem and problem[0] is ErrorCode.INVALID_FIELD else name


def _names(value: Any) -> list[str]:
    """The channels that a frame names, each once."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidFieldError("channels", "must be a list of names")
    if not 1 <= len(value) <= CHANNELS_A_FRAME:
        raise InvalidFieldError("channels", f"must have 1 to {CHANNELS_A_FRAME} names")
    return list(dict.fromkeys(value))

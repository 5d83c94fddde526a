"""An inbox that is woken is read, in order, and what is in it posted to all the player's connections.

The queue hands out an inbox's wakes one after the other, so nobody else works on the inbox meanwhile. A message is
deleted when each of the connections took it, or is gone, or is left behind by another one that took it, and not before;
so it may arrive twice, after a crash or a post whose answer was lost. Without a connection it stays until the player
comes back or it expires.

A connection that is left behind is closed: its client connects anew and knows that it missed something; with a gap in
the middle nobody would know. The others' next messages wait for it once, since it is closed then: for two seconds if
its client does not read, for a few seconds if posts to it fail. What cannot be closed at once is named in a wake of its
own, which is sent before the message is deleted, and which closes it while the others get what comes.

A client that does not read is not waited for here: the wake fails, and SQS brings it again after two seconds. Who has a
message by then is noted on its row, so that nobody gets it twice. At the next delivery, a connection that refuses what
another one took is left behind.

Connections are found among the player's devices, which are written with the rows and read consistently, after the
messages: whoever was connected when a message was stored is found, and who comes later brings a wake. A connection may
not be open yet, though its row stands: `$connect` writes the row before the handshake is over, and until then a post or
a close is answered 410. So a connection that is gone is not believed to be while its row is there and young: it is
tried again, for as long as there is time if there is no other one, and for two seconds if another one took the message.

A connection that is gone for good has its row deleted. If nobody takes any, the wake fails, and SQS brings it again
after a while.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.connections.stale import delete_gone
from loudhailer.deadline import Deadline
from loudhailer.delivery.closing import close, note_closed
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.inbox.model import DirectMessage, Inbox, Wake
from loudhailer.inbox.port import InboxStore
from loudhailer.observability import count, logger
from loudhailer.queues.port import FifoQueue
from loudhailer.websocket.replies import direct_frame

MESSAGES_AT_ONCE = 100

_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0
"""Longest time that one of several connections may take for a batch before it is left behind: more than a request."""

_HANDSHAKE_SECONDS = 2.0
"""Longest wait for a handshake once another connection took the message."""

_FORGOTTEN_AT_ONCE = 25
"""Connections that are gone and are forgotten before messages are posted: those wait for it."""

_CLOSE_SECONDS = 1.0
_CLOSE_PAUSE_SECONDS = 0.5

_REFUSED = {Outcome.SLOW, Outcome.THROTTLED}
_FOR_NOW = _REFUSED | {Outcome.FAILED, Outcome.UNSENT}


@dataclass(slots=True)
class _Posted:
    """Result of delivering a batch of messages.

    Attributes:
        taken: how many messages each connection took, from the first one on.
        refused: how the next one ended, for each connection that did not take all.
        opening: those that were gone and whose handshake may not be over.
    """

    taken: dict[ConnectionKey, int]
    refused: dict[ConnectionKey, Outcome]
    opening: set[ConnectionKey]

    def note(self, key: ConnectionKey, outcomes: Sequence[Outcome]) -> None:
        """Note how further frames of a connection ended."""
        taken = outcomes.count(Outcome.DELIVERED)
        self.taken[key] += taken
        self.refused.pop(key, None)
        if taken < len(outcomes):
            self.refused[key] = outcomes[taken]

    @property
    def slow(self) -> set[ConnectionKey]:
        """The connections that were refused a frame which another connection took."""
        another = len(self.refused) < len(self.taken)
        return {key for key, outcome in self.refused.items() if another and outcome in _REFUSED}

    @property
    def behind(self) -> set[ConnectionKey]:
        """Connections that lack a message which another connection of the player has received.

        That is who did not take all if another one did, and otherwise who took none if another one took some: those
        that only are not as far yet go on together.
        """
        there = {key for key, outcome in self.refused.items() if outcome is not Outcome.GONE or key in self.opening}
        if len(self.refused) < len(self.taken):
            return there
        return {key for key in there if not self.taken[key]} if any(self.taken.values()) else set()

    @property
    def gone(self) -> set[ConnectionKey]:
        """Connections that are gone."""
        return {key for key, outcome in self.refused.items() if outcome is Outcome.GONE and key not in self.opening}

    @property
    def done(self) -> int:
        """Number of leading messages that every live connection has received and that can be deleted."""
        others = [taken for key, taken in self.taken.items() if key not in self.gone | self.behind]
        return min(others, default=max(self.taken.values(), default=0))


class RelayMessage:
    """Delivers what is in an inbox.

    `clock` tells epoch seconds; `pause` lets so many seconds pass.
    """

    def __init__(
        self,
        inboxes: InboxStore,
        connections: ConnectionStore,
        devices: DeviceStore,
        sender: OrderedSender,
        wakes: FifoQueue,
        *,
        endpoint: str,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._inboxes = inboxes
        self._connections = connections
        self._devices = devices
        self._sender = sender
        self._wakes = wakes
        self._endpoint = endpoint
        self._clock = clock
        self._pause = pause

    def __call__(self, wake: Wake, *, wake_id: str, deadline: Deadline) -> None:
        """Handle one wake; what there is no time for is left to another wake, which is sent at the end.

        Raises:
            TransientError: there are connections, and none of them takes anything now; or the one that is behind cannot
                be closed.
        """
        with logger.append_context_keys(tenant_id=wake.inbox.tenant_id):
            if wake.behind is not None:
                done = self._end(wake, wake_id, deadline)
            else:
                done = self._deliver(wake, wake_id, deadline, set())
            if not done:
                count("WakeHandedOn")
                self._wakes.send_all([wake.to_message(f"{wake_id}.on")])

    def _deliver(self, wake: Wake, wake_id: str, deadline: Deadline, left: set[ConnectionKey]) -> bool:
        """Deliver until nothing is left, or nobody to deliver to; False if the time was over before.

        Who is in `left`, or comes into it, gets nothing more.
        """
        delivered = 0
        while messages := self._waiting(wake.inbox):
            connections = self._connections_of(wake.inbox) - left
            # Nobody is to be left behind because the time was short.
            needed = _PATIENCE_SECONDS if delivered and len(connections) > 1 else 0.0
            if deadline.is_over(within=needed):
                return False
            posted = self._post(connections, messages, deadline)
            self._delete_gone(posted.gone)
            if posted.slow and not any(message.taken_by for message in messages):
                self._keep_for_slow(messages, posted)
                raise TransientError("a connection does not read")
            self._leave_behind(posted.behind, wake, wake_id)
            left |= posted.behind
            self._inboxes.delete(messages[: posted.done])
            delivered += posted.done
            count("MessageDelivered", posted.done)
            if posted.done:
                continue
            if not _FOR_NOW.isdisjoint(posted.refused.values()):
                if not delivered:
                    raise TransientError("no connection takes anything now")
                return False
            if not posted.opening:
                return True
            self._pause(_PAUSE_SECONDS)
        return True

    def _end(self, wake: Wake, wake_id: str, deadline: Deadline) -> bool:
        """Close the connection that is behind, and deliver to the others; False if the time was over before."""
        behind = set() if wake.behind is None else {wake.behind}
        left = set(behind)
        while still := self._close(behind):
            if not self._deliver(wake, wake_id, deadline, left):
                return False
            if deadline.is_over(within=_CLOSE_PAUSE_SECONDS):
                if not _FOR_NOW.isdisjoint(still.values()):
                    raise TransientError("a connection that is left behind cannot be closed now")
                return False
            self._pause(_CLOSE_PAUSE_SECONDS)
        return self._deliver(wake, wake_id, deadline, left)

    def _waiting(self, inbox: Inbox) -> list[DirectMessage]:
        """The oldest messages that are not expired; those that are, are deleted."""
        while found := self._inboxes.oldest(inbox, MESSAGES_AT_ONCE):
            now = self._clock()
            if expired := [message for message in found if message.expires_at <= now]:
                count("MessageExpired", len(expired))
                self._inboxes.delete(expired)
            if waiting := [message for message in found if message.expires_at > now]:
                return waiting
        return []

    def _connections_of(self, inbox: Inbox) -> set[ConnectionKey]:
        """The player's connections that have a row; some of those that have none are forgotten."""
        known = self._devices.of_player(*inbox)
        standing = self._connections.connected_at(known) if known else {}
        try:
            gone = (key.connection_id for key in known if key not in standing)
            self._devices.forget(*inbox, islice(gone, _FORGOTTEN_AT_ONCE))
        except TransientError:
            logger.exception("connections that are gone are left among the devices")
        return set(standing)

    def _post(
        self, connections: Collection[ConnectionKey], messages: list[DirectMessage], deadline: Deadline
    ) -> _Posted:
        """Post the messages to all of them, but for those that a connection has by an earlier delivery.

        While others have some, those that may be in their handshake are posted to again and again.
        """
        frames = [
            direct_frame(message.message_id, message.message, message.source, message.sent_at).encode()
            for message in messages
        ]
        patience = deadline if len(connections) == 1 else deadline.at_most(_PATIENCE_SECONDS)
        handshakes = patience.at_most(_HANDSHAKE_SECONDS)
        taken = {key: sum(key.connection_id in message.taken_by for message in messages) for key in connections}
        posted = _Posted(taken=taken, refused={}, opening=set())
        trying = connections
        while True:
            outcomes = self._sender.post_in_order(
                self._endpoint,
                {key.connection_id: frames[posted.taken[key] :] for key in trying},
                seconds=patience.seconds_left,
            )
            for key in trying:
                posted.note(key, outcomes[key.connection_id])
            posted.opening = self._opening(
                [key for key, outcome in posted.refused.items() if outcome is Outcome.GONE and not posted.taken[key]]
            )
            over = handshakes.is_over(within=_PAUSE_SECONDS)
            trying = posted.opening
            if over or not trying or not any(posted.taken.values()):
                return posted
            self._pause(_PAUSE_SECONDS)

    def _keep_for_slow(self, messages: Sequence[DirectMessage], posted: _Posted) -> None:
        """Keep what not all have, with who has it; delete what all have."""
        done = min(taken for key, taken in posted.taken.items() if key not in posted.gone)
        for place, message in enumerate(messages[done:], done):
            if has_it := [key.connection_id for key, taken in posted.taken.items() if taken > place]:
                self._inboxes.note_taken(message, has_it)
        self._inboxes.delete(messages[:done])
        count("MessageDelivered", done)

    def _leave_behind(self, connections: Collection[ConnectionKey], wake: Wake, wake_id: str) -> None:
        """Close the connections; those that cannot be closed now are left to wakes of their own."""
        still = self._close(connections)
        self._wakes.send_all(
            Wake(wake.inbox, behind=key).to_message(f"{wake_id}.{sha256(key.connection_id.encode()).hexdigest()}")
            for key in still
        )

    def _close(self, connections: Collection[ConnectionKey]) -> dict[ConnectionKey, Outcome]:
        """Close connections; those that may be open still, and why."""
        wanted = {key: key.connection_id for key in sorted(connections)}
        closing = close(self._sender, self._endpoint, wanted, seconds=_CLOSE_SECONDS)
        note_closed([wanted[key] for key in closing.closed])
        opening = self._opening(closing.gone)
        self._delete_gone(key for key in closing.gone if key not in opening)
        still = {key: outcome for key, outcome in closing.open.items() if outcome in _FOR_NOW}
        return still | dict.fromkeys(opening, Outcome.GONE)

    def _delete_gone(self, gone: Iterable[ConnectionKey]) -> None:
        delete_gone(lambda _: self._connections, gone, now=self._clock())

    def _opening(self, gone: Sequence[ConnectionKey]) -> set[ConnectionKey]:
        """Connections whose handshake may not be over: they have a row, and it is young."""
        made = self._connections.connected_at(gone) if gone else {}
        return {key for key, at in made.items() if self._clock() - at < YOUNG_SECONDS}

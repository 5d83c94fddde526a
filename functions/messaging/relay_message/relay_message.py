"""Read an inbox in order, and post its messages to all connections of its player.

The queue delivers an inbox's wakes one after the other, so only one invocation works on an inbox. A message is deleted
when each connection took it, is gone, or is *behind*: it missed the message while another connection took it. So a
message may arrive twice after a crash or a lost answer. If there is no connection, it stays until the player returns or
it expires.

A connection that is behind is closed: its client reconnects and knows that it missed something, while a gap in the
middle would go unnoticed. The next messages of the other connections wait for that once: two seconds if its client does
not read, a few seconds if posts to it fail. A connection that cannot be closed at once is named in a wake of its own.
That wake is sent before the message is deleted; it closes the connection while the others receive their messages.

The invocation does not wait for a client that does not read: the wake fails, and SQS delivers it again after two
seconds. The connections that have a message by then are noted on its row, so that none receives it twice. At the next
delivery, a connection that refuses a message which another one took is behind.

Connections are found among the player's devices, which are written together with the rows and read consistently, after
the messages. So every connection that existed when a message was stored is found, and a later connection sends a wake.
A connection with a row may not be open yet: `$connect` writes the row before the handshake is complete, and until then
API Gateway answers a post or a close with 410. So a 410 does not prove that a new connection is gone: it is tried
again, until the deadline if it is the only connection, and for two seconds if another one took the message.

The player may be on another cell. The messages are then handed over, and stay here until they are stored there: see
`players_cell`.

The row of a connection that is certainly gone is deleted. If no connection takes the message, the wake fails, and SQS
delivers it again later. A message that API Gateway rejects for every connection is deleted, or it would hold up the
others of its inbox.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from functions.messaging.relay_message.players_cell import HubUnreachableError, PlayersCell
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
"""Seconds that one of several connections may take for a batch before it is behind: more than a request takes."""

_HANDSHAKE_SECONDS = 2.0
"""Longest wait in seconds for a handshake once another connection took the message."""

_FORGOTTEN_AT_ONCE = 25
"""Gone connections that are deleted before messages are posted: the messages wait for that."""

_CLOSE_SECONDS = 1.0
_CLOSE_PAUSE_SECONDS = 0.5

_REFUSED = {Outcome.SLOW, Outcome.THROTTLED}
_MAY_PASS_LATER = _REFUSED | {Outcome.FAILED, Outcome.UNSENT}


@dataclass(slots=True)
class _Posted:
    """Result of delivering a batch of messages.

    Attributes:
        taken: number of leading messages that each connection took.
        refused: outcome of the next message, for each connection that did not take all.
        opening: connections that were answered 410 and whose handshake may not be complete.
    """

    taken: dict[ConnectionKey, int]
    refused: dict[ConnectionKey, Outcome]
    opening: set[ConnectionKey]

    def note(self, key: ConnectionKey, outcomes: Sequence[Outcome]) -> None:
        """Note the outcomes of further frames of a connection."""
        taken = outcomes.count(Outcome.DELIVERED)
        self.taken[key] += taken
        self.refused.pop(key, None)
        if taken < len(outcomes):
            self.refused[key] = outcomes[taken]

    @property
    def slow(self) -> set[ConnectionKey]:
        """Return the connections that were refused a frame which another connection took."""
        another = len(self.refused) < len(self.taken)
        return {key for key, outcome in self.refused.items() if another and outcome in _REFUSED}

    @property
    def behind(self) -> set[ConnectionKey]:
        """Return the connections that lack a message which another connection of the player has received.

        If any connection took all messages, these are all that did not. Otherwise they are the connections that took
        none, if another one took some: connections that only took fewer continue together.
        """
        live = {key for key, outcome in self.refused.items() if outcome is not Outcome.GONE or key in self.opening}
        if len(self.refused) < len(self.taken):
            return live
        return {key for key in live if not self.taken[key]} if any(self.taken.values()) else set()

    @property
    def gone(self) -> set[ConnectionKey]:
        """Connections that are gone."""
        return {key for key, outcome in self.refused.items() if outcome is Outcome.GONE and key not in self.opening}

    @property
    def deletable(self) -> int:
        """Number of leading messages that every live connection has received and that can be deleted."""
        others = [taken for key, taken in self.taken.items() if key not in self.gone | self.behind]
        return min(others, default=max(self.taken.values(), default=0))


class RelayMessage:
    """Delivers the messages of an inbox.

    `clock` returns epoch seconds; `pause` waits for that many seconds.
    """

    def __init__(
        self,
        inboxes: InboxStore,
        connections: ConnectionStore,
        devices: DeviceStore,
        sender: OrderedSender,
        wakes: FifoQueue,
        *,
        players_cell: PlayersCell,
        endpoint: str,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._inboxes = inboxes
        self._connections = connections
        self._devices = devices
        self._sender = sender
        self._wakes = wakes
        self._players_cell = players_cell
        self._endpoint = endpoint
        self._clock = clock
        self._pause = pause

    def __call__(self, wake: Wake, *, wake_id: str, deadline: Deadline, is_last: bool = False) -> None:
        """Handle one wake; if time runs out, another wake is sent for the rest.

        `is_last` says that the wake is given up if it fails once more. If it cannot reach the hub, another wake is
        sent, since nothing else might wake the inbox on this cell.

        Raises:
            TransientError: there are connections, but none of them takes a message now; or the connection that is
                behind cannot be closed; or the hub is needed and does not answer.
        """
        with logger.append_context_keys(tenant_id=wake.inbox.tenant_id):
            try:
                is_finished = self._handle(wake, wake_id, deadline)
            except HubUnreachableError:
                if not is_last:
                    raise
                is_finished = False
            if not is_finished:
                count("WakeHandedOn")
                self._wakes.send_all([wake.to_message(f"{wake_id}.on")])

    def _handle(self, wake: Wake, wake_id: str, deadline: Deadline) -> bool:
        """Handle the wake; return False if time runs out before it is done."""
        if wake.behind is not None:
            return self._close_and_deliver(wake, wake_id, deadline)
        if wake.only_fetches:
            self._players_cell.fetch(wake.inbox)
            return True
        is_finished = self._deliver(wake, wake_id, deadline, set())
        if is_finished and wake.connected:
            self._fetch(wake, wake_id)
        return is_finished

    def _fetch(self, wake: Wake, wake_id: str) -> None:
        """Have messages forwarded to this cell; if the hub does not answer, send another wake."""
        try:
            self._players_cell.fetch(wake.inbox)
        except HubUnreachableError:
            self._wakes.send_all([Wake(wake.inbox, only_fetches=True).to_message(f"{wake_id}.fetch")])

    def _deliver(self, wake: Wake, wake_id: str, deadline: Deadline, skipped: set[ConnectionKey]) -> bool:
        """Deliver until there are no messages or no connections; return False if time runs out before.

        Connections in `skipped` get no further messages.
        """
        delivered = 0
        while messages := self._waiting(wake.inbox):
            connections = self._connections_of(wake.inbox) - skipped
            if self._players_cell.hand_over(messages, is_connected=bool(connections)) or not connections:
                return True
            # No connection may be closed as behind only because time was short.
            needed = _PATIENCE_SECONDS if delivered and len(connections) > 1 else 0.0
            if deadline.is_over(within=needed):
                return False
            posted = self._post(connections, messages, deadline)
            self._delete_gone(posted.gone)
            if posted.slow and not any(message.taken_by for message in messages):
                self._keep_for_slow(messages, posted)
                raise TransientError("a connection does not read")
            self._close_or_wake(posted.behind, wake, wake_id)
            skipped |= posted.behind
            self._inboxes.delete(messages[: posted.deletable])
            delivered += posted.deletable
            count("MessageDelivered", posted.deletable)
            if posted.deletable:
                continue
            if not _MAY_PASS_LATER.isdisjoint(posted.refused.values()):
                if not delivered:
                    raise TransientError("no connection takes anything now")
                return False
            if posted.opening:
                self._pause(_PAUSE_SECONDS)
            elif Outcome.REJECTED in posted.refused.values():
                self._delete_rejected(messages[0])
            else:
                # All connections are gone, but the player counts as connected to this cell.
                self._players_cell.hand_over(messages, is_connected=False)
                return True
        return True

    def _delete_rejected(self, message: DirectMessage) -> None:
        """Delete a message that API Gateway will never accept: it would hold up the inbox until it expires."""
        count("MessageRejected")
        logger.error("a direct message is deleted, since API Gateway rejects it", message_id=message.message_id)
        self._inboxes.delete([message])

    def _close_and_deliver(self, wake: Wake, wake_id: str, deadline: Deadline) -> bool:
        """Close the connection that is behind, and deliver to the others; return False if time runs out before."""
        behind = set() if wake.behind is None else {wake.behind}
        skipped = set(behind)
        while unclosed := self._close(behind):
            if not self._deliver(wake, wake_id, deadline, skipped):
                return False
            if deadline.is_over(within=_CLOSE_PAUSE_SECONDS):
                if not _MAY_PASS_LATER.isdisjoint(unclosed.values()):
                    raise TransientError("a connection that is behind cannot be closed now")
                return False
            self._pause(_CLOSE_PAUSE_SECONDS)
        return self._deliver(wake, wake_id, deadline, skipped)

    def _waiting(self, inbox: Inbox) -> list[DirectMessage]:
        """Return the oldest unexpired messages, and delete the expired ones."""
        while found := self._inboxes.oldest(inbox, MESSAGES_AT_ONCE):
            now = self._clock()
            if expired := [message for message in found if message.expires_at <= now]:
                count("MessageExpired", len(expired))
                self._inboxes.delete(expired)
            if waiting := [message for message in found if message.expires_at > now]:
                return waiting
        return []

    def _connections_of(self, inbox: Inbox) -> set[ConnectionKey]:
        """Return the player's connections that have a row; delete some of the devices that have none."""
        known = self._devices.of_player(*inbox)
        recorded = self._connections.connected_at(known) if known else {}
        try:
            gone = (key.connection_id for key in known if key not in recorded)
            self._devices.forget(*inbox, islice(gone, _FORGOTTEN_AT_ONCE))
        except TransientError:
            logger.exception("devices of connections that are gone could not be deleted")
        return set(recorded)

    def _post(
        self, connections: Collection[ConnectionKey], messages: list[DirectMessage], deadline: Deadline
    ) -> _Posted:
        """Post the messages to all connections, except messages that a connection already has.

        Once another connection has taken some, posts to connections whose handshake may not be complete are repeated.
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
        """Delete the messages that all connections have; note on the others which connections have them."""
        done = min(taken for key, taken in posted.taken.items() if key not in posted.gone)
        for place, message in enumerate(messages[done:], done):
            if holders := [key.connection_id for key, taken in posted.taken.items() if taken > place]:
                self._inboxes.note_taken(message, holders)
        self._inboxes.delete(messages[:done])
        count("MessageDelivered", done)

    def _close_or_wake(self, connections: Collection[ConnectionKey], wake: Wake, wake_id: str) -> None:
        """Close the connections; send a wake for each connection that cannot be closed now."""
        unclosed = self._close(connections)
        self._wakes.send_all(
            Wake(wake.inbox, behind=key).to_message(f"{wake_id}.{sha256(key.connection_id.encode()).hexdigest()}")
            for key in unclosed
        )

    def _close(self, connections: Collection[ConnectionKey]) -> dict[ConnectionKey, Outcome]:
        """Close connections; return the ones that may still be open, with the reasons."""
        wanted = {key: key.connection_id for key in sorted(connections)}
        closing = close(self._sender, self._endpoint, wanted, seconds=_CLOSE_SECONDS)
        note_closed([wanted[key] for key in closing.closed])
        opening = self._opening(closing.gone)
        self._delete_gone(key for key in closing.gone if key not in opening)
        unclosed = {key: outcome for key, outcome in closing.open.items() if outcome in _MAY_PASS_LATER}
        return unclosed | dict.fromkeys(opening, Outcome.GONE)

    def _delete_gone(self, gone: Iterable[ConnectionKey]) -> None:
        delete_gone(lambda _: self._connections, gone, now=self._clock())

    def _opening(self, gone: Sequence[ConnectionKey]) -> set[ConnectionKey]:
        """Return the connections whose handshake may not be complete: they have a row, and are new."""
        connected_at = self._connections.connected_at(gone) if gone else {}
        return {key for key, at in connected_at.items() if self._clock() - at < YOUNG_SECONDS}
